"""The same answers as timm's own pipeline and as known models, image by image (design: fidelity)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.backends.base import RunSpec
from bench.backends.local import LocalBackend
from bench.backends.run import RunOptions
from bench.data.dataset import open_dataset
from bench.data.loader import iter_batches
from bench.data.transforms import geometry_of
from bench.evaluate import evaluate
from bench.files import sha256_of_file
from bench.metrics.topk import rank_logits
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.store import Store

MakeSubmission = Callable[..., Path]

ARCHITECTURES = {
    # name: (factory, crop_pct, interpolation, mean and std)
    "resnet18": ("timm.create_model('resnet18')", 0.95, "bicubic", 0.485),
    "vit-tiny": ("timm.create_model('vit_tiny_patch16_224')", 0.9, "bicubic", 0.5),
    "mobilenetv3-small": ("timm.create_model('mobilenetv3_small_050')", 0.875, "bicubic", 0.485),
    "convnext-atto": ("timm.create_model('convnext_atto')", 0.875, "bilinear", 0.485),
    "squeezenet": ("torchvision.models.squeezenet1_1()", 0.875, "bilinear", 0.485),
    "shufflenet": ("torchvision.models.shufflenet_v2_x0_5()", 0.965, "bilinear", 0.485),
}
MEANS = {0.485: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), 0.5: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))}


def _photos(tmp_path: Path) -> Path:
    """JPEG files of photo-like sizes, in folders of real classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    sizes = [(500, 375), (375, 500), (333, 501), (640, 427), (256, 256), (121, 90), (501, 255), (480, 640)]
    for number, (size, wnid) in enumerate(zip(sizes, ("n01440764", "n03995372") * 4, strict=True), start=1):
        folder = tmp_path / "photos" / "val" / wnid
        folder.mkdir(parents=True, exist_ok=True)
        small_HWC = random.integers(0, 256, (15, 20, 3), dtype=np.uint8)
        image = Image.fromarray(small_HWC).resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"ILSVRC2012_val_{number:08d}.JPEG", quality=90)
    return tmp_path / "photos"


def _compare_with_timm(name: str, data: Path, folder: Path, limit: int | None, cache_folder: Path) -> None:
    """Logits within 1e-5 of the largest one, and the same five classes in the same order, for every image."""
    import timm.data
    import torch
    from PIL import Image

    submission = open_submission(str(folder))
    spec = submission.manifest.input
    assert spec is not None
    protocol = load_protocol("imagenet-val-open")
    dataset = open_dataset(data, protocol.dataset, allow_partial=True, limit=limit)
    run = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=cache_folder)
    with LocalBackend().start(submission, run) as session:
        batches = list(iter_batches(dataset, geometry_of(session.input), batch_size=8, num_threads=2))
        ours_NC = np.concatenate([session.logits(batch.images_NHWC) for batch in batches])

    transform = timm.data.create_transform(
        input_size=spec.img_size,
        crop_pct=spec.crop_pct,
        interpolation=spec.interpolation,
        mean=spec.mean,
        std=spec.std,
        is_training=False,
    )
    torch.manual_seed(0)
    model = _factory(name)().eval()
    inputs_NCHW = torch.stack([transform(Image.open(sample.path).convert("RGB")) for sample in dataset.samples])
    with torch.inference_mode():
        theirs_NC = torch.cat([model(part) for part in inputs_NCHW.split(8)]).numpy()

    assert np.abs(ours_NC - theirs_NC).max() / np.abs(theirs_NC).max() <= 1e-5
    ours_NK, theirs_NK = (
        rank_logits(logits_NC, dataset.labels_N).classes_NK[:, :5] for logits_NC in (ours_NC, theirs_NC)
    )
    np.testing.assert_array_equal(ours_NK, theirs_NK)


def _factory(name: str) -> Callable[[], object]:
    import timm
    import torchvision

    return lambda: eval(ARCHITECTURES[name][0], {"timm": timm, "torchvision": torchvision})  # noqa: S307 - our own table


def _submission(name: str, make_submission: MakeSubmission) -> Path:
    factory, crop_pct, interpolation, kind = ARCHITECTURES[name]
    mean, std = MEANS[kind]
    code = f"import timm\nimport torchvision\n\n\ndef build_model():\n    return {factory}\n"
    keys = {
        "img_size": 224,
        "crop_pct": crop_pct,
        "interpolation": f'"{interpolation}"',
        "mean": list(mean),
        "std": list(std),
    }
    return make_submission(
        code, name=name, more="[input]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items())
    )


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_logits_equal_those_of_timms_own_pipeline(name: str, tmp_path: Path, make_submission: MakeSubmission) -> None:
    """Seeded random weights, drawn JPEG files: timm's transform, one image at a time, then the model."""
    _compare_with_timm(name, _photos(tmp_path), _submission(name, make_submission), None, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_logits_equal_on_real_photographs(
    name: str, tmp_path: Path, make_submission: MakeSubmission, real_data: Path
) -> None:
    """The same on photographs of ImageNet."""
    _compare_with_timm(name, real_data / "imagenet-sample", _submission(name, make_submission), 64, tmp_path)


@pytest.mark.parametrize(("width", "img_size", "top1", "top5"), [("0.25", 128, 145, 224), ("0.5", 160, 215, 263)])
def test_real_models_give_their_known_answers(
    width: str, img_size: int, top1: int, top5: int, tmp_path: Path, make_submission: MakeSubmission, real_data: Path
) -> None:
    """Two pretrained MobileNets on 300 photographs: counts that were computed independently of bench."""
    weights = real_data / "real-models" / f"mobilenet_v1_{width}_{img_size}.safetensors"
    code = (Path(__file__).parent / "data" / "mobilenet_v1" / "model.py").read_text()
    more = (
        f'kwargs = {{ width = {width} }}\nweights = "weights.safetensors"\nsha256 = "{sha256_of_file(weights)}"\n'
        f"[outputs]\nbackground = true\n[input]\nimg_size = {img_size}\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]"
    )
    folder = make_submission(code, more=more)
    (folder / "weights.safetensors").write_bytes(weights.read_bytes())
    protocol = load_protocol("imagenet-val-open")
    dataset = open_dataset(real_data / "imagenet-sample", protocol.dataset, allow_partial=True)
    options = RunOptions(device="cpu", num_threads=2)
    result = evaluate(open_submission(str(folder)), protocol, dataset, Store(tmp_path / "results"), options).result

    assert (result.metrics["top1"].count, result.metrics["top5"].count) == (top1, top5)
    assert result.metrics["top1"].num_samples == 300
    assert not result.dataset.complete
