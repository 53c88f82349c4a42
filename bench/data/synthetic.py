"""A synthetic ILSVRC on disk: what ImageNet has (WNID folders, development kit, XML boxes, image lists), drawn.

    train/<WNID>/<WNID>_<number>.JPEG
    val/<WNID>/ILSVRC2012_val_00000001.JPEG          numbers in no order of classes, as in the real one
    ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt, map_clsloc.txt
    Annotations/{train/<WNID>,val}/*.xml
    ImageSets/CLS-LOC/{train_cls,train_loc,val}.txt

The same numbers and seed give the same pictures everywhere, and with the same Pillow the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import PIL
from PIL import Image

from bench.data.dice import Dice
from bench.data.drawing import Box, draw
from bench.data.shapes import Shape, shape_of, shapes_table
from bench.errors import DataError, UsageError
from bench.files import pretty_json, readable_os_errors, write_atomic

__all__ = ["STAMP", "write_synthetic"]

STAMP = ".synthetic.json"
"""The file in the dataset's folder that says how it was drawn; it is there only when all else is."""

_DRAWING_VERSION = 1
"""Raised by every change that moves a pixel."""
_CHUNK = 16
_KIT = Path("ILSVRC2012_devkit_t12/data")
_QUALITIES = (75, 96)


@dataclass(frozen=True)
class _Plan:
    """What decides every byte of the dataset."""

    num_classes: int
    train_per_class: int
    val_per_class: int
    seed: int
    drawing: int = _DRAWING_VERSION
    pillow: str = PIL.__version__


@dataclass(frozen=True)
class _Item:
    """One image to draw."""

    stem: str
    wnid: str
    shape: Shape
    split: str
    index: int
    """Its number within its class."""

    @property
    def image(self) -> Path:
        """Where the image goes."""
        return Path(self.split, self.wnid, f"{self.stem}.JPEG")

    @property
    def annotation(self) -> Path:
        """Where its boxes go: validation images lie flat, as in the kit."""
        folder = Path(self.split, self.wnid) if self.split == "train" else Path(self.split)
        return Path("Annotations", folder, f"{self.stem}.xml")


