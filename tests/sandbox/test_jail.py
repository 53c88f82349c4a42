"""What a jail shows and hides, and how the failures of its child read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench.backends.base import RunSpec
from bench.errors import ChannelError, DeviceError, IsolationError, SubmissionError, WeightsError
from bench.models.source import open_submission
from bench.sandbox.bubblewrap import Bind
from bench.sandbox.jail import Jail, _covered, jail_of

MakeSubmission = Callable[..., Path]


@pytest.fixture
def folder(make_submission: MakeSubmission) -> Path:
    """A submission's folder."""
    return make_submission()


@pytest.fixture
def jail(needs_sandbox: None, folder: Path, tmp_path: Path) -> Jail:
    """The jail of a submission, without its child."""
    work = tmp_path / "work"
    work.mkdir()
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path / "cache")
    return jail_of("sandbox", open_submission(str(folder)), spec, work)


def test_data_inside_what_is_shown_are_covered(tmp_path: Path) -> None:
    """A dataset below the folder of the interpreter, say; the rest is not there anyway."""
    inside, outside = tmp_path / "prefix" / "data", tmp_path / "elsewhere"
    inside.mkdir(parents=True)
    outside.mkdir()
    binds = [Bind(str(tmp_path / "prefix"), "/shown")]

    assert _covered((inside, outside, inside, tmp_path / "missing"), binds, ()) == ("/shown/data",)


def test_of_nested_folders_the_outermost_is_covered(tmp_path: Path) -> None:
    """What is covered holds no place any more on which anything could be mounted."""
    inside = tmp_path / "prefix" / "share" / "data"
    inside.mkdir(parents=True)
    binds = [Bind(str(tmp_path / "prefix"), "/shown")]

    assert _covered((inside, inside.parent, inside), binds, ()) == ("/shown/share",)


def test_beside_a_file_everything_is_covered(tmp_path: Path) -> None:
    """A dataset may be a tar, with the ground truth in the same folder."""
    tar = tmp_path / "prefix" / "data" / "ILSVRC2012_img_val.tar"
    tar.parent.mkdir(parents=True)
    tar.touch()

    assert _covered((tar,), [Bind(str(tmp_path / "prefix"), "/shown")], ()) == ("/shown/data",)


def test_what_cannot_be_covered_is_refused(tmp_path: Path) -> None:
    """The folder of the interpreter itself, say: without a cover the labels would show, with it nothing runs."""
    prefix = tmp_path / "prefix"
    (prefix / "local" / "bin").mkdir(parents=True)
    binds = [Bind(str(prefix), "/shown")]

    with pytest.raises(IsolationError, match="move what lies there"):
        _covered((prefix,), binds, ())
    with pytest.raises(IsolationError, match="needs /shown/local/bin/python3"):
        _covered((prefix / "local",), binds, ("/shown/local/bin/python3",))
    assert _covered((prefix / "local",), binds, ("/elsewhere/bin/python3",)) == ("/shown/local",)


def test_the_repository_is_not_shown(jail: Jail) -> None:
    """Of the package's repository only the package: results and tests lie beside it."""
    repository = Path(__file__).resolve().parents[2]

    sources = [Path(bind.source) for bind in jail.confinement.binds]

    assert Path(bench.__file__).resolve().parent in sources
    assert repository not in sources
    assert not [path for path in sources if repository.is_relative_to(path)]


def test_a_childs_failure_names_the_users_file(jail: Jail, folder: Path) -> None:
    """Its own paths mean nothing outside."""
    told = {"kind": "WeightsError", "message": "is bad\n  in /submission/x", "path": "/submission/w.bin", "key": None}

    error = jail.failure(told)

    assert isinstance(error, WeightsError)
    assert str(error) == f"{folder}/w.bin: is bad\n  in {folder}/x"


def test_a_childs_failure_names_the_manifest_once(jail: Jail, folder: Path) -> None:
    """Only whole components of a path are replaced: `submission.toml` is a file, and other folders end in the name."""
    told = {
        "kind": "RecordError",
        "message": "see '/submission/submission.toml', /submission and /tmp/submission, /submissions or /submission.x",
        "path": "/submission/submission.toml",
    }

    error = jail.failure(told)

    assert error.path == f"{folder}/submission.toml"
    assert error.message == (
        f"see '{folder}/submission.toml', {folder} and /tmp/submission, /submissions or /submission.x"
    )


def test_a_childs_failure_is_harmless(jail: Jail) -> None:
    """No escape reaches the terminal or a page, and no class that is not a failure of a submission."""
    error = jail.failure({"kind": "ModelError", "message": "\x1b]0;owned\x07\u202e" + "x" * 9_000, "path": 7})

    assert isinstance(error, SubmissionError)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 1_000
    assert isinstance(jail.failure({"kind": "DeviceError", "message": "full"}), DeviceError)
    assert isinstance(jail.failure({"kind": "StoreError"}), SubmissionError)
    for kind in ("SystemExit", "__builtins__", None, ["BenchError"]):
        assert isinstance(jail.failure({"kind": kind}), ChannelError)


def test_a_layer_that_does_not_hold_ends_the_run(jail: Jail) -> None:
    """Before the submission's code is imported."""
    good = {"uid": 65534, "capabilities": 0, "num_processes": 2, "seccomp": 2}
    jail.check_seen(good)

    for name, value in {"uid": 0, "capabilities": 1, "num_processes": 90, "seccomp": 0}.items():
        with pytest.raises(IsolationError, match=f"does not hold: {name}"):
            jail.check_seen(good | {name: value})
