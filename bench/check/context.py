"""What one call of `bench check` shares between the things that it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.backends.isolation import Isolation
from bench.check.manifest import Teams
from bench.sandbox.limits import Limits

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """Options and what was read already."""

    cache_folder: Path
    """Where downloaded weights are kept."""
    run_model: bool = True
    """Build models and call them, which runs the submission's code."""
    isolation: Isolation = "auto"
    """How far a submission's code is kept from this process; see `bench evaluate --isolation`."""
    limits: Limits | None = None
    """What a submission's own process may take; None for the limits of an evaluation."""
    predictions: Path | None = None
    """Where predictions are kept; None for the folder beside the results."""
    data: Path | None = None
    """The dataset, for scoring stored predictions with its labels; None to do without."""
    on_note: Callable[[str], None] = lambda _: None
    """Takes sentences for the user while the check goes on."""
    teams: Teams = field(default_factory=Teams)
    """The teams beside the submissions."""
