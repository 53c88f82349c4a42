"""The protocols that ship with bench, one TOML file each, found by id."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RecordError, UsageError, nearest
from bench.records.protocol import Protocol

__all__ = ["load_protocol", "protocol_ids"]

_FOLDER = Path(__file__).resolve().parent


def protocol_ids() -> list[str]:
    """The ids of all protocols that ship, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_protocol(name: str) -> Protocol:
    """The protocol with this id, or the one in this `.toml` file.

    Raises:
        UsageError: There is no such protocol; the nearest ids are offered.
        RecordError: The file is not a valid protocol.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"there is no protocol {name!r}: {nearest(name, protocol_ids())}")
    protocol = Protocol.load(path)
    if protocol.id != path.stem:
        raise RecordError(f"is {protocol.id!r}, but the file is named {path.name!r}", path=path, key="id")
    return protocol
