"""The raw blocks of a gate: every one is on disk before any statistic is computed, so that a killed gate resumes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Literal

from bench.errors import RecordError
from bench.files import canonical_json
from bench.records.base import Record
from bench.records.blocks import MachineState

__all__ = ["SIDES", "Block", "BlockPair", "Pair", "RawFile", "Side", "difference_of", "invalid_share", "writing"]

Side = Literal["base", "head"]
SIDES: tuple[Side, Side] = ("base", "head")
_ANOTHER = "; name another --out"
MIN_VALID = 0.8
"""A pair with a smaller share of valid pairs of blocks is measured again, with fresh coins."""


class Block(Record):
    """One timed burst of steps of one side."""

    step_ns: float
    """The median step, in nanoseconds."""
    steps: int
    """How many steps."""
    wall_ns: int
    """All of them together."""
    boot_ns: int
    """The same by the clock that goes on while the machine sleeps."""
    cpu_ns: int
    """Processor time of the process meanwhile."""
    involuntary_switches: int
    """How often the process lost its core."""
    peak_memory_kib: int
    """The largest resident memory of the process so far."""


class BlockPair(Record):
    """A block of each side, one right after the other."""

    head_first: bool
    """The coin: head's block came first."""
    base: Block
    """The block of base."""
    head: Block
    """The block of head."""
    invalid: str | None = None
    """Why neither of them counts; never because of its value."""


class Pair(Record):
    """A process of each side."""

    row: str
    """What was measured."""
    number: int
    """Its place among the row's pairs, replaced ones too; it seeds the coins."""
    head_started_first: bool
    """The coin of the start."""
    base_step_s: float
    """How long a step of base took when warm, in seconds; it fixes the number of steps of both sides."""
    is_warm: bool
    """Both sides were steady before the first block."""
    blocks: tuple[BlockPair, ...]
    """The pairs of blocks, in order."""
    before: MachineState | None = None
    """The machine before the processes were started."""
    after: MachineState | None = None
    """And after they ended."""
    own_cpu_s: float | None = None
    """Processor time of both processes and of the gate meanwhile, in seconds."""
    num_cores: int | None = None
    """Cores that the ticks of the machine's states count."""
    failed_side: Side | None = None
    """The side that crashed, hung or raised; then there are no blocks."""
    failure: str | None = None
    """How it failed."""

    @property
    def is_valid(self) -> bool:
        """Whether enough of its blocks count."""
        return bool(self.blocks) and len(valid_blocks(self)) >= MIN_VALID * len(self.blocks)


def valid_blocks(pair: Pair) -> list[BlockPair]:
    """The pairs of blocks that count."""
    return [blocks for blocks in pair.blocks if blocks.invalid is None]


def difference_of(pair: Pair) -> float:
    """The one number that a pair gives: the median of ln(head / base) over its valid blocks."""
    return median(math.log(blocks.head.step_ns / blocks.base.step_ns) for blocks in valid_blocks(pair))


def invalid_share(pairs: Sequence[Pair], num_blocks: int) -> float:
    """The share of pairs of blocks that do not count, replaced and failed pairs included; 0 where there is none.

    Args:
        pairs: The pairs of a row.
        num_blocks: How many pairs of blocks each of them should have.
    """
    return 1 - sum(len(valid_blocks(pair)) for pair in pairs) / (num_blocks * len(pairs)) if pairs else 0.0


class RawFile:
    """The pairs of a gate, one JSON object a line; what was cut off by a kill is passed over and measured again.

    Args:
        path: The file; its first line is written at once.
        settings: What must be equal for pairs of an earlier run to count: seed, sides, rows. They are the first line.

    Raises:
        RecordError: The file belongs to another gate, is broken, or cannot be read or written.
    """

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self.path = path
        self.pairs: list[Pair] = []
        header = canonical_json({"settings": settings})
        whole = _whole_lines(path)
        lines = whole.splitlines()
        if lines and lines[0] != header:
            raise RecordError(
                f"holds the blocks of another gate{_other(lines[0], header)}; remove it, or name another --out",
                path=path,
            )
        self.pairs = [_pair(line, number, path) for number, line in enumerate(lines[1:], start=2)]
        with writing(path, _ANOTHER):
            if lines:
                os.truncate(path, len(whole.encode()))
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(header, "w")

    def of(self, row: str) -> list[Pair]:
        """The pairs of a row, in the order they were measured."""
        return [pair for pair in self.pairs if pair.row == row]

    def add(self, pair: Pair) -> None:
        """Keeps a pair; it is on disk when this returns.

        Raises:
            RecordError: The file cannot be written.
        """
        with writing(self.path, _ANOTHER):
            self._append(canonical_json(pair.as_json()), "a")
        self.pairs.append(pair)

    def _append(self, line: str, mode: str) -> None:
        with self.path.open(mode, encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> str:
    """The lines of a file up to the last one that is whole; none where there is no file."""
    try:
        whole, end, _ = path.read_text(encoding="utf-8").rpartition("\n")
    except (FileNotFoundError, NotADirectoryError):  # a parent that is no folder is found when it is written
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror})"
        raise RecordError(f"{reason}; remove it, or name another --out", path=path) from error
    return whole + end


def _pair(line: str, number: int, path: Path) -> Pair:
    try:
        return Pair.parse(json.loads(line))
    except (ValueError, TypeError, RecursionError, RecordError) as error:
        first = str(error).partition("\n")[0]
        raise RecordError(
            f"line {number} is no pair of processes ({first}); remove it, or name another --out", path=path
        ) from error


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Turns a file that cannot be written into a sentence.

    Args:
        path: The file.
        advice: What the user can do, behind the sentence.

    Raises:
        RecordError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot be written ({error.strerror or error}){advice}", path=path) from error


def _other(found: str, wanted: str) -> str:
    """Which settings two headers differ in, as the end of a clause."""
    try:
        one, other = (json.loads(line)["settings"] for line in (found, wanted))
        names = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" (another {' and '.join(names)})"
