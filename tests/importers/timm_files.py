"""Small tables in timm's format, written by the tests."""

from __future__ import annotations

from pathlib import Path

RESULTS = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation"
SHIFTED = f"{RESULTS},top1_diff,top5_diff,rank_diff"
INFER = (
    "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts"
)
TRAIN = "model,train_samples_per_sec,train_step_time,train_batch_size,train_img_size,param_count"

GIANT = 'eva_giant_patch14_336.clip_ft_in1k,336,89.462,10.538,98.820,1.180,"1,013.01",1.000,bicubic'
SMALL = "resnet50.a1_in1k,224,80.212,19.788,94.554,5.446,25.56,0.950,bicubic"
LARGE = "resnet50.a1_in1k,288,81.214,18.786,95.104,4.896,25.56,1.000,bilinear"


def write_table(folder: Path, name: str, header: str, *rows: str) -> Path:
    """A CSV file with these lines."""
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def write_accuracies(folder: Path, *rows: str) -> Path:
    """Timm's main table; three rows when none are given."""
    return write_table(folder, "results-imagenet.csv", RESULTS, *(rows or (GIANT, SMALL, LARGE)))


def write_speeds(folder: Path, name: str = "benchmark-infer-amp-nchw-pt291-cu130-5090.csv") -> Path:
    """A table of inference speed with two rows: one that fits `SMALL`, and one that fits no accuracy."""
    return write_table(
        folder,
        name,
        INFER,
        'resnet50,224,"6,128.50",167.091,1024,25.56,4.11,11.11',
        "resnet50,160,11000.00,93.091,1024,25.56,2.10,5.67",
    )
