"""The report on a dataset that `bench data verify` prints: records, and when they count as sound."""

from __future__ import annotations

from bench.records.base import Record

__all__ = ["Balance", "DatasetReport", "FileNote", "SplitReport"]


class FileNote(Record):
    """One file and what is said about it."""

    path: str
    """The file, or tar and sample id."""
    note: str
    """What it is."""


class Balance(Record):
    """How many images the classes have."""

    smallest: int
    """Images of the smallest class; 0 when one is missing."""
    median: float
    """Images of the median class."""
    largest: int
    """Images of the largest class."""


class SplitReport(Record):
    """What one split holds."""

    split: str
    """The split."""
    layout: str
    """How the images lie there."""
    path: str
    """Where."""
    num_images: int
    """Images of known classes."""
    num_expected: int | None
    """Images of the complete split; null when nothing says how many there should be."""
    num_classes: int
    """Classes that have an image."""
    missing_classes: tuple[str, ...]
    """WNIDs without an image."""
    extra_folders: tuple[str, ...]
    """Folders that are no class."""
    stray_files: tuple[str, ...]
    """Files that are no images of a class and in the way."""
    misplaced: tuple[FileNote, ...]
    """Images in another class folder than the ground truth says."""
    undecodable: tuple[FileNote, ...]
    """Images that cannot be read or decoded, and why."""
    cmyk: tuple[str, ...]
    """Images in CMYK, which are converted."""
    misnamed: tuple[FileNote, ...]
    """Images whose content has another format than the name says."""
    num_exif_rotated: int
    """Images with a rotation tag, which is ignored."""
    duplicates: tuple[tuple[str, ...], ...]
    """Images with equal content, a group each."""
    balance: Balance
    """Images a class."""
    digest: str | None
    """The dataset digest; null when a file cannot be read."""
    faults: tuple[str, ...]
    """Why a protocol cannot use the split; none when it can."""


class DatasetReport(Record):
    """What a folder holds."""

    root: str
    """The folder."""
    dataset: str
    """The class table that the images belong to."""
    splits: tuple[SplitReport, ...]
    """The splits that were found."""

    @property
    def is_sound(self) -> bool:
        """No split has a fault."""
        return not any(split.faults for split in self.splits)
