"""What a result must have to be verified, as one pure function: for runs, for checks and for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records.audit import Audit
from bench.records.result import Result

__all__ = [
    "NEEDED_AUDITS",
    "NEEDED_LAYERS",
    "is_layer",
    "may_be_verified",
    "missing_isolation",
    "reproducing_command",
]

NEEDED_LAYERS = {
    "seccomp": "a filter of system calls",
    "memory": "a limit on memory",
    "processes": "a limit on processes",
}
"""The layers that must be active, and what they are; a layer may say how it is made: `memory:cgroup2`."""

NEEDED_AUDITS = ("A1", "A2", "A3", "A4", "A5", "A6", "A10", "A11")
"""The audits that must have passed. A7 needs a long run, and A8 a device whose peak is known: they must not fail."""


def may_be_verified(isolation: str | None, layers: Iterable[str], audits: Sequence[Audit]) -> tuple[str, ...]:
    """What keeps a run from being verified, a clause each; nothing where it may be.

    Args:
        isolation: Where the submission's code ran.
        layers: The layers of isolation that were active.
        audits: What the audits found.

    >>> may_be_verified("none", (), ())[0]
    "its isolation is 'none', not 'sandbox'"
    """
    reasons = list(missing_isolation(isolation, layers))
    if not audits:
        return (*reasons, "it was not audited")
    by_id = {audit.id: audit for audit in audits}
    reasons += [f"audit {audit.id} failed: {audit.sentence}" for audit in audits if audit.outcome == "failed"]
    for wanted in NEEDED_AUDITS:
        if (audit := by_id.get(wanted)) is None:
            reasons.append(f"audit {wanted} is missing")
        elif audit.outcome == "not-run":
            reasons.append(f"audit {wanted} was not run: {audit.sentence}")
    return tuple(reasons)


def missing_isolation(isolation: str | None, layers: Iterable[str]) -> tuple[str, ...]:
    """The part of `may_be_verified` that a machine can tell before anything is run."""
    found = tuple(layers)
    return (
        *(() if isolation == "sandbox" else (f"its isolation is {isolation or 'unknown'!r}, not 'sandbox'",)),
        *(
            f"{what} ({name}) is not active"
            for name, what in NEEDED_LAYERS.items()
            if not any(is_layer(layer, name) for layer in found)
        ),
    )


def is_layer(layer: str, name: str) -> bool:
    """Whether a layer is the named one, however it is made.

    >>> is_layer("memory:cgroup2", "memory"), is_layer("memory_map", "memory")
    (True, False)
    """
    return layer.partition(":")[0] == name


def reproducing_command(result: Result, name: str) -> str | None:
    """The one command that runs a result again and compares its answers; None for what bench did not measure.

    Args:
        result: The result.
        name: Its id or its file.
    """
    if result.predictions is None or result.status not in ("verified", "self-reported"):
        return None
    return f"bench verify {name} --submission submissions/{result.entry} --data DIR"
