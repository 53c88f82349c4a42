"""The marked tests that only base has: collected in each side's tree, by its interpreter, with the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gate.process import Worker, WorkerError
from bench.gate.raw import Side
from bench.gate.sides import Prepared

__all__ = ["Call", "gone_tests"]

_TIMEOUT_S = 600.0
"""Importing all tests of a project, torch among what they import, may take minutes on a cold disk."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """How pytest was called."""

    words: tuple[str, ...]
    """Its arguments."""
    places: frozenset[str]
    """Those of them that are files, folders and names of tests."""
    folder: Path
    """Where it was called."""
    root: Path
    """Its root folder, which the names of tests begin in."""


def gone_tests(
    sides: Mapping[Side, Prepared],
    call: Call,
    known: Collection[str],
    import_from: Sequence[str],
    on_note: Callable[[str], None],
) -> list[str]:
    """The marked tests of base that neither the current folder nor head has.

    Args:
        sides: From `base` and `head` to what was made ready.
        call: How pytest was called.
        known: The marked tests of the current folder.
        import_from: Folders of a side that its code imports from.
        on_note: Called with a sentence where tests cannot be collected: what is there is measured all the same.
    """
    found: dict[Side, list[str]] = {}
    for side in ("base", "head"):
        try:
            answer = _collected(sides[side], call, import_from)
        except WorkerError as error:
            answer = {"tests": [], "fault": error.message}
        if answer["fault"]:
            on_note(
                f"Some tests of {side} cannot be collected ({answer['fault']}); "
                "those of them that only base has are not looked for"
            )
            if side == "head":
                return []  # what cannot be collected may be there
        found[side] = answer["tests"]
        if side == "base" and set(found[side]) <= set(known):
            return []
    return [test for test in found["base"] if test not in known and test not in found["head"]]


def _collected(side: Prepared, call: Call, import_from: Sequence[str]) -> dict[str, Any]:
    """The marked tests of a side, and why others could not be collected.

    Raises:
        WorkerError: Its pytest does not run.
    """
    words, names = [], []
    for word in call.words:
        if word not in call.places:
            words.append(word)
            continue
        # A file that this side does not have is no mistake here, and neither is a test: the names are compared below.
        file, separator, test = word.partition("::")
        place = _inside(call, file)
        if place is not None and (side.folder / place).exists():
            words.append(str(side.folder / place))
            names.append(f"{place}{separator}{test}")
    folder = _inside(call, ".")
    if (call.places and not names) or folder is None or not (side.folder / folder).is_dir():
        return {"tests": [], "fault": ""}
    path = [str(side.folder), *(str(side.folder / name) for name in import_from)]
    arguments = {"words": words, "root": str(side.folder)}
    with Worker(side.python, side.folder / folder) as worker:
        answer = worker.ask(
            "make", timeout_s=_TIMEOUT_S, target="tests:", arguments=arguments, path=path, last=side.is_installed
        )
    return answer | {"tests": [test for test in answer["tests"] if not names or _is_asked(test, names)]}


def _inside(call: Call, place: str) -> str | None:
    """A place relative to the root folder; None outside of it."""
    path = (call.folder / place).resolve()
    root = call.root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def _is_asked(test: str, names: Sequence[str]) -> bool:
    return any(name in (".", test) or test.startswith((f"{name}::", f"{name}[", f"{name}/")) for name in names)
