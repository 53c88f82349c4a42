"""Reports on a check: for a terminal, for programs, for test viewers, for GitHub's annotations and for code scanning.

What a stranger wrote is inert in each of them: `bench.inert` for lines, the writers' escapes for JSON and XML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from bench.check.checking import Checked
from bench.check.rule import Finding
from bench.check.rules import RULES
from bench.inert import github_message, github_property, inert_line, inert_xml
from bench.version import __version__

__all__ = ["FORMATS", "Report", "as_json"]

_SARIF_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
_GITHUB_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


class Report(NamedTuple):
    """All that was checked."""

    checked: Sequence[Checked]
    strict: bool
    """Warnings fail a check too."""


def text(report: Report) -> str:
    """A line for each thing, and below it one for each finding and note."""
    lines: list[str] = []
    for item in report.checked:
        verdict = "FAULT" if item.faults(strict=report.strict) else "ok"
        lines.append(f"{verdict:<6}{item.kind:<11} {inert_line(item.label)}")
        for found in item.findings:
            waived = f" [waived by {inert_line(found.waived)}]" if found.waived else ""
            lines.append(f"      {found.rule} {found.severity}: {inert_line(found.sentence)}{waived}")
        lines += [f"      note: {inert_line(sentence)}" for sentence in item.notes]
    return "\n".join(lines) + "\n" if lines else ""


def as_json(report: Report) -> str:
    """A list with an object for each thing; all that is not ASCII is written as its number."""
    items = [
        {
            "kind": item.kind,
            "path": str(item.path),
            "label": item.label,
            "ok": not item.faults(strict=report.strict),
            "faults": [found.sentence for found in item.faults(strict=report.strict)],
            "notes": list(item.notes),
            "findings": [_finding_as_json(found) for found in item.findings],
        }
        for item in report.checked
    ]
    return json.dumps(items, indent=1, ensure_ascii=True) + "\n"


def _finding_as_json(found: Finding) -> dict[str, Any]:
    values = {key: getattr(found, key) for key in ("rule", "severity", "message", "path", "key", "line", "waived")}
    return {key: value for key, value in values.items() if value is not None}


def junit(report: Report) -> str:
    """A test case for each thing; it fails with its faults, and prints the other findings."""
    suite = ET.Element("testsuite", name="bench check", tests=str(len(report.checked)), errors="0", skipped="0")
    num_failed = 0
    for item in report.checked:
        case = ET.SubElement(suite, "testcase", classname=f"bench.check.{item.kind}", name=inert_xml(item.label))
        faults = item.faults(strict=report.strict)
        if faults:
            num_failed += 1
            failure = ET.SubElement(case, "failure", type=faults[0].rule, message=inert_xml(faults[0].sentence))
            failure.text = "\n".join(inert_xml(f"{found.rule} {found.sentence}") for found in faults)
        others = [f"{found.rule} {found.severity}: {found.sentence}" for found in item.findings if found not in faults]
        if others or item.notes:
            ET.SubElement(case, "system-out").text = "\n".join(map(inert_xml, [*others, *item.notes]))
    suite.set("failures", str(num_failed))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def github(report: Report) -> str:
    """An annotation for each finding, as GitHub's runner reads it from the log."""
    lines = []
    for found in _findings(report):
        fields = {"file": found.path, "line": str(found.line) if found.line else None, "title": found.rule}
        shown = ",".join(f"{key}={github_property(value)}" for key, value in fields.items() if value is not None)
        where = f"{found.key}: " if found.key else ""
        lines.append(f"::{_GITHUB_COMMANDS[found.severity]} {shown}::{github_message(where + found.message)}")
    return "\n".join(lines) + "\n" if lines else ""


def sarif(report: Report) -> str:
    """SARIF 2.1.0, with every rule; waived findings are suppressed results."""
    used = sorted({found.rule for item in report.checked for found in item.findings})
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.repair},
            "defaultConfiguration": {"level": _SARIF_LEVELS[rule.severity]},
        }
        for rule in (RULES[rule_id] for rule_id in used)
    ]
    results = [_sarif_result(found, used) for item in report.checked for found in item.findings]
    driver = {
        "name": "bench check",
        "version": __version__,
        "informationUri": "https://pypi.org/project/ilsvrc-bench/",
        "rules": rules,
    }
    content = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def _sarif_result(found: Finding, used: list[str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(found.path)}}
    if found.line:
        location["region"] = {"startLine": found.line}
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "ruleIndex": used.index(found.rule),
        "level": _SARIF_LEVELS[found.severity],
        "message": {"text": inert_line(f"{found.key}: {found.message}" if found.key else found.message)},
        "locations": [{"physicalLocation": location}],
    }
    if found.waived:
        result["suppressions"] = [{"kind": "external", "justification": inert_line(found.waived)}]
    return result


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path, errors="surrogateescape")


def _findings(report: Report) -> Iterable[Finding]:
    """The findings that are not waived."""
    return (found for item in report.checked for found in item.findings if found.waived is None)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "github": github,
    "sarif": sarif,
}
"""From the name of a format to its writer."""
