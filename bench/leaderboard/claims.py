"""What the authors of a submission claim, against what was measured."""

from __future__ import annotations

from typing import NamedTuple

from bench.leaderboard.columns import COLUMNS
from bench.metrics import METRICS
from bench.records.result import Result

__all__ = ["Claim", "claims_of"]


class Claim(NamedTuple):
    """One claim and what became of it."""

    name: str
    claimed: str
    measured: str
    difference: str
    verdict: str
    flagged: bool
    """The measurement does not bear it out."""


def claims_of(result: Result) -> list[Claim]:
    """The claims of a submission against one of its runs; flagged where the 95 % interval does not hold the claim."""
    claims = result.submission.claims
    if claims is None or result.failure is not None:
        return []
    rows = []
    for name, claimed in (("top1", claims.top1), ("top5", claims.top5)):
        estimate, column = result.metrics.get(name), COLUMNS[name]
        if claimed is None or estimate is None:
            continue
        low, high = estimate.ci_low, estimate.ci_high
        known = low is not None and high is not None
        flagged = low is not None and high is not None and not low <= claimed <= high
        verdict = "outside the 95% interval" if flagged else "within the 95% interval" if known else "no interval"
        difference = column.difference(estimate.value - claimed)
        rows.append(
            Claim(METRICS[name].title, column.text(claimed), column.text(estimate.value), difference, verdict, flagged)
        )
    if claims.num_params is not None and (cost := result.costs.get("num_params")) is not None:
        gap = cost.value - claims.num_params
        counts = (f"{claims.num_params:,}", f"{cost.value:,.0f}", f"{gap:+,.0f}")
        # Beside a submission's own code nothing can be counted that it could not change.
        whose = ", by what its model declares" if result.declares_costs else ""
        verdict, flagged = _equal(same=not gap)
        rows.append(Claim("Parameters", *counts, verdict + whose, flagged))
    if claims.precision is not None and result.precision is not None:
        same = claims.precision == result.precision
        rows.append(Claim("Arithmetic", claims.precision, result.precision, "", *_equal(same=same)))
    return rows


def _equal(*, same: bool) -> tuple[str, bool]:
    """Verdict and flag of a claim that has no interval."""
    return ("equal", False) if same else ("differs", True)