def write_synthetic(
    root: Path,
    num_classes: int = 10,
    train_per_class: int = 100,
    val_per_class: int = 50,
    seed: int = 0,
    num_workers: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> bool:
    """Draws a dataset into a folder, all of it or nothing; an equal dataset that is there already is left as it is.

    Args:
        root: The dataset's folder; it may not hold anything else.
        num_classes: 2 to 100.
        train_per_class: Training images of each class, 1 or more.
        val_per_class: Validation images of each class, 1 or more.
        seed: Another seed gives other pictures of the same classes.
        num_workers: Threads that draw; the dataset does not depend on it.
        on_progress: Takes how many more images are done.

    Returns:
        Whether anything was drawn.

    Raises:
        UsageError: A number is out of range.
        DataError: The folder holds something else.
        StoreError: The folder cannot be written, or the disk is full.
    """
    _check_numbers(num_classes, train_per_class, val_per_class, num_workers)
    plan = _Plan(num_classes, train_per_class, val_per_class, seed)
    root = root.absolute()
    with readable_os_errors(root), _locked(root.parent):
        if _is_there(root, plan):
            return False
        temporary = root.parent / f".{root.name}.drawing"
        if temporary.exists():  # of a run that was killed: whoever holds the lock is the only one that draws
            shutil.rmtree(temporary)
        temporary.mkdir()
        try:
            _write_all(temporary, plan, num_workers, on_progress)
            temporary.rename(root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return True


def _check_numbers(num_classes: int, train_per_class: int, val_per_class: int, num_workers: int) -> None:
    if not 2 <= num_classes <= 100:
        raise UsageError(f"{num_classes} classes were asked for, shapes are known for 2 to 100")
    for name, number in (("training images", train_per_class), ("validation images", val_per_class)):
        if number < 1:
            raise UsageError(f"{number} {name} a class were asked for, expected 1 or more")
    if num_workers < 1:
        raise UsageError(f"{num_workers} workers were asked for, expected 1 or more")


def _is_there(root: Path, plan: _Plan) -> bool:
    """Whether the dataset is drawn already.

    Raises:
        DataError: Something else is there.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    if not root.is_dir():
        raise DataError("is a file; name a folder for the dataset", path=root)
    try:
        found = json.loads((root / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("is not empty and holds no synthetic dataset; name a new or empty folder", path=root) from None
    except ValueError as error:
        raise DataError(f"is not valid JSON ({error}); remove the dataset", path=root / STAMP) from error
    wanted = asdict(plan)
    if found == wanted:
        return True
    others = [key for key in wanted if not isinstance(found, dict) or found.get(key) != wanted[key]]
    differences = ", ".join(f"{key} {found.get(key)!r} instead of {wanted[key]!r}" for key in others)
    raise DataError(f"holds another synthetic dataset ({differences}); remove it or name another folder", path=root)


def _write_all(folder: Path, plan: _Plan, num_workers: int, on_progress: Callable[[int], None] | None) -> None:
    """Everything into an empty folder, the stamp last."""
    train, val = _items(plan)
    for path in {folder / place.parent for item in train + val for place in (item.image, item.annotation)}:
        path.mkdir(parents=True, exist_ok=True)
    items = train + val
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="bench-draw")
    try:
        for count in pool.map(lambda chunk: _write_images(folder, chunk, plan.seed), chunks):
            if on_progress is not None:
                on_progress(count)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    for path, text in _lists(plan, train, val):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    write_atomic(folder / STAMP, pretty_json(asdict(plan)))


def _items(plan: _Plan) -> tuple[list[_Item], list[_Item]]:
    """The training and the validation images, each in the order of their file names."""
    wnids, _, _ = shapes_table(plan.num_classes)
    classes = [(wnid, shape_of(index)) for index, wnid in enumerate(wnids)]
    train = [
        _Item(f"{wnid}_{index}", wnid, shape, "train", index)
        for wnid, shape in classes
        for index in range(plan.train_per_class)
    ]
    places = [(wnid, shape, index) for wnid, shape in classes for index in range(plan.val_per_class)]
    shuffled = [places[position] for position in Dice(f"{plan.seed}/val/order").order(len(places))]
    val = [
        _Item(f"ILSVRC2012_val_{number:08d}", wnid, shape, "val", index)
        for number, (wnid, shape, index) in enumerate(shuffled, start=1)
    ]
    return train, val


def _write_images(folder: Path, items: list[_Item], seed: int) -> int:
    """Draws images and writes them with their boxes; returns how many."""
    for item in items:
        dice = Dice(f"{seed}/{item.split}/{item.wnid}/{item.index}")
        picture = draw(item.shape, dice)
        quality = dice.between(*_QUALITIES)
        subsampling = 0 if dice.below(4) == 0 else 2  # 4:4:4 or, mostly, 4:2:0
        image = Image.fromarray(picture.image_HWC)
        image.save(folder / item.image, "JPEG", quality=quality, subsampling=subsampling)
        (folder / item.annotation).write_text(_xml(item, image.size, picture.box), encoding="utf-8")
    return len(items)


def _xml(item: _Item, size: tuple[int, int], box: Box) -> str:
    """The annotation of an image in the form of ILSVRC, which is that of PASCAL VOC."""
    width, height = size
    folder = item.wnid if item.split == "train" else item.split
    truncated = int(box.xmin == 0 or box.ymin == 0 or box.xmax == width - 1 or box.ymax == height - 1)
    corners = "".join(f"<{key}>{value}</{key}>" for key, value in box._asdict().items())
    return f"""<annotation>
	<folder>{folder}</folder>
	<filename>{escape(item.stem)}</filename>
	<source>
		<database>ILSVRC_2012</database>
	</source>
	<size><width>{width}</width><height>{height}</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>{item.wnid}</name>
		<pose>Unspecified</pose>
		<truncated>{truncated}</truncated>
		<difficult>0</difficult>
		<bndbox>{corners}</bndbox>
	</object>
</annotation>
"""


def _lists(plan: _Plan, train: list[_Item], val: list[_Item]) -> list[tuple[Path, str]]:
    """The text files of the development kit and of the image lists."""
    wnids, names, ilsvrc_ids = shapes_table(plan.num_classes)
    id_of = dict(zip(wnids, ilsvrc_ids, strict=True))
    named = sorted(zip(ilsvrc_ids, wnids, names, strict=True))
    # The number in an image list is a running index, not a class.
    train_list = "".join(f"{item.wnid}/{item.stem} {number}\n" for number, item in enumerate(train, start=1))
    val_list = "".join(f"{item.stem} {number}\n" for number, item in enumerate(val, start=1))
    sets = Path("ImageSets/CLS-LOC")
    return [
        (_KIT / "ILSVRC2012_validation_ground_truth.txt", "".join(f"{id_of[item.wnid]}\n" for item in val)),
        (
            _KIT / "map_clsloc.txt",
            "".join(f"{wnid} {number} {name.replace(' ', '_')}\n" for number, wnid, name in named),
        ),
        (sets / "train_cls.txt", train_list),
        (sets / "train_loc.txt", train_list),
        (sets / "val.txt", val_list),
    ]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time draw in a folder; the lock ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
