"""What a rule and a finding are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import BenchError

__all__ = ["SEVERITIES", "Finding", "Rule", "Severity", "finding", "findings_of", "rule"]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first. Errors fail a check, warnings do so under `--strict`, notes never."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that is checked; its id is stable, and never used again for something else."""

    id: str
    """A letter for the group and two digits."""
    title: str
    """The rule as a sentence that is true of what passes."""
    severity: Severity
    """How bad a breach is."""
    why: str
    """What a breach leads to."""
    repair: str
    """What to do about it."""


def rule(rule_id: str, severity: Severity, title: str, why: str, repair: str) -> Rule:
    """A rule, written short for the tables."""
    return Rule(id=rule_id, severity=severity, title=title, why=why, repair=repair)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One breach of a rule. All texts may hold what a stranger wrote: reports make them inert."""

    rule: str
    """The id in `RULES`."""
    severity: Severity
    message: str
    """What is wrong, with the value found and what to do."""
    path: str
    """The file or folder."""
    key: str | None = None
    """The key in that file."""
    line: int | None = None
    """The line in that file, from 1."""
    waived: str | None = None
    """Who waived it, why, and until when."""

    @property
    def place(self) -> str:
        """Path, line and key."""
        return ": ".join(
            part for part in (self.path + (f":{self.line}" if self.line else ""), self.key) if part is not None
        )

    @property
    def sentence(self) -> str:
        """The place and the message."""
        return f"{self.place}: {self.message}"


def finding(
    rule_id: str, message: str, path: Path | str, *, key: str | None = None, line: int | None = None
) -> Finding:
    """A breach of a rule, with the rule's severity."""
    from bench.check.rules import RULES  # the table uses `Rule`

    return Finding(rule=rule_id, severity=RULES[rule_id].severity, message=message, path=str(path), key=key, line=line)


def findings_of(rule_id: str, error: BenchError, path: Path | str) -> Iterator[Finding]:
    """The findings that an error stands for: one for each line of an error about several keys.

    Args:
        rule_id: The rule that is broken.
        error: What reading the file raised.
        path: The file, where the error names none.
    """
    at = str(error.path) if error.path is not None else str(path)
    first, *others = error.message.split(f"\n  {at}: ")
    yield finding(rule_id, first, at, key=error.key)
    for other in others:
        key, _, message = other.partition(": ")
        yield finding(rule_id, message, at, key=key)
