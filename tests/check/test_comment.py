"""The trusted job's comment: the report of an untrusted job is read as data."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from check.made import MANIFEST, found, submission

from bench.check.checking import Checked
from bench.check.comment import MEMBER, comment, main, read_report
from bench.check.reports import Report, as_json
from bench.errors import RecordError

HOSTILE = "@acme <img src=x onerror=alert(1)> [x](javascript:alert(2)) | `code` #1 https://evil.example \u202e"


def _archive(folder: Path, content: str | bytes, name: str = MEMBER) -> Path:
    path = folder / "report.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def _item(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "submission", "path": "p", "label": "l", "ok": False, "faults": [], "notes": [], "findings": []
    } | fields  # fmt: skip


def test_a_report_becomes_a_table(tmp_path: Path) -> None:
    """What `bench check --format json` writes is what the job reads."""
    findings = found(submission(tmp_path, manifest=MANIFEST.replace("title", "titel")), run_model=False)
    checked = Checked(kind="submission", path=tmp_path, label="acme/net", findings=tuple(findings))
    report = read_report(_archive(tmp_path, as_json(Report([checked], strict=False))))

    assert "**bench check** found errors" in comment(report)
    assert "| L01 | error |" in comment(report)


def test_hostile_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    """No HTML, no link, no mention, no new cell of the table, nothing invisible."""
    item = _item(findings=[{"rule": "L42", "severity": "warning", "message": HOSTILE, "path": HOSTILE}])
    text = comment(read_report(_archive(tmp_path, json.dumps([item]))))
    (row,) = [line for line in text.splitlines() if line.startswith("| L42")]

    assert row.replace("\\|", "").count("|") == 5
    for hostile in ("@", "<", "](", "://", "\u202e", " #1", " `"):
        assert hostile not in row


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("[]" + " " * 2_000_000, MEMBER),
        ("[]", "../report.json"),
        ("{}", MEMBER),
        ("[" * 100_000, MEMBER),
        (json.dumps([_item(more=1)]), MEMBER),
        (json.dumps([_item(kind="shell")]), MEMBER),
        (json.dumps([_item(findings=[{"rule": "X99", "severity": "error", "message": "m", "path": "p"}])]), MEMBER),
        (json.dumps([_item(findings=[{"rule": "L01", "severity": "bad", "message": "m", "path": "p"}])]), MEMBER),
        (json.dumps([_item(ok="yes")]), MEMBER),
    ],
    ids=["bomb", "path", "object", "deep", "key", "kind", "rule", "severity", "type"],
)
def test_what_is_no_report_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, name: str
) -> None:
    """Size, names, keys and values; the comment says nothing of it, and the job is told."""
    path = _archive(tmp_path, content, name)
    with pytest.raises(RecordError):
        read_report(path)

    assert main([str(path)]) == 1
    assert capsys.readouterr().out == (
        "**bench check**: the report of the check cannot be read; see the log of the run.\n"
    )


def test_a_large_archive_and_no_archive_are_refused(tmp_path: Path) -> None:
    """Before they are opened, or when they are."""
    (tmp_path / "large.zip").write_bytes(bytes(2_000_000))
    (tmp_path / "none.zip").write_bytes(b"none")
    for name in ("large.zip", "none.zip", "missing.zip"):
        with pytest.raises(RecordError):
            read_report(tmp_path / name)


def test_many_findings_are_counted(tmp_path: Path) -> None:
    """Fifty are shown."""
    findings = [{"rule": "L10", "severity": "error", "message": "m", "path": f"p{number}"} for number in range(60)]
    text = comment(read_report(_archive(tmp_path, json.dumps([_item(findings=findings)]))))

    assert text.count("| L10 |") == 50
    assert "And 10 more" in text


def test_the_trusted_jobs_need_little() -> None:
    """Pydantic for the comment, nothing for the approval: what is not installed cannot be attacked."""
    code = (
        "import sys; import {module}; known = {{'numpy', 'torch', 'pandas', 'click', 'pydantic'}}; "
        "print(*sorted({{name.split('.')[0] for name in sys.modules}} & known))"
    )
    for module, needs in (("bench.check.comment", "pydantic"), ("bench.check.approval", "")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module=module)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == needs
