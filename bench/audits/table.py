"""The table of audits, and the records that they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.audits.answers import (
    early_is_late,
    exact_repeats,
    other_company,
    other_sizes,
    perturbed_copies,
    timed_is_scored,
)
from bench.audits.evidence import Evidence
from bench.audits.machine import below_peak, declared_settings, repeats_cost_the_same, weights_stay
from bench.audits.verdict import Verdict
from bench.records.audit import Audit

__all__ = ["AUDITS", "AuditRule", "judge"]


class AuditRule(NamedTuple):
    """One audit."""

    title: str
    """What must hold."""
    find: Callable[[Evidence], Verdict]
    """Judges the evidence; pure."""


AUDITS = {
    "A1": AuditRule("Timed answers are the scored answers", timed_is_scored),
    "A2": AuditRule("Repeated images take as long as new ones", repeats_cost_the_same),
    "A3": AuditRule("Slightly changed copies are answered as well", perturbed_copies),
    "A4": AuditRule("Answers do not depend on the batch size", other_sizes),
    "A5": AuditRule("Answers do not depend on order and company", other_company),
    "A6": AuditRule("The same batch gets the same answers", exact_repeats),
    "A7": AuditRule("No phase of the run is answered or timed differently", early_is_late),
    "A8": AuditRule("The speed is physically possible", below_peak),
    "A10": AuditRule("The arithmetic is the declared one, before and after", declared_settings),
    "A11": AuditRule("The weights do not change", weights_stay),
}
"""Every audit by its id, in the order in which pages list them. To add one: a pure function and its line here. A9 is no
audit but a comparison of boards: V2 and ReaL beside the validation images."""


def judge(evidence: Evidence) -> tuple[Audit, ...]:
    """What all audits say of one run."""
    return tuple(_audit(name, rule, evidence) for name, rule in AUDITS.items())


def _audit(name: str, rule: AuditRule, evidence: Evidence) -> Audit:
    found = rule.find(evidence)
    return Audit(
        id=name,
        title=rule.title,
        outcome=found.outcome,
        figures=dict(found.figures),
        threshold=_as_sentence(f"fails where {found.threshold}"),
        sentence=_as_sentence(found.sentence),
    )


def _as_sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."
