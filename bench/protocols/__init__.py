"""The protocols that ship with bench, one TOML file each, found by id; and those in `BENCH_PROTOCOLS`."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import RecordError, UsageError, nearest
from bench.records.protocol import Precision, Protocol

__all__ = ["allowed_precision", "load_protocol", "protocol_ids"]

_FOLDER = Path(__file__).resolve().parent
_CHALLENGE = "challenge"
"""The name of a challenge's own file, which lies beside its protocols."""


def protocol_ids() -> list[str]:
    """The ids of all protocols, sorted: those that ship, and those of the folders that `BENCH_PROTOCOLS` names."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.toml") if path.stem != _CHALLENGE})


def _folders() -> list[Path]:
    """Where protocols lie: those that ship come first, so that nothing can stand in for them."""
    named = os.environ.get("BENCH_PROTOCOLS", "").split(os.pathsep)
    return [_FOLDER, *(Path(name) for name in named if name)]


def load_protocol(name: str) -> Protocol:
    """The protocol with this id, or the one in this `.toml` file.

    `BENCH_PROTOCOLS` names more folders to look in, separated as in PATH: those of a challenge, say.

    Raises:
        UsageError: There is no such protocol; the nearest ids are offered.
        RecordError: The file is not a valid protocol.
    """
    candidates = [Path(name)] if name.endswith(".toml") else [folder / f"{name}.toml" for folder in _folders()]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise UsageError(f"there is no protocol {name!r}: {nearest(name, protocol_ids())}")
    protocol = Protocol.load(path)
    if protocol.id != path.stem:
        raise RecordError(f"is {protocol.id!r}, but the file is named {path.name!r}", path=path, key="id")
    return protocol


def allowed_precision(protocol: Protocol, asked: Precision | None) -> Precision:
    """The arithmetic that was asked for, or the protocol's default.

    Args:
        protocol: One that says which are allowed.
        asked: None for the default.

    Raises:
        UsageError: The protocol does not allow it.
    """
    assert protocol.precision is not None, "its kind has precisions"  # noqa: S101 - the caller's invariant
    if asked is not None and asked not in protocol.precision.allowed:
        allowed = ", ".join(protocol.precision.allowed)
        raise UsageError(f"the protocol {protocol.id!r} does not allow precision {asked!r}, only {allowed}")
    return asked or protocol.precision.default
