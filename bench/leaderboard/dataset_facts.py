"""What is known about a dataset beside its results: splits, archives, access, label ids, issues, each with sources."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText, WebLink

__all__ = ["Archive", "DatasetFacts", "Issue", "LabelIds", "Source", "Split", "dataset_facts", "facts_names"]

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "datasets"
_SHAPES = re.compile(r"shapes(\d+)")


class Source(Record):
    """Where a fact comes from."""

    title: FreeText
    """What is read there."""
    link: WebLink
    """Where it is."""


class Split(Record):
    """A part of the dataset as it was published."""

    name: Identifier
    """Its name in protocols."""
    num_samples: Annotated[int, Field(gt=0)]
    """How many images it has."""
    per_class: int | None = None
    """How many images each class has, where all have equally many."""
    balance: FreeText
    """How its images are spread over the classes."""


class Archive(Record):
    """A file to download."""

    name: FreeText
    """Its name."""
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    """Its MD5."""
    content: FreeText
    """What is in it."""


class LabelIds(Record):
    """A way to number the classes."""

    name: FreeText
    """What the numbers are called."""
    values: FreeText
    """Which ones there are."""
    order: FreeText
    """In which order."""
    used_by: FreeText
    """Who writes them."""


class Issue(Record):
    """What a reader of numbers should know."""

    title: FreeText
    """In a few words."""
    text: LongText
    """In a paragraph."""
    sources: tuple[WebLink, ...] = ()
    """Where it is shown."""


class DatasetFacts(FileRecord):
    """All that a page says about a dataset without having its images or results."""

    name: Identifier
    """The dataset's name; the file has the same one."""
    title: FreeText
    """The heading of its page."""
    description: LongText
    """What it is."""
    access: LongText
    """Whose it is, under which terms, and where one gets it."""
    sources: tuple[Source, ...] = ()
    """Where that is said."""
    splits: tuple[Split, ...] = ()
    """Its parts."""
    archives: tuple[Archive, ...] = ()
    """Its files."""
    archives_note: FreeText | None = None
    """Where the checksums come from."""
    label_ids: tuple[LabelIds, ...] = ()
    """How its classes are numbered."""
    issues: tuple[Issue, ...] = ()
    """What to know before reading a number."""


def facts_names() -> list[str]:
    """The datasets that something is known about; `shapes` stands for every `shapesN`."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@lru_cache(maxsize=32)
def dataset_facts(name: str) -> DatasetFacts | None:
    """What is known about a dataset; None for one that results name and nobody has described.

    Raises:
        RecordError: The file that ships is broken.
    """
    shapes = _SHAPES.fullmatch(name)
    file = "shapes" if shapes else name
    if file not in facts_names():
        return None
    facts = DatasetFacts.load(_FOLDER / f"{file}.toml")
    if shapes:
        facts = facts.model_copy(update={"name": name, "title": f"Shapes, {int(shapes[1])} classes"})
    return facts
