"""The strings below the fields of records, for documents and schemas.

pydantic could read them itself, but then every command would parse the source of every record when it starts.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from bench.records.base import FileRecord, Record

__all__ = ["describe_fields"]


def describe_fields() -> None:
    """Makes the string below each field of each record its description."""
    # In the order of definition and files last, so that a record is described before what holds it.
    for record in sorted(_subclasses(Record), key=lambda record: issubclass(record, FileRecord)):
        for name, field in record.model_fields.items():
            field.description = next((text for base in record.__mro__ if (text := _texts(base).get(name))), None)
        record.model_rebuild(force=True)


def _subclasses(record: type[Record]) -> Iterator[type[Record]]:
    for one in record.__subclasses__():
        yield one
        yield from _subclasses(one)


def _texts(record: type) -> dict[str, str]:
    return _texts_of_file(inspect.getfile(record)).get(record.__qualname__, {}) if issubclass(record, Record) else {}


@cache
def _texts_of_file(path: str) -> dict[str, dict[str, str]]:
    """From class to field to the string below it."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return {
        node.name: {
            field.target.id: inspect.cleandoc(below.value.value)
            for field, below in pairwise(node.body)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if isinstance(below.value.value, str)
        }
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
