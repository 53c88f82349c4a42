"""Augmentation, against the libraries' own transforms fed by the same source of chance."""

# ruff: noqa: D102, NPY002, S311 - the libraries' own shared generators, behind the methods of Chance
from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.transforms import RandomResizedCropAndInterpolation
from torchvision import transforms as tv

from bench.data.dice import Dice
from bench.records.recipe import Augmentation
from bench.training.augment import augment
from bench.training.crops import crop_box, square_box
from bench.training.pca_noise import add_pca_noise
from bench.training.randaugment import randaugment
from bench.training.trivialaugment import colour_jitter, trivialaugment


class OfTorch:
    """torch's generator as a source of chance, drawn from as torchvision does."""

    def below(self, end: int) -> int:
        return int(torch.randint(end, (1,)).item())

    def fraction(self) -> float:
        return torch.rand(1).item()

    def normal(self) -> float:
        return torch.randn(1).item()

    def order(self, count: int) -> Iterable[int]:
        return torch.randperm(count).tolist()


class OfPython:
    """The generators of Python and numpy, drawn from as timm does: operations with numpy, all else with Python."""

    def __init__(self, num_operations: int = 0) -> None:
        self._drawn = np.random.choice(15, num_operations).tolist() if num_operations else []

    def below(self, end: int) -> int:
        return self._drawn.pop(0) if self._drawn else random.randrange(end)

    def fraction(self) -> float:
        return random.random()

    def normal(self) -> float:
        return random.gauss(0, 1)

    def order(self, count: int) -> Iterable[int]:
        raise NotImplementedError


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(scope="session")
def photograph() -> Image.Image:
    """Smooth shades with noise on them, so that every operation shows."""
    y, x = np.mgrid[:90, :120]
    noise = np.random.default_rng(0).integers(0, 60, (90, 120, 3))
    shades = np.stack([x, y * 2, (x + y) // 2], axis=-1) + noise
    return Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))


def equal(first: Any, second: Any) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "bilinear-or-bicubic"])
def test_crops_are_timms_to_the_byte(photograph: Image.Image, interpolation: Any) -> None:
    """With Python's generator as the source, place, filter and pixels are those of its own transform."""
    word = "random" if interpolation == "bilinear-or-bicubic" else interpolation
    theirs = RandomResizedCropAndInterpolation(32, scale=(0.08, 1.0), interpolation=word)
    ours = Augmentation(interpolation=interpolation, horizontal_flip=0.0)
    for seed in range(60):
        seed_all(seed)
        expected = theirs(photograph)
        seed_all(seed)
        assert equal(augment(photograph, ours, 32, OfPython()), expected), seed


def test_crops_and_mirrors_are_torchvisions_to_the_byte(photograph: Image.Image) -> None:
    """Its reference preset, with torch's generator as the source; torch rounds areas to float32, we do not."""
    theirs = tv.Compose([tv.RandomResizedCrop(32, antialias=True), tv.RandomHorizontalFlip()])
    ours = Augmentation()
    num_equal = 0
    for seed in range(100):
        seed_all(seed)
        expected = theirs(photograph)
        seed_all(seed)
        num_equal += equal(augment(photograph, ours, 32, OfTorch()), expected)

    assert num_equal >= 98


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_trivialaugment_is_torchvisions_to_the_byte(photograph: Image.Image, interpolation: str) -> None:
    """Operation, strength, direction and pixels, over enough draws that each operation comes up often."""
    theirs = tv.TrivialAugmentWide(interpolation=tv.InterpolationMode(interpolation))
    resample = Image.Resampling[interpolation.upper()]
    for seed in range(400):
        seed_all(seed)
        expected = theirs(photograph)
        seed_all(seed)
        assert equal(trivialaugment(photograph, resample, OfTorch()), expected), seed


@pytest.mark.parametrize("limits", [(0.4, 0.4, 0.4), (0.0, 0.2, 0.9), (1.0, 0.0, 0.0)])
def test_colour_jitter_is_torchvisions(photograph: Image.Image, limits: tuple[float, float, float]) -> None:
    """To the byte, except where torch's float32 factors round the other way: then by one level."""
    theirs = tv.ColorJitter(*limits)
    for seed in range(60):
        seed_all(seed)
        expected = np.asarray(theirs(photograph)).astype(int)
        seed_all(seed)
        found = np.asarray(colour_jitter(photograph, limits, OfTorch())).astype(int)
        assert np.abs(found - expected).max() <= 1
        assert (found != expected).mean() < 0.001


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear-or-bicubic"])
@pytest.mark.parametrize(("magnitude", "sd"), [(7, 0.5), (9, 0.0), (0, 2.0)])
def test_randaugment_is_timms_to_the_byte(
    photograph: Image.Image, interpolation: Any, magnitude: int, sd: float
) -> None:
    """`rand-mM-mstdS-inc1` with timm's own hyperparameters of its training transform."""
    options: dict[str, Any] = {"img_mean": (124, 116, 104)}
    if interpolation == "bicubic":
        options["interpolation"] = Image.Resampling.BICUBIC
    config = f"rand-m{magnitude}-n2-inc1" + (f"-mstd{sd}" if sd else "")
    theirs = rand_augment_transform(config, options)
    ours = Augmentation(
        auto="randaugment",
        auto_ops=2,
        auto_magnitude=magnitude,
        auto_magnitude_sd=sd,
        interpolation=interpolation,
    )
    for seed in range(150):
        seed_all(seed)
        expected = theirs(photograph)
        seed_all(seed)
        assert equal(randaugment(photograph, ours, OfPython(2)), expected), seed


