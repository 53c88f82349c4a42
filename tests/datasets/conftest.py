"""Pictures of every awkward kind, and small datasets in every layout."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.classes import ClassTable, class_table
from bench.data.dataset import Dataset, open_dataset
from bench.records.protocol import DatasetSpec

LABELS = (65, 970, 230, 65)
"""Class indices of the numbered images of the small datasets; the first three are those of the true validation set."""


def draw(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """A picture with smooth areas, edges and noise, so that every filter and rounding shows."""
    rng = np.random.default_rng([width, height, seed])
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(3, 30) + y / rng.uniform(3, 30)) for _ in range(3)]
    image_HWC = 127 + 80 * np.stack(waves, axis=-1) + rng.normal(0, 20, (height, width, 3))
    image_HWC[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
    return Image.fromarray(image_HWC.clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _rotated_by_exif(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(image, exif=exif.tobytes())


@pytest.fixture(scope="session")
def picture_files() -> dict[str, bytes]:
    """Image files of every kind and shape that ImageNet has, by what is special about them."""
    photo = draw(500, 375)
    files = {
        "grey": encode(photo.convert("L")),
        "cmyk": encode(photo.convert("CMYK")),
        "exif-rotated": _rotated_by_exif(photo),
        "progressive": encode(photo, progressive=True),
        "quality 30": encode(photo, quality=30),
        "palette png": encode(photo.quantize(64), "PNG"),
        "rgba png": encode(photo.convert("RGBA"), "PNG"),
        "grey-alpha png": encode(photo.convert("LA"), "PNG"),
        "one-bit png": encode(photo.convert("1"), "PNG"),
    }
    sizes = [(500, 375), (375, 500), (333, 501), (257, 256), (256, 256), (224, 224), (501, 255), (100, 80), (7, 300)]
    sizes += [(1000, 200), (200, 1000), (767, 513)]
    return files | {f"{width}x{height}": encode(draw(width, height)) for width, height in sizes}


@pytest.fixture(scope="session")
def photo_bytes() -> Callable[..., bytes]:
    """A function that gives the bytes of a drawn JPEG file of some width and height."""

    def make(width: int = 60, height: int = 50, *, seed: int = 0, mode: str = "RGB", kind: str = "JPEG") -> bytes:
        return encode(draw(width, height, seed=seed).convert(mode), kind)

    return make


@pytest.fixture
def eleven_images(tmp_path: Path, imagenet: ClassTable, photo_bytes: Callable[..., bytes]) -> Dataset:
    """Eleven images of three classes, all of other sizes."""
    for number in range(11):
        folder = tmp_path / "val" / imagenet.wnids[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{folder.name}_{number}.JPEG").write_bytes(photo_bytes(40 + number, 60 - number, seed=number))
    spec = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
    return open_dataset(tmp_path, spec, allow_partial=True)


@pytest.fixture(scope="session")
def numbered_labels() -> tuple[int, ...]:
    """The class indices of the four numbered images."""
    return LABELS


@pytest.fixture(scope="session")
def imagenet() -> ClassTable:
    """The shipped class table."""
    return class_table("imagenet-1k")


@pytest.fixture(scope="session")
def numbered_files() -> dict[str, bytes]:
    """Four numbered validation images, by file name."""
    return {f"ILSVRC2012_val_{n:08d}.JPEG": encode(draw(60 + n, 50, seed=n)) for n in range(1, 5)}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _devkit_text(imagenet: ClassTable) -> bytes:
    return "".join(f"{imagenet.ilsvrc_ids[label]}\n" for label in LABELS).encode()


@pytest.fixture(scope="session")
def make_layout(numbered_files: dict[str, bytes], imagenet: ClassTable) -> Callable[[Path, str], Path]:
    """A function that writes the four numbered images in a layout and returns the folder to give to bench."""
    truth = "ILSVRC2012_validation_ground_truth.txt"

    def make(root: Path, layout: str) -> Path:
        flat = {f"val/{name}": content for name, content in numbered_files.items()}
        if layout == "wnid-folders":
            names = zip(numbered_files.items(), LABELS, strict=True)
            _write(root, {f"val/{imagenet.wnids[label]}/{name}": content for (name, content), label in names})
        elif layout == "flat, ground truth at the root":
            _write(root, flat | {truth: _devkit_text(imagenet)})
        elif layout == "flat, devkit folder":
            _write(root, flat | {f"ILSVRC2012_devkit_t12/data/{truth}": _devkit_text(imagenet)})
        elif layout == "flat, devkit archive":
            _write(root, flat)
            _write_devkit_archive(root / "ILSVRC2012_devkit_t12.tar.gz", _devkit_text(imagenet))
        elif layout == "flat, directly":
            _write(root, numbered_files | {truth: _devkit_text(imagenet)})
        elif layout == "flat, name of 2015":
            _write(root, flat | {"kit/ILSVRC2015_clsloc_validation_ground_truth.txt": _devkit_text(imagenet)})
        elif layout.startswith("kaggle"):
            _write(root / "ILSVRC/Data/CLS-LOC", flat)
            _write_solution(root, imagenet, compressed=layout.endswith("gz"))
        elif layout == "tar":
            _write(root, {truth: _devkit_text(imagenet)})
            _write_tar(root / "ILSVRC2012_img_val.tar", numbered_files)
        elif layout == "class tars":
            for label in sorted(set(LABELS)):
                names = zip(numbered_files.items(), LABELS, strict=True)
                members = {name: content for (name, content), own in names if own == label}
                _write_tar(root / "val" / f"{imagenet.wnids[label]}.tar", members)
        elif layout.startswith("webdataset"):
            _write_shards(root if layout.endswith("beside") else root / "val", numbered_files, imagenet)
        else:
            raise ValueError(layout)
        return root

    return make


LAYOUTS = {
    "wnid-folders": "wnid-folders",
    "flat, ground truth at the root": "flat",
    "flat, devkit folder": "flat",
    "flat, devkit archive": "flat",
    "flat, directly": "flat",
    "flat, name of 2015": "flat",
    "kaggle": "kaggle",
    "kaggle gz": "kaggle",
    "tar": "tar",
    "class tars": "class-tars",
    "webdataset": "webdataset",
    "webdataset, beside": "webdataset",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that takes `layout` once for each layout."""
    if "layout" in metafunc.fixturenames:
        metafunc.parametrize(("layout", "layout_name"), LAYOUTS.items(), ids=list(LAYOUTS))


