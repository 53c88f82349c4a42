"""What all records share: frozen, checked when built, read from versioned files, errors that name file and key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import RecordError, nearest
from bench.files import digest_of, pretty_json, read_json, read_toml

__all__ = ["FileRecord", "Record"]


class Record(BaseModel):
    """A frozen record that refuses unknown keys, wrong types, NaN and infinity."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        defer_build=True,  # every command imports all records and reads a few
        ser_json_inf_nan="strings",
    )

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON values; keys that are None are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def parse(cls, value: Mapping[str, Any], *, path: Path | str | None = None) -> Self:
        """The record that `value` holds.

        Raises:
            RecordError: Every key that is wrong, with the value found, one a line.
        """
        try:
            return cls.model_validate_json(json.dumps(value, default=str))
        except ValidationError as error:
            raise _readable(error, cls, path) from error


class FileRecord(Record):
    """A record that is a file of its own and carries its format version."""

    FORMAT_VERSION: ClassVar[int] = 1
    """The newest version of the format that this code reads, and the one that it writes."""
    UPGRADES: ClassVar[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    """From an older version to the function that turns its content into that of the next version."""

    format_version: int = 1
    """The version of this file's format."""

    @classmethod
    def parse(cls, value: Mapping[str, Any], *, path: Path | str | None = None) -> Self:
        """The record that `value` holds, after upgrading an older format version.

        Raises:
            RecordError: The format version is missing, unknown or newer than this program, or a key is wrong.
        """
        content = dict(value)
        version = content.get("format_version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            found = "is missing" if version is None else f"is {version!r}"
            raise RecordError(f"{found}; write format_version = {cls.FORMAT_VERSION}", path=path, key="format_version")
        if version > cls.FORMAT_VERSION:
            raise RecordError(
                f"is {version}, newer than the {cls.FORMAT_VERSION} that this bench reads; upgrade ilsvrc-bench",
                path=path,
                key="format_version",
            )
        while version < cls.FORMAT_VERSION:
            content = cls.UPGRADES[version](content)
            version += 1
            content["format_version"] = version
        return super().parse(content, path=path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The record in a `.toml` or `.json` file.

        Raises:
            RecordError: The file cannot be read or does not hold a valid record.
        """
        return cls.parse(read_json(path) if path.suffix == ".json" else read_toml(path), path=path)

    def to_text(self) -> str:
        """The record as the text of a JSON file, keys in canonical order."""
        return pretty_json(self.as_json())

    def digest(self) -> str:
        """The sha256 of the record's canonical JSON."""
        return digest_of(self.as_json())


def _readable(error: ValidationError, record: type[Record], path: Path | str | None) -> RecordError:
    """One line a fault, each with its key; the first line stands behind the path and key of the error."""
    faults = [_fault(dict(detail), record) for detail in error.errors(include_url=False)]
    (key, message), others = faults[0], faults[1:]
    place = path or record.__name__
    # A check of several keys together has no place of its own, and names them.
    more = "".join("\n  " + ": ".join(str(part) for part in (place, key, message) if part) for key, message in others)
    return RecordError(message + more, path=place, key=key or None)


def _fault(detail: dict[str, Any], record: type[Record]) -> tuple[str, str]:
    parents, last = detail["loc"][:-1], detail["loc"][-1:]
    # pydantic names its own steps in brackets; an unknown key is the file's own, whatever it holds.
    named = (*parents, *(() if detail["type"] == "extra_forbidden" else last))
    location = [part for part in named if not (isinstance(part, str) and "[" in part)]
    location += last if detail["type"] == "extra_forbidden" else ()
    # Whoever writes the file chooses its unknown keys: one that holds a line break would look like a line of ours.
    key = ".".join(part if part.isprintable() else ascii(part) for part in map(str, location))
    kind, found = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return key, f"unknown key; {nearest(str(location[-1]), _keys_at(record, location[:-1]))}"
    if kind == "missing":
        return key, "is missing"
    shown = repr(found) if len(repr(found)) <= 80 else repr(found)[:77] + "..."
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error" and isinstance(found, dict):  # a check of keys together, which says itself what it found
        return key, message
    return key, f"{message[:1].lower()}{message[1:]}, found {shown}"


def _keys_at(record: type[Record], location: list[Any]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    current: Any = record
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return []
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((item for item in options if isinstance(item, type) and issubclass(item, Record)), None)
        if current is None:
            return []
    return list(current.model_fields)