def test_full_strength_may_leave_a_black_image(photograph: Image.Image) -> None:
    """Posterizing to no bits, as Pillow did it before 13.0 refused; at magnitude 10 every operation still runs."""
    keys = Augmentation(auto="randaugment", auto_ops=2, auto_magnitude=10.0)
    drawn = [np.asarray(randaugment(photograph, keys, Dice(str(number)))) for number in range(200)]

    assert any((pixels == 0).all() for pixels in drawn)


def test_an_augmented_image_is_one_of_torchvisions_distribution(photograph: Image.Image) -> None:
    """The whole chain with dice against torchvision's with its generator: mean colours of 1,500 draws agree."""
    jitter = (0.3, 0.3, 0.3)
    ours = Augmentation(crop_scale=(0.2, 1.0), auto="trivialaugment", colour_jitter=jitter)
    theirs = tv.Compose(
        [
            tv.RandomResizedCrop(16, scale=(0.2, 1.0), antialias=True),
            tv.RandomHorizontalFlip(),
            tv.TrivialAugmentWide(interpolation=tv.InterpolationMode.BILINEAR),
            tv.ColorJitter(*jitter),
        ]
    )
    seed_all(0)

    def facts(pixels_HWC: np.ndarray) -> list[float]:
        corners = [pixels_HWC[0, 0].mean(), pixels_HWC[-1, -1].mean(), pixels_HWC[0, -1].mean()]
        return [*pixels_HWC.mean(axis=(0, 1)), pixels_HWC.std(), *corners, (pixels_HWC == 0).mean()]

    found = np.array([facts(augment(photograph, ours, 16, Dice(str(n)))) for n in range(1500)])
    expected = np.array([facts(np.asarray(theirs(photograph))) for _ in range(1500)])
    error = np.sqrt((found.var(axis=0) + expected.var(axis=0)) / 1500)

    assert (np.abs(found.mean(axis=0) - expected.mean(axis=0)) < 4.5 * error).all()


def test_the_order_is_that_of_the_recipes_keys(photograph: Image.Image) -> None:
    """Crop, mirror, drawn operations, colours, noise: each step after the one before it."""
    keys = Augmentation(horizontal_flip=1.0, auto="trivialaugment", colour_jitter=(0.4, 0.4, 0.4), pca_noise=0.1)
    found = augment(photograph, keys, 24, Dice("one"))

    dice = Dice("one")
    box = crop_box(*photograph.size, keys, dice)
    image = photograph.crop(box.corners).resize((24, 24), Image.Resampling.BILINEAR)
    dice.fraction()
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = trivialaugment(image, Image.Resampling.BILINEAR, dice)
    image = colour_jitter(image, keys.colour_jitter, dice)
    expected = add_pca_noise(np.asarray(image), (dice.normal(), dice.normal(), dice.normal()), 0.1)

    assert np.array_equal(found, expected)


@pytest.mark.parametrize("crop", ["random", "center"])
def test_squares_of_fixed_size_are_cut_not_resized(photograph: Image.Image, crop: Any) -> None:
    """At a random place, or in the middle as torchvision's CenterCrop has it."""
    keys = Augmentation(crop_from="resized", crop=crop, horizontal_flip=0.0)
    cut = [augment(photograph, keys, 71, Dice(str(number))) for number in range(30)]
    whole = np.asarray(photograph)
    windows = np.lib.stride_tricks.sliding_window_view(whole, (71, 71, 3))[:, :, 0]

    assert all((windows == pixels).all(axis=(2, 3, 4)).any() for pixels in cut)
    if crop == "center":
        assert equal(cut[0], tv.CenterCrop(71)(photograph))
    else:
        assert len({pixels.tobytes() for pixels in cut}) > 25


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 1 << 60))
def test_crops_lie_inside_the_image(width: int, height: int, name: int) -> None:
    """For every shape of image, also extreme ones."""
    side = min(width, height)
    for left, top, w, h in (
        crop_box(width, height, Augmentation(), Dice(str(name))),
        square_box(width, height, side, Dice(str(name))),
        square_box(width, height, side, None),
    ):
        assert 0 <= left < left + w <= width
        assert 0 <= top < top + h <= height


def test_a_draw_is_what_it_always_was() -> None:
    """Written down, since a change would make every stored result unrepeatable."""
    assert [crop_box(500, 375, Augmentation(), Dice(f"0/{epoch}/0/n01440764/x")) for epoch in range(2)] == [
        (195, 138, 151, 159),
        (108, 21, 334, 333),
    ]
    assert Dice("0").normal() == pytest.approx(-0.09708906871244537)


def test_real_photographs_come_out_as_timms() -> None:
    """At real sizes, colour and grey, through its whole training transform with Python's generator as the source."""
    root = os.environ.get("BENCH_TEST_DATA")
    if not root:
        pytest.skip("BENCH_TEST_DATA is not set")
    paths = sorted(Path(root, "imagenet-sample", "val").rglob("*.JPEG"))[::6]
    theirs = RandomResizedCropAndInterpolation(224, interpolation="bilinear")
    ours = Augmentation(horizontal_flip=0.0)
    for seed, path in enumerate(paths):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        seed_all(seed)
        expected = theirs(image)
        seed_all(seed)
        assert equal(augment(image, ours, 224, OfPython()), expected), path.name
