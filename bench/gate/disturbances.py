"""What a reader must know of how the pairs of a row were measured: sentences, which never change a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bench.gate.raw import Pair
from bench.measure.machine_state import complaints

__all__ = ["disturbances"]


def disturbances(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Sentences on processes that were not steady, and on a machine that was shared or slowed down.

    Args:
        pairs: The pairs of a row; those of older files, which do not tell, are passed over.
    """
    measured = [pair for pair in pairs if pair.blocks]
    num_unsteady = sum(not pair.is_warm for pair in measured)
    said = [f"{num_unsteady} of {len(measured)} pairs were not steady after their warm-up"] if num_unsteady else []
    states = [(pair.before, pair.after) for pair in measured if pair.before is not None and pair.after is not None]
    if states:
        own_cpu_s = sum(pair.own_cpu_s or 0.0 for pair in measured)
        num_cores = max(pair.num_cores or 1 for pair in measured)
        said += [
            sentence.removesuffix(".") for sentence in complaints(states, own_cpu_s=own_cpu_s, num_cores=num_cores)
        ]
    return tuple(said)
