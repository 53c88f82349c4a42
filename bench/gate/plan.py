"""What a gate will do: its rows, which side has which, and how each is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.gate.config import GateConfig, Row, expired, load_config
from bench.gate.raw import SIDES, Side
from bench.gate.sides import Prepared
from bench.gate.suite import RowReport, absent

__all__ = ["chosen", "configuration", "present"]


def configuration(path: Path | None, here: Path, *, are_submissions: bool, today: date) -> GateConfig:
    """The configuration of a gate; two submissions need none: the forward pass is their row.

    Args:
        path: The file that the user named.
        here: Where the others are looked for.
        are_submissions: Both sides are submissions.
        today: For entries that expire.

    Raises:
        UsageError: There is nothing to measure, a key is wrong, or an ignored row expired.
    """
    config = load_config(path, here)
    if path is None and are_submissions:
        config = GateConfig(rows=(Row(name="forward", target="bench.backends.steps:forward"),))
    if config is None or not config.rows:
        raise UsageError("there is nothing to measure; write [[rows]] into gate.toml, see docs/gate.md")
    if over := expired(config, today):
        row = over[0]
        raise UsageError(
            f"the ignored row {row.row!r} expired on {row.expires} ({row.reason}); mend it, or decide anew"
        )
    return config


def chosen(config: GateConfig, names: Sequence[str]) -> list[Row]:
    """The rows with these names, or all.

    Raises:
        UsageError: There is no such row.
    """
    known = [row.name for row in config.rows]
    for name in names:
        if name not in known:
            raise UsageError(f"there is no row {name!r}: {nearest(name, known)}")
    return [row for row in config.rows if not names or row.name in names]


def present(rows: Sequence[Row], sides: Mapping[Side, Prepared]) -> tuple[list[Row], list[RowReport]]:
    """The rows that both sides have, and what is said of those that one of them lacks.

    A row that is missing in head fails, also where only base's own configuration lists it; one that is missing in base
    is said. A function or a test that is missing in a file shows when it is made.

    Args:
        rows: The rows of the gate.
        sides: From `base` and `head` to what was made ready.
    """
    both: list[Row] = []
    others: list[RowReport] = []
    for row in rows:
        in_base, in_head = (_has(sides[side], row) for side in SIDES)
        if in_base and in_head:
            both.append(row)
        else:
            others.append(absent(row, in_base=in_base, in_head=in_head))
    names = {row.name for row in rows}
    base = sides["base"]
    own = load_config(None, base.folder) if "commit" in base.facts else None
    head_own = load_config(None, sides["head"].folder) if "commit" in sides["head"].facts else None
    kept = names | {row.name for row in (head_own.rows if head_own else ())}
    others += [
        RowReport(row=row, verdict="REGRESSION", reasons=("exists in base only",))
        for row in (own.rows if own else ())
        if row.name not in kept and _has(base, row)
    ]
    return both, others


def _has(side: Prepared, row: Row) -> bool:
    test = row.target.removeprefix("pytest:")
    place = test.partition("::")[0] if test != row.target else test.rpartition(":")[0]
    return not place.endswith(".py") or (side.folder / place).is_file()
