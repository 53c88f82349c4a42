"""Waivers: breaches that a maintainer accepts, for one rule and path, with a name, a reason and an end.

They lie in a file of the repository, `waivers.toml`, and never in a submission's folder: nobody waives a rule for
himself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from bench.check.rule import Finding, finding
from bench.check.rules import RULES
from bench.errors import RecordError, nearest
from bench.records.base import FileRecord, Record
from bench.records.names import FreeText

__all__ = ["Waiver", "Waivers", "apply_waivers", "load_waivers", "waiver_findings"]


class Waiver(Record):
    """One accepted breach."""

    rule: str
    """The rule's id."""
    path: str
    """The finding's path as the report shows it; `*` stands for any text."""
    author: FreeText
    """Who accepts it."""
    reason: FreeText
    """Why."""
    expires: date
    """The last day on which it holds, such as 2027-01-31."""


class Waivers(FileRecord):
    """What `waivers.toml` holds."""

    waiver: tuple[Waiver, ...] = ()
    """The waivers."""


def load_waivers(path: Path) -> Waivers:
    """The waivers in a file.

    Raises:
        RecordError: The file is not valid, or names a rule that there is not.
    """
    waivers = Waivers.load(path)
    for number, waiver in enumerate(waivers.waiver):
        if waiver.rule not in RULES:
            message = f"there is no rule {waiver.rule!r}: {nearest(waiver.rule, RULES)}"
            raise RecordError(message, path=path, key=f"waiver.{number}.rule")
    return waivers


def apply_waivers(findings: Iterable[Finding], waivers: Waivers, today: date) -> tuple[Finding, ...]:
    """The findings, those that a waiver accepts marked as waived."""
    return tuple(_waived(item, waivers, today) for item in findings)


def _waived(item: Finding, waivers: Waivers, today: date) -> Finding:
    for waiver in waivers.waiver:
        if waiver.expires >= today and _matches(waiver, item):
            return dataclasses.replace(item, waived=f"{waiver.author}: {waiver.reason} (until {waiver.expires})")
    return item


def _matches(waiver: Waiver, item: Finding) -> bool:
    return waiver.rule == item.rule and fnmatchcase(item.path, waiver.path)


def waiver_findings(
    findings: Iterable[Finding], waivers: Waivers, path: Path, today: date, *, checked: Iterable[Path]
) -> list[Finding]:
    """Breaches of W01 and W02: waivers that have ended, and those that waive nothing.

    Args:
        findings: All findings of the check, before or after `apply_waivers`.
        waivers: The waivers.
        path: Their file.
        today: The day of the check, UTC.
        checked: What was checked; a waiver for something else may be needed there.
    """
    found, all_findings, places = [], list(findings), [str(item) for item in checked]
    for number, waiver in enumerate(waivers.waiver):
        key = f"waiver.{number}"
        if waiver.expires < today:
            message = f"ended on {waiver.expires}: {waiver.rule} for {waiver.path!r} counts again"
            found.append(finding("W01", message, path, key=key))
        elif _concerns(waiver, places) and not any(_matches(waiver, item) for item in all_findings):
            found.append(finding("W02", f"waives nothing: no {waiver.rule} at {waiver.path!r}", path, key=key))
    return found


def _concerns(waiver: Waiver, places: Iterable[str]) -> bool:
    """Whether the waiver is about something that was checked, or something in it."""
    start = waiver.path.partition("*")[0]
    return any(start.startswith(path) or path.startswith(start) for path in places)
