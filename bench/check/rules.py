"""The table of all rules; `docs/rules.md` is written from it. Ids are stable: a rule that goes away leaves a gap."""

from __future__ import annotations

from typing import Final

from bench.check.rule import Rule
from bench.check.rules_records import RECORD_RULES
from bench.check.rules_submissions import SUBMISSION_RULES
from bench.errors import UsageError, nearest

__all__ = ["GROUPS", "RULES", "explain"]

GROUPS: Final[dict[str, str]] = {
    "L": "Submissions, without running them",
    "D": "Submissions, dry run on four images",
    "R": "Results",
    "P": "Predictions",
    "B": "Boards",
    "M": "Protocols",
    "C": "Challenges and their ledgers",
    "S": "Signatures",
    "T": "Training",
    "G": "Pull requests",
    "W": "Waivers",
}
"""From the letter of an id to what its rules are about."""

RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in (*SUBMISSION_RULES, *RECORD_RULES)}
"""Every rule by its id."""


def explain(rule_id: str) -> str:
    """What a rule means, why there is one, and what to do about a breach.

    Raises:
        UsageError: There is no such rule; the nearest ones are offered.
    """
    if (rule := RULES.get(rule_id.upper())) is None:
        raise UsageError(f"there is no rule {rule_id!r}: {nearest(rule_id.upper(), RULES)}")
    return (
        f"{rule.id} ({rule.severity}): {rule.title}\nGroup: {GROUPS[rule.id[0]].lower()}.\n"
        f"Why: {rule.why}\nWhat to do: {rule.repair}"
    )