def _write_devkit_archive(path: Path, text: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))


def _write_solution(root: Path, imagenet: ClassTable, *, compressed: bool) -> None:
    rows = [
        f"ILSVRC2012_val_{number:08d},{imagenet.wnids[label]} 1 2 30 40 {imagenet.wnids[label]} 5 6 7 8 \n"
        for number, label in reversed(list(enumerate(LABELS, start=1)))
    ]
    text = "ImageId,PredictionString\n" + "".join(rows)
    if compressed:
        (root / "LOC_val_solution.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (root / "LOC_val_solution.csv").write_text(text, encoding="utf-8")


def _write_shards(folder: Path, files: dict[str, bytes], imagenet: ClassTable) -> None:
    """Two shards, the images before, between and after what is said of them, in words and in numbers."""
    said = {
        1: {"cls": b"%d" % LABELS[0]},
        2: {"json": b'{"label": %d, "caption": "a"}' % LABELS[1]},
        3: {"cls": imagenet.wnids[LABELS[2]].encode() + b"\n", "txt": b"a caption"},
        4: {"json": b'{"wnid": "%s"}' % imagenet.wnids[LABELS[3]].encode()},
    }
    for shard, numbers in enumerate(((1, 3), (2, 4))):
        members: dict[str, bytes] = {}
        for number in numbers:
            stem = f"ILSVRC2012_val_{number:08d}"
            members |= {f"{stem}.{suffix}": content for suffix, content in said[number].items()}
            members[f"{stem}.jpeg"] = files[f"{stem}.JPEG"]
        _write_tar(folder / f"imagenet-val-{shard:05d}.tar", members)
    _write_tar(folder / "imagenet-test-00000.tar" if folder.name != "val" else folder.parent / "else.tar", {})


def _write_tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in reversed(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
