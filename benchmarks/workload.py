"""What the benchmarks run on: JPEG files of real sizes, light models with seeded random weights, plain reference loops.

Shape letters: N images, H and W pixels, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.classes import class_table

IMG_SIZE = 160
CROP_PCT = 0.875
"""Light models of one geometry; their forward pass costs less than decoding."""
MODELS = (
    "test_vit",
    "test_vit2",
    "test_resnet",
    "test_efficientnet",
    "test_convnext",
    "test_byobnet",
    "mobilenetv3_small_050",
    "mobilenetv3_small_075",
)
SIZES = ((500, 375), (500, 333), (375, 500), (500, 400), (640, 480), (333, 500), (480, 360), (500, 500))
"""Sizes that are frequent among the ILSVRC validation images; their mean is about 0.2 megapixels."""


def write_photos(folder: Path, num_photos: int) -> Path:
    """Writes `val/<WNID>/ILSVRC2012_val_*.JPEG` files of about 110 KB, the mean of the ILSVRC validation set.

    A folder that holds that many already is left as it is.
    """
    wnids = class_table("imagenet-1k").wnids[:50]
    if len(list(folder.glob("val/*/*.JPEG"))) == num_photos:
        return folder
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: _write_photo(folder, wnids, number), range(1, num_photos + 1)))
    return folder


def _write_photo(folder: Path, wnids: Sequence[str], number: int) -> None:
    random = np.random.default_rng(number)
    size = SIZES[number % len(SIZES)]
    octaves = [
        np.asarray(Image.fromarray(random.integers(0, 256, (side * 3, side * 4, 3), dtype=np.uint8)).resize(size, 3))
        for side in (2, 8, 32)
    ]
    noise_HWC = random.normal(0, 9, (size[1], size[0], 3))
    pixels_HWC = 0.5 * octaves[0] + 0.3 * octaves[1] + 0.2 * octaves[2] + noise_HWC
    path = folder / "val" / wnids[number % len(wnids)] / f"ILSVRC2012_val_{number:08d}.JPEG"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels_HWC.clip(0, 255).astype(np.uint8)).save(path, quality=92)


def write_submissions(folder: Path, models: Sequence[str] = MODELS, *, img_size: int = IMG_SIZE) -> list[Path]:
    """Writes a submission a model: timm's architecture with random weights, seeded by bench."""
    paths = []
    for name in models:
        path = folder / "light" / name.replace("_", "-")
        path.mkdir(parents=True, exist_ok=True)
        (path / "model.py").write_text(
            f"import timm\n\n\ndef build_model():\n    return timm.create_model({name!r}, num_classes=1000)\n"
        )
        (path / "submission.toml").write_text(
            f'format_version = 1\ntitle = "{name}"\n[model]\nsource = "python"\nfile = "model.py"\n'
            f'factory = "build_model"\n[input]\nimg_size = {img_size}\ncrop_pct = {CROP_PCT}\n'
        )
        paths.append(path)
    return paths


def build(name: str) -> Any:
    """The model of a submission of `write_submissions`, as bench seeds it, ready to answer on the CPU."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=1000).eval().requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


def plain_decode(paths: Sequence[Path], num_threads: int) -> npt.NDArray[np.uint8]:
    """Plain Pillow in threads: open, convert, resize, crop, and nothing else; uint8 (N, H, W, 3)."""
    images_NHWC = np.empty((len(paths), IMG_SIZE, IMG_SIZE, 3), np.uint8)
    side = int(IMG_SIZE / CROP_PCT)

    def fill(index: int) -> None:
        with Image.open(paths[index]) as file:
            image = file.convert("RGB")
        width, height = image.size
        shape = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
        image = image.resize(shape, Image.Resampling.BILINEAR)
        left, top = round((shape[0] - IMG_SIZE) / 2), round((shape[1] - IMG_SIZE) / 2)
        images_NHWC[index] = image.crop((left, top, left + IMG_SIZE, top + IMG_SIZE))

    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(fill, range(len(paths))))
    return images_NHWC


def preloaded(images_NHWC: npt.NDArray[np.uint8], batch_size: int) -> list[Any]:
    """Batches that are ready for the model: normalised, float32, channels last."""
    import torch

    mean, std = (torch.tensor(v) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    batches = torch.from_numpy(images_NHWC).split(batch_size)
    return [((batch.float() / 255 - mean) / std).permute(0, 3, 1, 2) for batch in batches]


def bare_forward(model: Any, batches: list[Any]) -> None:
    """The forward pass alone, on batches that are ready, and nothing else."""
    import torch

    with torch.inference_mode():
        for inputs_NCHW in batches:
            model(inputs_NCHW)


@dataclass(frozen=True)
class Ratios:
    """Ratios of paired runs."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        return f"{median(self.values):.3f} ({min(self.values):.3f} to {max(self.values):.3f}, n = {len(self.values)})"


class Clock:
    """Wall time of a block, in seconds."""

    def __enter__(self) -> Clock:
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started
