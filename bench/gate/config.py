"""What a gate measures: rows, tolerances and ignored rows, from `[tool.bench.gate]` or `gate.toml`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bench.errors import RecordError, UsageError
from bench.files import read_toml
from bench.records.base import Record
from bench.records.names import FreeText, LongText

__all__ = ["GateConfig", "Ignored", "Row", "expired", "load_config"]


class Row(Record):
    """One benchmark."""

    name: LongText
    """What the tables call it."""
    target: str
    """`FILE.py:FUNCTION`, relative to the side's folder, or `MODULE:FUNCTION`; the function makes the step. Or
    `pytest:FILE.py::TEST`: a test that has a step in its fixture `benchmark` or `gate_step`."""
    arguments: dict[str, Any] = {}
    """What the function is called with."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """The slowdown that is tolerated: 0.03 for throughput and medians, 0.05 for training steps."""
    threads: Annotated[int, Field(gt=0)] | None = None
    """Threads of each process; all cores when it is not given."""
    output_tolerance: Annotated[float, Field(gt=0)] = 1e-3
    """Largest difference of the outputs over the largest output: 1e-3 for fp32, 2e-2 for lower precision."""


class Ignored(Record):
    """A row that does not decide, for a while."""

    row: LongText
    """Its name."""
    reason: FreeText
    """Why."""
    expires: str
    """The last day, such as 2026-12-31; after it the entry is an error."""

    @model_validator(mode="after")
    def _is_a_day(self) -> Self:
        try:
            date.fromisoformat(self.expires)
        except ValueError:
            raise ValueError("expires is no day such as 2026-12-31") from None
        return self


class GateConfig(Record):
    """What a gate measures."""

    rows: tuple[Row, ...] = ()
    """The benchmarks; a project whose benchmarks are tests alone needs none."""
    ignore: tuple[Ignored, ...] = ()
    """Rows that are measured and shown, and do not decide."""
    install: tuple[str, ...] = ()
    """Commands that make a revision ready, run in its folder; `{python}` is the interpreter of its environment."""
    import_from: tuple[str, ...] = (".",)
    """Folders of a side that its code imports from, relative to the side's folder."""

    num_blocks: Annotated[int, Field(gt=0)] = 10
    """Pairs of blocks a pair of processes."""
    block_s: Annotated[float, Field(gt=0)] = 0.5
    """The least length of a block, in seconds."""
    warm_s: Annotated[float, Field(gt=0)] = 3.0
    """The least length of the warm-up of each process, in seconds."""
    most_memory_mib: Annotated[float, Field(gt=0)] | None = None
    """Anonymous memory at which a process is ended."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("two rows have the same name")
        if unknown := {ignored.row for ignored in self.ignore} - set(names):
            raise ValueError(f"there is no row {sorted(unknown)[0]!r} to ignore")
        return self


def load_config(path: Path | None, folder: Path) -> GateConfig | None:
    """The gate's configuration: a named file, else `gate.toml`, else `[tool.bench.gate]` of `pyproject.toml`.

    Args:
        path: The file that the user named.
        folder: Where the others are looked for.

    Returns:
        None where nothing was named and nothing is there.

    Raises:
        UsageError: A key is unknown or wrong, or the named file has no configuration.
    """
    candidates = [path] if path is not None else [folder / "gate.toml", folder / "pyproject.toml"]
    for candidate in candidates:
        if not candidate.is_file():
            continue
        try:
            content = read_toml(candidate)
            if candidate.name == "pyproject.toml":
                inside = _inside(content, "tool", "bench", "gate")
                if inside is None:
                    continue
                content = inside
            return GateConfig.parse(content, path=candidate)
        except RecordError as error:
            raise UsageError(str(error)) from error
    if path is not None:
        raise UsageError(f"there is no configuration of the gate in {str(path)!r}")
    return None


def _inside(content: dict[str, Any], *keys: str) -> Any:
    """The value below keys; None where one of them is not there, or is no table."""
    found: Any = content
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def expired(config: GateConfig, today: date) -> list[Ignored]:
    """The ignored rows whose time is over."""
    return [ignored for ignored in config.ignore if date.fromisoformat(ignored.expires) < today]
