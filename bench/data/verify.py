"""What `bench data verify` finds out about a dataset: what is there, what is odd, and what no protocol can use."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.data.classes import ClassTable, class_table
from bench.data.contents import digest_of_hashes
from bench.data.dataset import Sample, samples_of
from bench.data.examine import Examined, examine_all
from bench.data.groundtruth import find_labels
from bench.data.layouts import Listing, Place, locate
from bench.data.listing import list_images
from bench.data.report import Balance, DatasetReport, FileNote, SplitReport
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

__all__ = ["recognise", "verify", "verify_split"]

IMAGENET_SIZES = {"train": 1_281_167, "val": 50_000}
"""Images of ILSVRC-2012 classification (Russakovsky et al. 2015, table 2)."""
_SHAPES_SIZES = range(2, 101)


def verify(
    root: Path,
    *,
    splits: Sequence[str] | None,
    spec: DatasetSpec | None,
    num_threads: int,
    on_split: Callable[[str, int], Callable[[int], None]],
) -> DatasetReport:
    """Looks at every image below a folder.

    Args:
        root: The folder, or `ILSVRC2012_img_val.tar`.
        splits: The splits that must be there; None for those of train and val that are.
        spec: What a protocol needs; None to go by what is found.
        num_threads: How many images are decoded at once.
        on_split: Called with a split and its number of images; gives what takes how many more are done.

    Raises:
        DataError: A split is not there, or its images have no labels.
    """
    listings = {split: list_images(place) for split, place in _places(root, splits).items()}
    classes = class_table(spec.name) if spec else recognise(_with_folders(listings, root))
    reports = []
    for split, listing in listings.items():
        expected = IMAGENET_SIZES.get(split) if classes.name == "imagenet-1k" else None
        if spec is not None and spec.split == split:
            expected = spec.num_samples
        on_progress = on_split(split, len(listing.images))
        reports.append(
            verify_split(listing, split, classes, expected, num_threads=num_threads, on_progress=on_progress)
        )
    return DatasetReport(root=str(root), dataset=classes.name, splits=tuple(reports))


def _places(root: Path, splits: Sequence[str] | None) -> dict[str, Place]:
    if splits is not None:
        return {split: locate(root, split) for split in splits}
    places: dict[str, Place] = {}
    reason: DataError | None = None
    for split in ("train", "val"):
        try:
            place = locate(root, split)
        except DataError as error:
            reason = error
        else:
            # A folder that is itself a split looks the same to every split: its name decides, else it is val. Shards
            # that lie beside each other have the split in their own names.
            of_root = "train" if root.name in ("train", "ILSVRC2012_img_train.tar") else "val"
            if place.path != root or split == of_root or (place.layout == "webdataset" and root.name != of_root):
                places[split] = place
    if not places and reason is not None:
        raise reason
    return places


def _with_folders(listings: dict[str, Listing], root: Path) -> Iterable[Listing]:
    """The listings, or those of all splits when these have no class folders that would tell the dataset."""
    if any(listing.folders for listing in listings.values()):
        return listings.values()
    return [list_images(place) for place in _places(root, None).values()]


def recognise(listings: Iterable[Listing]) -> ClassTable:
    """The class table that most class folders belong to; imagenet-1k when there are no class folders."""
    folders = {folder for listing in listings for folder in listing.folders}
    imagenet = class_table("imagenet-1k")
    if not folders or folders & set(imagenet.wnids):
        return imagenet
    num_classes = min(max(len(folders), _SHAPES_SIZES.start), _SHAPES_SIZES.stop - 1)
    shapes = class_table(f"shapes{num_classes}")
    return shapes if folders & set(shapes.wnids) else imagenet


def verify_split(
    listing: Listing,
    split: str,
    classes: ClassTable,
    num_expected: int | None,
    *,
    num_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> SplitReport:
    """Looks at every image of one split.

    Args:
        listing: The files.
        split: The split's name.
        classes: The classes that they should belong to.
        num_expected: How many images the complete split has, if that is known.
        num_threads: How many images are decoded at once.
        on_progress: Takes how many more images are done.

    Raises:
        DataError: Images in one folder or a tar have no ground truth, or two files are one image.
    """
    known, extra = _split_folders(listing, classes)
    samples = samples_of(known, classes)
    examined = list(examine_all(samples, num_threads=num_threads, on_progress=on_progress))
    per_class = Counter(sample.label for sample in samples)
    counts = [per_class[index] for index in range(classes.num_classes)]
    hashes = [found.sha256 for found in examined if found.sha256 is not None]
    report = SplitReport(
        split=split,
        layout=listing.place.layout,
        path=str(listing.place.path),
        num_images=len(samples),
        num_expected=num_expected,
        num_classes=len(per_class),
        missing_classes=tuple(wnid for wnid, count in zip(classes.wnids, counts, strict=True) if not count),
        extra_folders=extra,
        stray_files=tuple(str(path) for path in listing.strays),
        misplaced=_misplaced(known, samples, classes),
        undecodable=tuple(FileNote(path=f.sample.shown, note=f.fault) for f in examined if f.fault is not None),
        cmyk=tuple(found.sample.shown for found in examined if found.mode == "CMYK"),
        misnamed=tuple(FileNote(path=f.sample.shown, note=f"is {f.format}") for f in examined if f.is_misnamed),
        num_exif_rotated=sum(found.is_rotated for found in examined),
        duplicates=_duplicates(examined),
        balance=Balance(smallest=min(counts), median=float(statistics.median(counts)), largest=max(counts)),
        digest=digest_of_hashes(samples, hashes, classes) if len(hashes) == len(samples) else None,
        faults=(),
    )
    return report.model_copy(update={"faults": tuple(_faults(report, classes))})


def _split_folders(listing: Listing, classes: ClassTable) -> tuple[Listing, tuple[str, ...]]:
    """The listing without folders that are no class, and the names of those."""
    extra = tuple(name for name in listing.folders if classes.index_of_wnid(name) is None)
    if not extra:
        return listing, ()
    images = tuple(image for image in listing.images if image.folder not in extra)
    folders = tuple(name for name in listing.folders if name not in extra)
    return replace(listing, images=images, folders=folders), extra


def _misplaced(listing: Listing, samples: Sequence[Sample], classes: ClassTable) -> tuple[FileNote, ...]:
    """Numbered images in class folders against the ground truth, where one lies beside them."""
    if not listing.place.has_class_folders:
        return ()
    try:
        label_of = find_labels(listing.place, classes)
    except DataError:  # no ground truth, or that of another dataset: nothing to compare with
        return ()
    files = {image.stem: image for image in listing.images}
    found = []
    for sample in samples:
        try:
            label = label_of(files[sample.id])
        except (DataError, KeyError):  # a name without number, or a number that the ground truth does not have
            continue
        if label != sample.label:
            found.append(FileNote(path=sample.shown, note=f"belongs to {classes.wnids[label]}"))
    return tuple(found)


def _duplicates(examined: Sequence[Examined]) -> tuple[tuple[str, ...], ...]:
    groups: dict[bytes, list[str]] = {}
    for found in examined:
        if found.sha256 is not None:
            groups.setdefault(found.sha256, []).append(found.sample.shown)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _faults(report: SplitReport, classes: ClassTable) -> Iterable[str]:
    """One sentence a fault; each of them would stop an evaluation or falsify it."""
    if report.missing_classes:
        index = classes.index_of_wnid(report.missing_classes[0]) or 0
        yield (
            f"{len(report.missing_classes):,} of the {classes.num_classes:,} classes of {classes.name} have no image, "
            f"first {classes.wnids[index]} ({classes.names[index]})"
        )
    if report.num_expected is not None and report.num_images != report.num_expected:
        yield f"there are {report.num_images:,} images, expected {report.num_expected:,}"
    if report.extra_folders:
        yield (
            f"{len(report.extra_folders):,} folders are no class of {classes.name}, first {report.extra_folders[0]!r}"
        )
    if report.stray_files:
        yield f"{len(report.stray_files):,} files are no images of a class, first {report.stray_files[0]}"
    if report.undecodable:
        first = report.undecodable[0]
        yield f"{len(report.undecodable):,} images cannot be used, first {first.path}: {first.note}"
    if report.misplaced:
        first = report.misplaced[0]
        yield f"{len(report.misplaced):,} images lie in a wrong class folder, first {first.path}: {first.note}"
