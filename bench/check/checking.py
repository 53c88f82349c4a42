"""One thing checked: which look is taken at which kind of target, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.check.challenges import look_at_challenge, look_at_ledger
from bench.check.context import Context
from bench.check.declared import look_at_board, look_at_protocol
from bench.check.results import look_at_result
from bench.check.rule import Finding, finding
from bench.check.submissions import LookedAt, look_at_submission
from bench.check.targets import Kind, Target

__all__ = ["LOOKS", "Checked", "check_target"]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found about one submission, result, board, protocol, ledger, range of commits or file of waivers."""

    kind: Kind
    path: Path
    """The file, or a submission's folder."""
    label: str
    """What a user calls it."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    """What was not tried, and what a reader should know."""

    def faults(self, *, strict: bool) -> list[Finding]:
        """The findings that fail a check: errors, and warnings too where it is strict."""
        bad = ("error", "warning") if strict else ("error",)
        return [item for item in self.findings if item.severity in bad and item.waived is None]


def _look_at_result(path: Path, context: Context) -> LookedAt:
    notes: list[str] = []
    return LookedAt(str(path), list(look_at_result(path, context, notes)), notes)


LOOKS: dict[Kind, Callable[[Path, Context], LookedAt]] = {
    "submission": look_at_submission,
    "result": _look_at_result,
    "board": lambda path, _: LookedAt(str(path), list(look_at_board(path)), []),
    "protocol": lambda path, _: LookedAt(str(path), list(look_at_protocol(path)), []),
    "challenge": lambda path, _: LookedAt(str(path), list(look_at_challenge(path)), []),
    "ledger": lambda path, _: LookedAt(str(path), list(look_at_ledger(path)), []),
}
"""From a kind of target to the look at it."""


_RULE_OF: dict[Kind, str] = {"result": "R01", "board": "B01", "protocol": "M01", "challenge": "C02", "ledger": "C01"}
"""From a kind of single file to the rule that it breaks where it is none."""


def check_target(target: Target, context: Context) -> Checked:
    """All findings about one target."""
    if target.kind in _RULE_OF and not target.path.is_file():  # a pipe would be waited for
        looked = LookedAt(str(target.path), [finding(_RULE_OF[target.kind], "is no plain file", target.path)], [])
    else:
        looked = LOOKS[target.kind](target.path, context)
    label, findings, notes = looked
    path = target.path.parent if target.kind == "submission" else target.path
    return Checked(kind=target.kind, path=path, label=label, findings=tuple(findings), notes=tuple(notes))
