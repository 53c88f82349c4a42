"""The audits that judge answers: the same image gets the same answer, and a changed copy nearly always.

Shape letters: N images.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.audits.evidence import TOLERANCE, Compared, Evidence, Perturbed
from bench.audits.verdict import Verdict, median, verdict
from bench.stats.paired import paired_test

__all__ = ["early_is_late", "exact_repeats", "other_company", "other_sizes", "perturbed_copies", "timed_is_scored"]

_MOST_CHANGED = 0.001
"""Of the images that come again; one of 500 is too many."""
_MOST_DROP = 0.10
"""How much accuracy may drop on changed copies, by the lower end of the drop's interval.

With pretrained networks on photographs, and small ones on drawn shapes, that end stays below 1.5 points
(`benchmarks/audits.py`); a table of known images loses all that it had.
"""
_FEWEST_COPIES = 30
_FEWEST_ALONE = 4
_MOST_TIMES = 2.0
"""How far speeds may lie apart that are compared over a whole run, on a machine that others use too."""


def timed_is_scored(evidence: Evidence) -> Verdict:
    """A1: images again in batches asked for alone, as a measurement of speed does, get the classes that were scored."""
    found = evidence.alone
    changed = int(found.changed_N.sum())
    return verdict(
        ok=changed <= _MOST_CHANGED * len(found),
        figures={"num_images": len(found), "num_changed": changed, "max_difference": _largest(found)},
        threshold=f"more than {_MOST_CHANGED:.1%} of the images get another first class that is no tie",
        sentence=f"{changed:,} of {len(found):,} images got another first class when they came again, alone and timed",
    )


def perturbed_copies(evidence: Evidence) -> Verdict:
    """A3: mirrored copies, and shifted ones with faint noise, are answered nearly as rightly as the images."""
    threshold = (
        f"the accuracy on copies is lower by more than {_MOST_DROP:.0%}, by the lower end of the drop's 95% interval"
    )
    num_copies = min(len(found.same_N) for found in evidence.perturbed.values())
    if num_copies < _FEWEST_COPIES:
        return Verdict("not-run", {"num_copies": num_copies}, threshold, f"{num_copies} copies are too few to tell")
    figures: dict[str, int | float] = {}
    lowest, worst, worst_kind = -1.0, 0.0, ""
    for kind, found in evidence.perturbed.items():
        test = paired_test(found.scored_right_N, found.copy_right_N)
        figures |= _figures_of(kind, found, test.difference, test.ci_low)
        if test.ci_low > lowest:
            lowest, worst, worst_kind = test.ci_low, test.difference, kind
    lower = "lower" if worst >= 0 else "higher"
    return verdict(
        ok=lowest <= _MOST_DROP,
        figures=figures,
        threshold=threshold,
        sentence=f"the accuracy on {worst_kind} copies is {abs(worst):.1%} {lower} than on the images themselves",
    )


def _figures_of(kind: str, found: Perturbed, drop: float, drop_low: float) -> Mapping[str, int | float]:
    return {
        f"{kind}_num_copies": len(found.same_N),
        f"{kind}_scored_accuracy": round(float(found.scored_right_N.mean()), 6),
        f"{kind}_copy_accuracy": round(float(found.copy_right_N.mean()), 6),
        f"{kind}_drop": round(drop, 6),
        f"{kind}_drop_low": round(drop_low, 6),
        f"{kind}_agreement": round(float(found.same_N.mean()), 6),
    }


def other_sizes(evidence: Evidence) -> Verdict:
    """A4: an image gets the same logits in batches of other sizes."""
    figures: dict[str, int | float] = {}
    beyond = total = 0
    for size, found in sorted(evidence.sizes.items()):
        here = _num_beyond(found, evidence)
        figures |= {
            f"size_{size}_num_images": len(found),
            f"size_{size}_num_beyond": here,
            f"size_{size}_max_difference": _largest(found),
        }
        beyond, total = beyond + here, total + len(found)
    sizes = " and ".join(str(size) for size in sorted(evidence.sizes))
    return _same_numbers(
        evidence, beyond, total, figures, f"in batches of {sizes} instead of {evidence.batch_size} images"
    )


def other_company(evidence: Evidence) -> Verdict:
    """A5: an image gets the same logits in another order, at another place and in other company."""
    return _compared(evidence, evidence.company, "at other places among other images")


def exact_repeats(evidence: Evidence) -> Verdict:
    """A6: a whole batch gets the same logits again."""
    return _compared(evidence, evidence.exact, "when their very batch came again")


def early_is_late(evidence: Evidence) -> Verdict:
    """A7: what was answered first is answered so at the end, and no phase of a run is faster than another."""
    found, alone_s = evidence.late, evidence.scored_alone_s
    threshold = (
        f"an image of the first batch gets another first class after the last one, or all scored batches take "
        f"{_MOST_TIMES:g} times as long as all of the audit's, or half as long"
    )
    figures: dict[str, int | float] = {"num_images": len(found), "num_scored_alone": len(alone_s)}
    if len(alone_s) < _FEWEST_ALONE:
        sentence = f"{len(alone_s)} scored batches could be timed alone, too few to tell phases apart"
        return Verdict("not-run", figures, threshold, sentence)
    shown_s = [one.distinct_s for one in evidence.rounds]
    changed, ratio = int(found.changed_N.sum()), median(alone_s) / median(shown_s)
    apart = min(alone_s) > _MOST_TIMES * max(shown_s) or min(shown_s) > _MOST_TIMES * max(alone_s)
    figures |= {"num_changed": changed, "max_difference": _largest(found), "time_ratio": round(ratio, 4)}
    return verdict(
        ok=not changed and not apart,
        figures=figures,
        threshold=threshold,
        sentence=f"{changed:,} of {len(found):,} images of the first batch got another class at the end; "
        f"scored batches took {ratio:.2f} times as long as the audit's",
    )


def _compared(evidence: Evidence, found: Compared, where: str) -> Verdict:
    beyond = _num_beyond(found, evidence)
    figures = {"num_images": len(found), "num_beyond": beyond, "max_difference": _largest(found)}
    return _same_numbers(evidence, beyond, len(found), figures, where)


def _same_numbers(
    evidence: Evidence, beyond: int, total: int, figures: Mapping[str, int | float], where: str
) -> Verdict:
    tolerance = TOLERANCE[evidence.precision]
    return verdict(
        ok=beyond <= _MOST_CHANGED * total,
        figures={**figures, "tolerance": tolerance},
        threshold=f"the logits of more than {_MOST_CHANGED:.1%} of the images move by more than {tolerance:g} of the "
        "largest one",
        sentence=f"the logits of {beyond:,} of {total:,} images moved {where}",
    )


def _num_beyond(found: Compared, evidence: Evidence) -> int:
    return int((found.differences_N > TOLERANCE[evidence.precision]).sum())


def _largest(found: Compared) -> float:
    return float(f"{found.differences_N.max(initial=0.0):.3g}")
