"""The comment on a pull request, written by a trusted job from the report of an untrusted one.

`python -m bench.check.comment report.zip > comment.md` reads the archive as data: one member, a size cap, a schema, ids
from the table of rules. Everything else becomes text that Markdown shows as it is. What it cannot read it says so, and
exits 1. Only pydantic is needed to run it.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from bench.check.rules import RULES
from bench.errors import RecordError
from bench.inert import inert_markdown

__all__ = ["MEMBER", "Reported", "ReportedFinding", "comment", "main", "read_report"]

MEMBER = "report.json"
_MAX_BYTES = 1 << 20
_MAX_ROWS = 50
_LONGEST_CELL = 400

_Text = Annotated[str, StringConstraints(max_length=20_000)]


class _Strict(BaseModel):
    # Not bench.records.base.Record, whose package needs numpy.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ReportedFinding(_Strict):
    """A finding, as `bench check --format json` writes it."""

    rule: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{2}$")]
    """The rule's id."""
    severity: Literal["error", "warning", "note"]
    """How bad it is."""
    message: _Text
    """What is wrong."""
    path: _Text
    """Where."""
    key: _Text | None = None
    """The key in the file."""
    line: Annotated[int, Field(gt=0)] | None = None
    """The line in the file."""
    waived: _Text | None = None
    """Who waived it."""


class Reported(_Strict):
    """What was found about one thing."""

    kind: Literal["submission", "result", "board", "protocol", "challenge", "ledger", "changes", "waivers"]
    """What it is."""
    path: _Text
    """Where it lies."""
    label: _Text
    """What it is called."""
    ok: bool
    """It has no fault."""
    faults: Annotated[tuple[_Text, ...], Field(max_length=10_000)]
    """The sentences of what fails the check."""
    notes: Annotated[tuple[_Text, ...], Field(max_length=1_000)]
    """What was not tried."""
    findings: Annotated[tuple[ReportedFinding, ...], Field(max_length=10_000)]
    """All findings."""


_REPORT = TypeAdapter(Annotated[list[Reported], Field(max_length=1_000)])


def read_report(path: Path) -> list[Reported]:
    """The report in the archive of an artifact.

    Raises:
        RecordError: The archive is too large, holds something else, or no report.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordError("is too large")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if [item.filename for item in members] != [MEMBER]:
                raise RecordError(f"does not hold {MEMBER} alone")
            with archive.open(members[0]) as stream:
                content = stream.read(_MAX_BYTES + 1)  # whatever size the archive states
        if len(content) > _MAX_BYTES:
            raise RecordError("is too large")
        report = _REPORT.validate_json(content)
    except (ValidationError, ValueError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # The error's own text would quote what a stranger wrote.
        raise RecordError(f"is no report of bench check ({type(error).__name__})") from error
    if any(found.rule not in RULES for item in report for found in item.findings):
        raise RecordError("names a rule that there is not")
    return report


def comment(report: Sequence[Reported]) -> str:
    """The report in Markdown: a table of the findings, errors first, at most 50."""
    findings = [found for item in report for found in item.findings if found.waived is None]
    findings.sort(key=lambda found: ("error", "warning", "note").index(found.severity))
    num_errors = sum(found.severity == "error" for found in findings)
    verdict = "found errors" if num_errors or not all(item.ok for item in report) else "found no errors"
    counts = f"{len(report)} checked, findings: {len(findings)}, of these errors: {num_errors}"
    lines = [f"**bench check** {verdict} ({counts})."]
    if findings:
        lines += ["", "| rule | severity | where | what |", "| --- | --- | --- | --- |"]
    for found in findings[:_MAX_ROWS]:
        where = f"{found.path}{f':{found.line}' if found.line else ''}{f' {found.key}' if found.key else ''}"
        lines.append(f"| {found.rule} | {found.severity} | {_cell(where)} | {_cell(found.message)} |")
    if len(findings) > _MAX_ROWS:
        lines += ["", f"And {len(findings) - _MAX_ROWS:,} more; run `bench check` to see them."]
    lines += ["", "`bench check --explain ID` says what a rule means and what to do."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return inert_markdown(text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]} ...")


def main(arguments: Sequence[str]) -> int:
    """Reads the archive that is named, writes the comment to stdout; returns the exit code."""
    try:
        (name,) = arguments
        sys.stdout.write(comment(read_report(Path(name))))
    except (RecordError, ValueError) as error:
        sys.stdout.write("**bench check**: the report of the check cannot be read; see the log of the run.\n")
        sys.stderr.write(f"The report {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
