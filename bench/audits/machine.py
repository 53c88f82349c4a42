"""The audits that judge times, settings and weights."""

from __future__ import annotations

from collections.abc import Sequence

from bench.audits.evidence import Evidence
from bench.audits.verdict import Verdict, median, verdict
from bench.records.protocol import Precision
from bench.records.result import Scalar

__all__ = ["below_peak", "declared_settings", "repeats_cost_the_same", "weights_stay"]

_LEAST_SHARE = 0.9
_LEAST_S = 0.5e-3
"""A repeated batch in a tenth less time is suspicious, as in TEST04 of MLPerf Inference, from half a millisecond on."""

_WEIGHTS = "weights"


def repeats_cost_the_same(evidence: Evidence) -> Verdict:
    """A2: copies of one image, and the very same batch again, take as long as images that all differ.

    Only where each round says so, and the repeats' median is below the shortest of the others: on a busy machine one
    time in two is longer than the next one by chance.
    """
    copies = [one.copies_s / one.distinct_s for one in evidence.rounds]
    again = [one.again_s / one.distinct_s for one in evidence.rounds]
    distinct_s = [one.distinct_s for one in evidence.rounds]
    is_faster = any(
        _are_faster(distinct_s, repeated_s)
        for repeated_s in ([one.copies_s for one in evidence.rounds], [one.again_s for one in evidence.rounds])
    )
    figures = {
        "num_rounds": len(evidence.rounds),
        "copies_ratio": round(median(copies), 4),
        "copies_ratio_max": round(max(copies), 4),
        "again_ratio": round(median(again), 4),
        "again_ratio_max": round(max(again), 4),
        "batch_ms": round(1000 * median([one.distinct_s for one in evidence.rounds]), 3),
    }
    return verdict(
        ok=not is_faster,
        figures=figures,
        threshold="copies of one image, or the same batch again, take less than "
        f"{_LEAST_SHARE:g} of the time of images that all differ, and at least {1000 * _LEAST_S:g} ms less: in each "
        "round, and their median against the shortest of the others",
        sentence=f"copies of one image took {median(copies):.2f} and the same batch again {median(again):.2f} of the "
        "time of images that all differ",
    )


def _are_faster(distinct_s: Sequence[float], repeated_s: Sequence[float]) -> bool:
    pairs = zip(distinct_s, repeated_s, strict=True)
    return _is_faster(min(distinct_s), median(repeated_s)) and all(_is_faster(one, other) for one, other in pairs)


def _is_faster(distinct_s: float, repeated_s: float) -> bool:
    return repeated_s < _LEAST_SHARE * distinct_s and distinct_s - repeated_s > _LEAST_S


def below_peak(evidence: Evidence) -> Verdict:
    """A8: the operations that the model is said to need are no more than the devices can do in the time."""
    threshold = "more operations a second than the devices can do at most"
    if evidence.gmacs is None or evidence.peak_tflops is None:
        missing = "the model's operations" if evidence.gmacs is None else "the device's peak"
        return Verdict("not-run", {}, threshold, f"{missing} cannot be told")
    operations = 2e-3 * evidence.gmacs * evidence.num_views * evidence.batch_size  # 10^12 a batch
    achieved = operations / median([one.distinct_s for one in evidence.rounds])
    return verdict(
        ok=achieved <= evidence.peak_tflops,
        figures={"achieved_tflops": float(f"{achieved:.4g}"), "peak_tflops": evidence.peak_tflops},
        threshold=threshold,
        sentence=f"{achieved:.3g} of at most {evidence.peak_tflops:,.4g} TFLOP/s",
    )


def declared_settings(evidence: Evidence) -> Verdict:
    """A10: torch's settings are those of the declared precision, and nothing changed them on the way."""
    before, after = (
        {name: value for name, value in settings.items() if name != _WEIGHTS}
        for settings in (evidence.settings_before, evidence.settings_after)
    )
    threshold = "a setting of torch is not as the precision says, or changed while the model was evaluated"
    if not before or not after:
        return Verdict("not-run", {}, threshold, "the settings cannot be read where the model runs")
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    wanted = _wanted(evidence.precision)
    other = sorted(name for name, value in wanted.items() if name in after and after[name] != value)
    figures: dict[str, Scalar] = {"num_settings": len(after)}
    for name in sorted({*changed, *other}):
        figures |= {f"{name}_before": before.get(name), f"{name}_after": after.get(name)}
    shown = [f"{name} from {before.get(name)} to {after.get(name)}" for name in changed]
    shown += [f"{name} is {after[name]}, not {wanted[name]}" for name in other if name not in changed]
    return verdict(
        ok=not shown,
        figures=figures,
        threshold=threshold,
        sentence=f"settings differ: {', '.join(shown)}"[:900]
        if shown
        else f"{len(after)} settings are as declared, before and after",
    )


def _wanted(precision: Precision) -> dict[str, Scalar]:
    """What `bench.backends.arithmetic` sets."""
    inner = "tf32" if precision == "tf32" else "ieee"
    return {
        "matmul_fp32_precision": inner,
        "conv_fp32_precision": inner,
        "rnn_fp32_precision": inner,
        "cudnn_benchmark": False,
        "cudnn_deterministic": True,
        "training": False,
    }


def weights_stay(evidence: Evidence) -> Verdict:
    """A11: parameters and persistent buffers are the same bytes before the first batch and after the last one."""
    before, after = (settings.get(_WEIGHTS) for settings in (evidence.settings_before, evidence.settings_after))
    threshold = "a parameter or a buffer of the model has other bytes after the evaluation"
    if before is None or after is None:
        return Verdict("not-run", {}, threshold, "the weights cannot be read where the model runs")
    return verdict(
        ok=before == after,
        figures={"before": before, "after": after},
        threshold=threshold,
        sentence="the weights are the same bytes before and after" if before == after else "the weights were changed",
    )
