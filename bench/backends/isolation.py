"""Levels of isolation: their names, which one `auto` stands for on this machine, and what is missing."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

from bench.errors import IsolationError
from bench.sandbox.probe import HOW_TO_GROUP, best_level, probe_layers, why_not

__all__ = ["BACKEND_OF", "ISOLATIONS", "Chosen", "Isolation", "Level", "choose_isolation", "is_enough"]

Level = Literal["none", "process", "sandbox"]
Isolation = Literal["none", "process", "sandbox", "auto"]

ISOLATIONS: tuple[Isolation, ...] = ("none", "process", "sandbox", "auto")
"""What a user may ask for; the levels in rising order, and `auto` for the best that can be had."""
BACKEND_OF: dict[Level, str] = {"none": "local", "process": "process", "sandbox": "sandbox"}
"""The name in `BACKENDS` of each level."""


class Chosen(NamedTuple):
    """The level that a run gets."""

    level: Level
    note: str | None
    """What a user should know about it: what is missing for a better one."""


def choose_isolation(asked: Isolation) -> Chosen:
    """The level that was asked for, or for `auto` the best one.

    Raises:
        IsolationError: The level that was named cannot be had on this machine.
    """
    best = cast("Level", best_level())
    if asked == "auto":
        if best == "sandbox":
            return Chosen(best, _missing_in_sandbox())
        kept = "runs in a process of its own" if best == "process" else "runs in this process"
        return Chosen(best, f"Isolation is {best}: the submission {kept}, without a sandbox: {why_not()}.")
    if not is_enough(best, asked):
        raise IsolationError(f"isolation {asked!r} cannot be had here: {why_not()}")
    return Chosen(asked, _missing_in_sandbox() if asked == "sandbox" else None)


def is_enough(level: Level | None, asked: Isolation) -> bool:
    """Whether a run at a level keeps what was asked for; `auto` asks for nothing."""
    if asked == "auto" or level is None:
        return asked in ("auto", "none")
    return ISOLATIONS.index(level) >= ISOLATIONS.index(asked)


def _missing_in_sandbox() -> str | None:
    layers = probe_layers()
    if any(layer.startswith("memory:") for layer in layers):
        return None
    return f"Sandbox: {HOW_TO_GROUP}."
