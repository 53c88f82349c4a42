"""What a gate will do: its rows, which side has which, and how each is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.gate.config import GateConfig, Row, expired, load_config
from bench.gate.raw import SIDES, Side
from bench.gate.sides import Prepared, parse_side, target_file
from bench.gate.suite import RowReport, absent

__all__ = ["are_submissions", "chosen", "configuration", "gone_rows", "present"]


def configuration(path: Path | None, here: Path, *, with_submissions: bool, today: date) -> GateConfig:
    """The configuration of a gate; two submissions need none: the forward pass is their row.

    Args:
        path: The file that the user named.
        here: Where the others are looked for.
        with_submissions: Both sides are submissions.
        today: For entries that expire.

    Raises:
        UsageError: There is nothing to measure, a key is wrong, or an ignored row expired.
    """
    config = load_config(path, here)
    if path is None and with_submissions:
        config = GateConfig(rows=(Row(name="forward", target="bench.backends.steps:forward"),))
    if config is None or not config.rows:
        raise UsageError("there is nothing to measure; write [[rows]] into gate.toml, see docs/gate.md")
    if over := expired(config, today):
        row = over[0]
        raise UsageError(
            f"the ignored row {row.row!r} expired on {row.expires} ({row.reason}); mend it, or decide anew"
        )
    return config


def are_submissions(base: str, head: str) -> bool:
    """Whether both sides are submissions.

    Raises:
        UsageError: One is, and the other is not: they have no row in common. Or one is no side.
    """
    kinds = [parse_side(side)[0] for side in (base, head)]
    if kinds.count("path") == 1:
        raise UsageError(f"{base!r} and {head!r} cannot be compared: a submission is compared with another, path:")
    return kinds[0] == "path"


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

    A row that is missing in head fails, one that is missing in base is said. A function or a test that is missing in a
    file shows when it is made.

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
    return both, others


def gone_rows(rows: Sequence[Row], sides: Mapping[Side, Prepared], on_note: Callable[[str], None]) -> list[Row]:
    """The rows that only base's own configuration lists, for files that base has.

    Args:
        rows: The rows of the gate.
        sides: From `base` and `head` to what was made ready.
        on_note: Called with a sentence where a revision's configuration cannot be read: nothing else depends on it.
    """
    own: dict[Side, tuple[Row, ...]] = {}
    for side in SIDES:
        try:
            config = load_config(None, sides[side].folder) if "commit" in sides[side].facts else None
        except UsageError as error:
            on_note(f"{side}'s own configuration cannot be read ({error}); rows that only base has are not looked for")
            return []
        own[side] = config.rows if config is not None else ()
    kept = {row.name for row in (*rows, *own["head"])}
    return [row for row in own["base"] if row.name not in kept and _has(sides["base"], row)]


def _has(side: Prepared, row: Row) -> bool:
    file = target_file(side, row)
    return file is None or file.is_file()
