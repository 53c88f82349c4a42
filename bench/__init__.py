"""ILSVRC Bench: evaluates ImageNet models under fixed protocols and publishes leaderboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["__version__", "load_results"]


def load_results(path: str | Path = "leaderboards/results") -> pd.DataFrame:
    """Every result below a folder as one data frame, a row a run; see `docs/formats.md` for the columns.

    Args:
        path: A results folder, such as `leaderboards/results`.

    Returns:
        A frame with one row a result: identity, protocol, dataset, `metrics.<name>.value` (fractions 0 to 1),
        `.ci_low`, `.ci_high`, `.num_samples`, `.count`, costs with their units in the name, and environment.

    Raises:
        StoreError: The folder does not exist.
        RecordError: A result file is broken; the message names it.
    """
    from pathlib import Path as _Path

    from bench.leaderboard.frame import frame_of
    from bench.store import Store

    return frame_of(Store(_Path(path)).load())
