"""The dry run: four images, in the sandbox where there is one, for each kind of model and each way to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from check.made import GOOD, MANIFEST, context, found, rules, safetensors, submission
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
from bench.models.source import LoadedSubmission
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


ZOO = MANIFEST.partition("[model]")[0] + '[model]\nsource = "timm"\nname = "test_resnet"\n'


def _built_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fails where a model is built in this process; returns what other processes are started for."""
    started: list[str] = []

    class Elsewhere:
        @contextmanager
        def start(self, submission: LoadedSubmission, _: object) -> Iterator[object]:
            started.append(str(submission.manifest.model.kwargs))
            raise TimeLimitError("x")
            yield

    def build(*_: object, **__: object) -> None:
        raise ModelError("built in this process")

    monkeypatch.setattr("bench.check.dry.BACKENDS", {"process": Elsewhere, "sandbox": Elsewhere, "local": Elsewhere})
    monkeypatch.setattr("bench.backends.local.build_model", build)
    return started


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("", "here"),
        ("kwargs = { depth = 100000000 }\nWEIGHTS", "elsewhere"),
        ("WEIGHTS", "elsewhere"),
        ("kwargs = { depth = 100000000 }\n", "elsewhere"),
    ],
)
def test_what_strangers_bring_to_a_zoo_is_not_built_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, where: str
) -> None:
    """Arguments of its constructors, which can ask for anything, and weights; a name alone is."""
    content = safetensors({"a": ("F32", [1], [0, 4])}, bytes(4))
    weights = f'weights = "w.safetensors"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
    made = submission(tmp_path, manifest=ZOO + more.replace("WEIGHTS", weights))
    (made / "w.safetensors").write_bytes(content)
    started, notes = _built_here(monkeypatch), []
    target = Target("submission", made / "submission.toml")
    checked = check_target(target, context(tmp_path, isolation="process", on_note=notes.append))

    assert len(started) == (where == "elsewhere")
    assert rules(checked) == {"here": {"D01"}, "elsewhere": {"D06"}}[where]
    assert any("in a process of its own" in note for note in notes) == (where == "elsewhere")
    # who asks for no isolation has it built here
    monkeypatch.setattr("bench.check.dry.BACKENDS", {})
    assert rules(check_target(target, context(tmp_path, isolation="none"))) == {"D01"}


@pytest.mark.slow
def test_a_zoos_model_with_weights_of_a_stranger_answers_in_its_own_process(tmp_path: Path) -> None:
    """As code does; its size by its arguments."""
    import timm
    from safetensors.torch import save_file

    made = submission(tmp_path)
    save_file(timm.create_model("test_resnet", num_classes=1000).state_dict(), made / "w.safetensors")
    sha256 = hashlib.sha256((made / "w.safetensors").read_bytes()).hexdigest()
    own = f'weights = "w.safetensors"\nsha256 = "{sha256}"\nkwargs = {{ num_classes = 1000 }}\n'
    (made / "submission.toml").write_text(ZOO + own + "[claims]\nnum_params = 3\n")
    notes: list[str] = []

    assert rules(found(made, isolation="process", on_note=notes.append)) == {"L06"}
    assert notes == ["Building the model of acme/net in a process of its own, without a sandbox."]


@pytest.mark.slow
def test_arguments_of_a_stranger_for_a_zoos_model_are_tried_in_a_process_with_random_weights(tmp_path: Path) -> None:
    """Nothing is downloaded for it; what does not fit the constructor is found."""
    made = submission(tmp_path, manifest=ZOO + "kwargs = { num_classes = 1000 }\n[claims]\nnum_params = 3\n")
    checked = check_target(Target("submission", made / "submission.toml"), context(tmp_path, isolation="process"))

    assert rules(checked) == {"L06"}
    assert "random ones" in "".join(checked.notes)

    (made / "submission.toml").write_text(ZOO + "kwargs = { num_clases = 1000 }\n")
    (problem,) = found(made, isolation="process")
    assert problem.rule == "D01"
    assert "num_clases" in problem.message


def test_images_that_fill_the_memory_are_not_made(tmp_path: Path) -> None:
    """A manifest cannot ask for any size."""
    made = submission(tmp_path, manifest=MANIFEST.replace("img_size = 16", "img_size = 1000000"))
    (problem,) = found(made, isolation="none")

    assert (problem.rule, problem.key) == ("L01", "input.img_size")
    assert "less than or equal to 4096, found 1000000" in problem.message


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
