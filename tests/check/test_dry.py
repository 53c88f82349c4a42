"""The dry run: four images, in the sandbox where there is one, for each kind of model and each way to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from check.made import GOOD, MANIFEST, context, found, rules, submission
from click.testing import CliRunner

from bench.check.checking import check_target
from bench.check.targets import Target
from bench.cli.main import cli
from bench.errors import (
    BenchError,
    ChannelError,
    CrashError,
    DeviceError,
    LimitError,
    ModelError,
    NonFiniteError,
    OutputError,
    SubmissionError,
    TimeLimitError,
    WeightsError,
)
from bench.records.submission import InputSpec
from bench.sandbox.limits import Limits

SHORT = Limits(import_s=3)


@pytest.mark.slow
def test_the_dry_run_is_in_the_sandbox(needs_sandbox: None, tmp_path: Path) -> None:
    """The model sees no host, and its answers pass; the same model without a sandbox sees it."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    answer = f"{GOOD} * (float('nan') if Path({str(secret)!r}).exists() else 1)"
    made = submission(tmp_path, answer=answer)
    (made / "model.py").write_text("from pathlib import Path\n" + (made / "model.py").read_text())
    notes: list[str] = []

    assert rules(found(made, isolation="sandbox", on_note=notes.append)) == {"L37"}  # a hint
    assert "Running the code of acme/net in a sandbox." in notes
    assert "D04" in rules(found(made, isolation="none"))


@pytest.mark.slow
def test_what_hangs_on_import_ends_as_a_finding(needs_sandbox: None, tmp_path: Path) -> None:
    """At the deadline of its phase."""
    made = submission(tmp_path, team="bad")
    (made / "model.py").write_text("while True: pass\n")
    findings = found(tmp_path, isolation="sandbox", limits=SHORT)

    assert [item.rule for item in findings] == ["D06"]
    assert "import" in findings[0].message
    assert "bad/net" in findings[0].path


@pytest.mark.parametrize(
    ("error", "at_start", "in_forward"),
    [
        (WeightsError, "D05", "D05"),
        (OutputError, "D03", "D03"),
        (NonFiniteError, "D04", "D04"),
        (TimeLimitError, "D06", "D06"),
        (LimitError, "D06", "D06"),
        (CrashError, "D06", "D06"),
        (ChannelError, "D06", "D06"),
        (DeviceError, "D06", "D06"),
        (ModelError, "D01", "D02"),
        (SubmissionError, "D01", "D02"),
    ],
)
def test_each_kind_of_failure_breaks_its_rule(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BenchError],
    at_start: str,
    in_forward: str,
) -> None:
    """By its type, and where that does not say it, by when it came."""

    class Session:
        input, notes = InputSpec(img_size=8), ()

        def logits(self, _: object) -> None:
            raise error("x")

    @contextmanager
    def session(*_: object) -> Iterator[Session]:
        if phase == "start":
            raise error("x")
        yield Session()

    made = submission(tmp_path)
    monkeypatch.setattr("bench.check.dry._session", session)
    for phase, rule in (("start", at_start), ("forward", in_forward)):  # noqa: B007 - read by `session`
        assert rules(found(made)) == {rule}


def test_weights_behind_a_link_are_not_downloaded(tmp_path: Path) -> None:
    """Shapes show without them; the note says so."""
    manifest = MANIFEST.replace(
        "[input]", f'weights = "https://weights.example/w.safetensors"\nsha256 = "{"0" * 64}"\n\n[input]'
    )
    made = submission(tmp_path, manifest=manifest)
    checked = check_target(Target("submission", made / "submission.toml"), context(tmp_path))

    assert checked.findings == ()
    assert checked.notes == ("the weights were not loaded, the model was tried with random ones",)


def test_models_of_a_zoo_are_tried_without_weights(tmp_path: Path) -> None:
    """Their code is that of an installed package, so it needs no sandbox; wrong names are faults."""
    head = MANIFEST.partition("[model]")[0].replace("contact", "# contact", 1)
    made = submission(tmp_path, manifest=f'{head}\n[model]\nsource = "timm"\nname = "test_resnet.r160_in1k"\n')
    checked = check_target(Target("submission", made / "submission.toml"), context(tmp_path, isolation="sandbox"))
    assert rules(checked) == {"L04"}
    assert "random ones" in checked.notes[-1]

    (made / "submission.toml").write_text(f'{head}\n[model]\nsource = "timm"\nname = "test_resnet.none"\n')
    assert rules(found(made)) >= {"D01"}


def test_nothing_heavy_is_imported_without_a_run(tmp_path: Path) -> None:
    """A check of many folders starts at once: no torch, no pandas, no scipy."""
    import subprocess
    import sys

    submission(tmp_path)
    code = (
        "import sys; from bench.cli.main import cli\n"
        f"try: cli(['check', {str(tmp_path)!r}, '--no-run'])\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'pandas', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "0 []"


def test_an_unknown_level_is_wrong_usage(tmp_path: Path) -> None:
    """With the levels that there are."""
    done = CliRunner().invoke(cli, ["check", str(submission(tmp_path)), "--isolation", "jail"])

    assert done.exit_code == 2
    assert "sandbox" in done.stderr
