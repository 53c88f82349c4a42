"""Hostile submissions, results and pull requests: each ends as a finding, soon, with nothing executed.

The numbers are those of the table of hostile submissions in docs/security.md.
"""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from check.broken import BROKEN
from check.made import (
    GOOD,
    MANIFEST,
    commit,
    context,
    edited,
    found,
    git,
    repository,
    result,
    rules,
    safetensors,
    submission,
    weighted,
)
from click.testing import CliRunner

from bench.check.changes import check_changes
from bench.check.layout import declared_tensors
from bench.check.weights import look_at_weights
from bench.cli.main import cli
from bench.errors import BenchError, UsageError
from bench.models.source import open_submission
from bench.records.names import clean_text

NAMES = json.loads((Path(__file__).parents[1] / "data" / "hostile-names.json").read_text(encoding="utf-8"))
MIB = 1 << 20


@contextmanager
def _bounded(num_bytes: int) -> Iterator[None]:
    """Fails where Python's own memory grows by more than this."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < num_bytes


class _Canary:
    """Its pickle runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def _archive(pickled: bytes, **members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, value in members.items():
            archive.writestr(f"archive/{name}", value)
    return content.getvalue()


# 34: pickles and TorchScript


@pytest.mark.parametrize("form", ["bare", "archive"])
def test_34_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    """Neither the lint nor the loading touches the canary."""
    import pickle

    canary = tmp_path / "canary"
    pickled = pickle.dumps(_Canary(canary))
    made = weighted(tmp_path, pickled if form == "bare" else _archive(pickled), "weights.pt")

    assert rules(found(made)) & {"L20", "L21"}
    with pytest.raises(BenchError):
        _load(made / "weights.pt")
    assert not canary.exists()


def test_34_torchscript_is_refused(tmp_path: Path) -> None:
    """It is code, whatever its name."""
    made = weighted(tmp_path, _archive(b"\x80\x02}.", **{"constants.pkl": b"\x80\x02)."}), "weights.pt")

    assert "L20" in rules(found(made, run_model=False))


def _load(path: Path) -> object:
    from bench.models.weights import read_state

    return read_state(path)


# 35: bombs


def _compressed() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", bytes(40 * MIB))
    return content.getvalue()


def _of_stride_0() -> bytes:
    import torch

    content = io.BytesIO()
    torch.save({"a": torch.zeros(1).expand(10**12)}, content)
    return content.getvalue()


BOMBS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "stride 0": ("weights.pt", "L22", _of_stride_0),
    "deflated": ("weights.pt", "L22", _compressed),
    "header of 2^60": ("weights.safetensors", "L20", lambda: struct.pack("<Q", 1 << 60) + b"{}"),
    "header of the file": ("weights.safetensors", "L20", lambda: struct.pack("<Q", 100) + b"{" + b" " * 99),
    "deep header": ("weights.safetensors", "L20", lambda: struct.pack("<Q", 100_000) + b'{"a":' * 20_000),
    "2^40 elements": ("weights.safetensors", "L22", lambda: safetensors({"a": ("F32", [1 << 40], [0, 4])}, bytes(4))),
    "huge product": (
        "weights.safetensors",
        "L22",
        lambda: safetensors({"a": ("F32", [1 << 40, 1 << 40, 1 << 40], [0, 4])}, bytes(4)),
    ),
    "overlapping": (
        "weights.safetensors",
        "L22",
        lambda: safetensors({"a": ("F32", [2], [0, 8]), "b": ("F32", [2], [4, 12])}, bytes(12)),
    ),
    "beyond the end": ("weights.safetensors", "L20", lambda: safetensors({"a": ("F32", [4], [0, 16])}, bytes(4))),
    "negative": ("weights.safetensors", "L20", lambda: safetensors({"a": ("F32", [-1], [0, 4])}, bytes(4))),
    "pickle of tuples": ("weights.pt", "L20", lambda: _archive(b"\x80\x02)" + b"2\x86" * 60 + b".")),
    "pickle without end": ("weights.pt", "L21", lambda: _archive(b"\x80\x02(")),
    "pickle of lists": ("weights.pt", "L20", lambda: _archive(b"\x80\x02" + b"(" * 10_000 + b"l" * 10_000 + b".")),
    "members": ("weights.pt", "L20", lambda: _end_of_zip(1 << 40)),
    "nothing": ("weights.pt", "L20", lambda: b"PK\x05\x06" + bytes(18)),
}


def _end_of_zip(count: int) -> bytes:
    """The end of a zip file that announces this many members."""
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, count * 46, 4)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 4, 1)
    return b"PK\x03\x04" + record + locator + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 0, 0, 0)


@pytest.mark.parametrize("bomb", BOMBS)
def test_35_bombs_are_refused_by_their_headers(tmp_path: Path, bomb: str) -> None:
    """With no more memory than the file has, and never by loading them."""
    name, rule, content = BOMBS[bomb]
    path = tmp_path / name
    path.write_bytes(content())
    with _bounded(path.stat().st_size + 24 * MIB):
        findings = list(look_at_weights(path))

    assert rules(findings) in ({rule}, {"L21"} if bomb.startswith("pickle") else {rule})


def test_35_headers_agree_with_the_libraries(tmp_path: Path) -> None:
    """What torch and safetensors write passes, with the very tensors that it holds; a bit of NaN is found in each."""
    import torch
    from safetensors.torch import save_file

    state = {
        "weight": torch.randn(3, 5).t(),
        "half": torch.randn(4).half(),
        "brain": torch.randn(4).bfloat16(),
        "counter": torch.tensor(3),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
    }
    torch.save(state, tmp_path / "a.pt")
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "b.pt")
    torch.save({"tied": state["weight"], "same": state["weight"]}, tmp_path / "c.pt")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "a.safetensors")

    for name in ("a.pt", "b.pt", "c.pt", "a.safetensors"):
        assert list(look_at_weights(tmp_path / name)) == []
    assert {span.name for span in declared_tensors(tmp_path / "a.pt")} == set(state)
    assert {span.name for span in declared_tensors(tmp_path / "a.safetensors")} == set(state)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        torch.save({"x": torch.tensor([1, float("inf")], dtype=dtype)}, tmp_path / "x.pt")
        assert rules(list(look_at_weights(tmp_path / "x.pt"))) == {"L23"}


# 36: trees


def _link(made: Path) -> None:
    (made / "labels").symlink_to("/etc/passwd")


def _link_to_folder(made: Path) -> None:
    (made / "more").symlink_to("/etc", target_is_directory=True)


def _hard_link(made: Path) -> None:
    (made.parent.parent / "labels.txt").write_text("490\n")
    (made / "labels.txt").hardlink_to(made.parent.parent / "labels.txt")


def _pipe(made: Path) -> None:
    os.mkfifo(made / "pipe.py")


def _device(made: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("making a device needs root")
    os.mknod(made / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))


def _manifest_pipe(made: Path) -> None:
    (made / "submission.toml").unlink()
    os.mkfifo(made / "submission.toml")


def _manifest_link(made: Path) -> None:
    (made / "submission.toml").rename(made.parent.parent / "elsewhere.toml")
    (made / "submission.toml").symlink_to(made.parent.parent / "elsewhere.toml")


def _case(made: Path) -> None:
    (made / "Model.py").write_text("x = 1\n")


def _loop(made: Path) -> None:
    (made / "loop").symlink_to(".")


def _strange_name(made: Path) -> None:
    (made / "a\n::error::b\x1b[31m.py").write_text("x = 1\n")


TREES = [
    _link, _link_to_folder, _hard_link, _pipe, _device, _manifest_pipe, _manifest_link, _case, _loop, _strange_name
]  # fmt: skip


@pytest.mark.parametrize("change", TREES, ids=lambda change: change.__name__.strip("_"))
def test_36_what_leads_out_of_the_folder_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Nothing is followed, opened or waited for, and the model is not run."""
    made = submission(tmp_path, answer="1 / 0")
    change(made)
    findings = found(made)

    assert "L10" in rules(findings)
    assert not rules(findings) & {"D01", "D02"}


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/passwd", "a/../../b"])
@pytest.mark.parametrize("key", ["weights", "file"])
def test_36_paths_that_leave_the_folder_are_refused(tmp_path: Path, key: str, name: str) -> None:
    """In the manifest."""
    old = 'file = "model.py"\n'
    new = f'{key} = "{name}"\n' if key == "file" else f'{old}{key} = "{name}"\n'
    made = submission(tmp_path, manifest=MANIFEST.replace(old, new))

    assert "L10" in rules(found(made, run_model=False))


def test_36_a_million_files_are_counted_no_further_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk stops; the rest is never listed."""
    made, listed = submission(tmp_path), []
    real = os.scandir

    class Endless:
        def __init__(self, path: Any) -> None:
            self.entries = list(real(path))

        def __enter__(self) -> None:
            pass

        def __iter__(self) -> Iterator[Any]:
            while True:  # a folder without end
                listed.append(1)
                yield self.entries[0]

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("bench.check.tree.os", SimpleNamespace(scandir=Endless))
    findings = found(made, run_model=False)

    assert "L11" in rules(findings)
    assert len(listed) <= 10_001


def test_36_more_code_than_anybody_reads_is_not_parsed(tmp_path: Path) -> None:
    """Ten thousand large files would take hours."""
    made = submission(tmp_path)
    for number in range(20):
        with (made / f"m{number:02}.py").open("wb") as stream:
            stream.truncate(2 * MIB)  # sparse: zeros are no code
    findings = found(made, run_model=False)

    assert "L11" in rules(findings)
    assert len([item for item in findings if item.rule == "L39"]) < 20


@pytest.mark.parametrize(
    "name", ["20260801T101500Z-000000000000.json", "ledger.jsonl", "challenge.toml", "b.toml", "a/submission.toml"]
)
def test_36_no_pipe_is_waited_for(tmp_path: Path, name: str) -> None:
    """Wherever it lies among what is checked."""
    made = submission(tmp_path)
    (tmp_path / "acme" / "a").mkdir()
    os.mkfifo(tmp_path / "acme" / name)
    findings = found(tmp_path, run_model=False)

    assert rules(findings) <= {"R01", "C01", "C02", "L10"}
    assert bool(findings) == (name != "b.toml")  # nobody knows what it would be
    assert found(made, run_model=False) == []


@pytest.mark.skipif(os.getuid() != 0, reason="dropping the uid needs root")
def test_36_a_folder_that_cannot_be_listed_is_no_empty_folder(tmp_path: Path) -> None:
    """Nothing checked must not look like nothing wrong."""
    import subprocess
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as base:  # pytest's own folders are closed to other users
        Path(base).chmod(0o755)
        submission(Path(base))
        (Path(base) / "closed").mkdir(mode=0)
        code = (
            "import os; from pathlib import Path; from bench.check.targets import targets_below\n"
            "from bench.errors import StoreError\nos.setuid(65534)\n"
            f"try: print(targets_below(Path({base!r})))\nexcept StoreError as error: print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "closed: cannot be read (Permission denied)" in done.stdout


# 37: names


@pytest.mark.parametrize("name", ["Acme", "a b", "-rf", ".hidden", "a\nb", "\u202eemca", "a" * 81, "x;id", "$(id)"])
def test_37_folder_names_are_plain(tmp_path: Path, name: str) -> None:
    """A path, a line, a direction or a command in a name is refused."""
    assert "L02" in rules(found(submission(tmp_path, team=name), run_model=False))


@pytest.mark.parametrize(
    ("team", "title"),
    [
        ("acrne", "Other"),
        ("acm3", "A\u0441me"),
        ("other", "Acme"),
        ("other", "\uff21cme"),
        ("other", "\u0410\u0421\u041c\u0415"),
    ],
)
def test_37_a_name_like_another_teams_is_refused(tmp_path: Path, team: str, title: str) -> None:
    """By its letters, by another script, by another width; in the folder's name or the title."""
    submission(tmp_path, manifest=MANIFEST.replace("contact", 'team_title = "Acme"\ncontact'))
    made = submission(tmp_path, team=team, manifest=MANIFEST.replace("contact", f'team_title = "{title}"\ncontact'))

    assert "L02" in rules(found(made, run_model=False))
    assert "L02" not in rules(found(submission(tmp_path / "alone", team=team), run_model=False))


# 38: text


@pytest.mark.parametrize("case", NAMES, ids=lambda case: ascii(case["name"])[:30])
@pytest.mark.parametrize("form", ["text", "json", "junit", "github", "sarif"])
def test_38_hostile_titles_are_inert_in_every_format(tmp_path: Path, case: dict[str, Any], form: str) -> None:
    """What is refused exits 1, what is not exits 0; nothing invisible, no command and no tag comes out."""
    made = submission(tmp_path, manifest=MANIFEST.replace("A small network", _toml(case["name"])))
    done = CliRunner().invoke(cli, ["check", str(made), "--no-run", "--format", form])

    assert done.exit_code == (0 if case["accept"] else 1), done.output
    _is_inert(done.stdout, form)


HOSTILE = "\x1b[31mred\x07 \u202egnp ::error::x ##[error]y <script> %0A::set-output name=a::b @team"


@pytest.mark.parametrize("form", ["text", "json", "junit", "github", "sarif"])
def test_38_hostile_names_and_keys_are_inert_in_every_format(tmp_path: Path, form: str) -> None:
    """In file names, in keys, in values, and in what the model raises."""
    made = submission(tmp_path, answer=f"(_ for _ in ()).throw(ValueError({HOSTILE!r} + chr(10) + '::error::z'))")
    (made / f"{HOSTILE.replace('/', '')}\n::error::w.so").write_bytes(b"\x7fELF")
    done = CliRunner().invoke(cli, ["check", str(made), "--format", form, "--isolation", "none"])
    assert done.exit_code == 1
    _is_inert(done.stdout, form)

    for path in made.glob("*.so"):
        path.unlink()
    done = CliRunner().invoke(cli, ["check", str(made), "--format", form, "--isolation", "none"])
    assert "D02" in done.stdout
    _is_inert(done.stdout, form)

    manifest = MANIFEST + f'\n[claims]\n"{_toml(HOSTILE)}" = "{_toml(HOSTILE)}"\n'
    (made / "submission.toml").write_text(manifest, encoding="utf-8")
    done = CliRunner().invoke(cli, ["check", str(made), "--format", form, "--no-run"])
    assert done.exit_code == 1
    _is_inert(done.stdout, form)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _is_inert(printed: str, form: str) -> None:
    import unicodedata
    from xml.etree import ElementTree as ET

    invisible = {ascii(char) for char in printed if unicodedata.category(char) in {"Cc", "Cf", "Zl"} and char != "\n"}
    assert not invisible
    lines = printed.splitlines()
    if form == "github":
        assert all(line.startswith(("::error file=", "::warning file=", "::notice file=")) for line in lines)
        assert all(line.count("::") == 2 for line in lines)
    elif form == "text":
        assert not [line for line in lines if "::" in line or "##[" in line]
    elif form == "junit":
        root = ET.fromstring(printed)  # noqa: S314 - our own
        assert {element.tag for element in root.iter()} <= {"testsuite", "testcase", "failure", "system-out"}
    else:
        assert json.loads(printed)
        assert printed.isascii()


# 39: manifests


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST + "format_version = 1\n",
        MANIFEST.replace("[input]", 'title = "x"\n[input]'),
        MANIFEST.replace('title = "A small network"', 'title = "A small network"\ntitle = "B"'),
        MANIFEST + "[input]\n",
        MANIFEST.replace("img_size = 16", f"img_size = {'[' * 100_000}"),
        MANIFEST.replace("img_size = 16", f"img_size = {'9' * 10_000}"),
        MANIFEST.replace("img_size = 16", "crop_pct = nan"),
        MANIFEST.replace("img_size = 16", "mean = [inf, 0.5, 0.5]"),
        MANIFEST.replace('"build_model"', '"build_model"\nkwargs = { a = nan }'),
        MANIFEST.replace('"build_model"', f'"build_model"\nkwargs = {"{ a = " * 400}1{" }" * 400}'),
        MANIFEST.replace('"model.py"', "!!python/object/apply:os.system [id]"),
        "\ufeff\ufeff",
        "",
    ],
    ids=range(13),
)
def test_39_strange_manifests_are_refused(tmp_path: Path, text: str) -> None:
    """Doubled and unknown keys, nesting, numbers, tags, nothing: a finding, not a traceback."""
    made = submission(tmp_path, manifest=text)

    assert rules(found(made, run_model=False)) & {"L01", "L40"}
    with pytest.raises(BenchError):
        open_submission(str(made))


@pytest.mark.parametrize("name", ["mod\\u0000el.py", "mod\\u001bel.py", "model\\u202eyp.py", "a" * 5000])
@pytest.mark.parametrize("key", ["file", "factory", "weights"])
def test_39_names_that_no_file_can_have_end_no_other_check(tmp_path: Path, key: str, name: str) -> None:
    """A NUL was a traceback that ended the whole command; what comes after is checked."""
    lines = {"file": "model.py", "factory": "build_model"} | {key: name}
    own = 'file = "model.py"\nfactory = "build_model"\n'
    assert own in MANIFEST
    manifest = MANIFEST.replace(own, "".join(f'{key} = "{text}"\n' for key, text in lines.items()))
    made = submission(tmp_path, team="wide", manifest=manifest)
    good = submission(tmp_path, team="fair")
    done = CliRunner().invoke(cli, ["check", str(made), str(good), "--no-run"])

    assert "fair/net" in done.stdout
    assert isinstance(done.exception, SystemExit | None)
    if (key, name[0]) != ("factory", "a"):
        assert done.exit_code == 1
        assert ("L01" if name[0] == "a" else "L40") in done.stdout
        assert f"model.{key}" in done.stdout
        with pytest.raises(BenchError):
            open_submission(str(made))


def test_39_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """UTF-16, say."""
    made = submission(tmp_path)
    (made / "submission.toml").write_bytes(MANIFEST.encode("utf-16"))

    assert "L01" in rules(found(made, run_model=False))


def test_39_a_manifest_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    """Its size says enough."""
    made = submission(tmp_path)
    with (made / "submission.toml").open("r+b") as stream:
        stream.truncate(1 << 30)  # sparse
    with _bounded(50 * MIB):
        findings = found(made, run_model=False)

    assert "L01" in rules(findings)


# 40: declarations


def test_40_false_declarations_are_found(tmp_path: Path) -> None:
    """Digest, number of parameters, precision; what cannot be known is marked as a declared mismatch in results."""
    for number, (rule, more) in enumerate(
        [("L03", f'sha256 = "{"0" * 64}"\n[input]'), ("L01", '[claims]\nprecision = "fp1"\n[input]')]
    ):
        made = submission(tmp_path / str(number), manifest=MANIFEST.replace("[input]", more))
        assert rule in rules(found(made, run_model=False))
    assert BROKEN["L06"](tmp_path / "6")
    assert BROKEN["R09"](tmp_path / "9")


# 41: what is hashed is what is read


def test_41_a_file_that_is_changed_after_its_digest_is_found(tmp_path: Path) -> None:
    """In the folder; that the runner uses a copy is tested with the sandbox."""
    content = safetensors({"layer.weight": ("F32", [1], [0, 4])}, bytes(4))
    made = weighted(tmp_path, content)
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    manifest = (made / "submission.toml").read_text().replace("[input]", f'sha256 = "{digest}"\n\n[input]')
    (made / "submission.toml").write_text(manifest)
    assert "L03" not in rules(found(made, run_model=False))

    (made / "weights.safetensors").write_bytes(content[:-1] + b"\x01")
    assert "L03" in rules(found(made, run_model=False))


# 44: records


def _swap_predictions(path: Path) -> None:
    other = result(path.parents[5] / "other", num_samples=50)
    record = json.loads(other.read_text())
    reference = json.loads(path.read_text())["predictions"]["sha256"]
    folder = path.parents[4] / "predictions"
    (folder / f"{reference}.parquet").write_bytes(
        (other.parents[4] / "predictions" / f"{record['predictions']['sha256']}.parquet").read_bytes()
    )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda path: path.write_text(path.read_text().replace("0.", "0.9", 1)), "R02"),
        (lambda path: path.write_text(path.read_text().replace("self-reported", "verified")), "R02"),
        (lambda path: edited(path, status="verified"), "R10"),
        (_swap_predictions, "P01"),
        (lambda path: path.with_suffix(".bits").write_bytes(b"abc"), "R04"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "R01"),
        (lambda path: path.write_text("[" * 100_000), "R01"),
        (lambda path: path.write_text('{"format_version": ' + "9" * 5_000 + "}"), "R01"),
    ],
)
def test_44_edited_records_are_found_and_named(tmp_path: Path, change: Callable[[Path], object], rule: str) -> None:
    """By hand, and by somebody who writes a fitting run id."""
    change(result(tmp_path / "store"))
    done = CliRunner().invoke(cli, ["check", str(tmp_path / "store" / "results")])

    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if f" {rule} error: " in line][:1]
    assert str(tmp_path / "store") in line


# 48: pull requests


def _brings(made: Path) -> str:
    submission(made / "submissions", team="second")
    return commit(made, 'A change "; touch owned; $(touch owned) ${{ secrets.X }}\n\n::error::x')


@pytest.mark.parametrize(
    "path",
    [".github/workflows/ci.yml", "leaderboards/results/x.json", "submissions/first/net/model.py", "waivers.toml"],
)
def test_48_a_pull_request_touches_its_own_folder_only(tmp_path: Path, path: str) -> None:
    """Not workflows, results, waivers or another team's submission; nothing of it is run."""
    made = repository(tmp_path / "repository")
    other = made / path
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("raise SystemExit\n")
    _brings(made)
    checked = check_changes("main~1..main", context(tmp_path), repository=made)

    assert "G01" in {item.rule for item in checked[0].findings}
    assert len(checked) == 1


def test_48_names_of_commits_and_branches_reach_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch may be called anything that git allows, and a range may hold anything."""
    made = repository(tmp_path / "repository")
    branch = "x;touch${IFS}owned;$(touch${IFS}owned)"
    git(made, "switch", "-qc", branch)
    _brings(made)
    monkeypatch.chdir(made)
    done = CliRunner().invoke(cli, ["check", "--changed-by", f"main..{branch}", "--no-run"])

    assert done.exit_code == 0, done.output
    for text in ("--output=owned..main", "main..--help", "main", "main..none", "..", "$(touch owned)..main"):
        assert CliRunner().invoke(cli, ["check", "--changed-by", text]).exit_code == 2
    assert not list(tmp_path.rglob("owned"))


def test_48_links_and_submodules_are_never_written(tmp_path: Path) -> None:
    """They are read as what they are, from git's objects."""
    made = repository(tmp_path / "repository")
    folder = submission(made / "submissions", team="second")
    (folder / "labels").symlink_to("/etc/passwd")
    git(made, "add", "-A")
    git(made, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},submissions/second/net/module")
    git(made, "commit", "-qm", "A change")
    (about,) = check_changes("main~1..main", context(tmp_path), repository=made, export=tmp_path / "out")

    assert sorted(Path(item.path).name for item in about.findings if item.rule == "G02") == sorted(
        ["labels", "module"] * 2
    )
    assert not (tmp_path / "out").exists()


def test_48_the_export_is_the_commit_and_not_the_working_tree(tmp_path: Path) -> None:
    """A push after the approval, or a file beside it, changes nothing."""
    made = repository(tmp_path / "repository")
    approved = _brings(made)
    (made / "submissions" / "second" / "net" / "model.py").write_text("raise SystemExit\n")
    commit(made, "A push")
    (made / "submissions" / "second" / "net" / "beside.py").write_text("raise SystemExit\n")
    out = tmp_path / "out"
    checked = check_changes(f"main~2..{approved}", context(tmp_path), repository=made, export=out)

    assert not [item for each in checked for item in each.findings]
    assert (out / "second" / "net" / "model.py").read_text().endswith("return Network()\n")
    assert sorted(path.name for path in out.rglob("*.*")) == ["model.py", "submission.toml"]


def test_48_nothing_is_exported_that_has_a_fault_or_over_what_is_there(tmp_path: Path) -> None:
    """A folder of the maintainer's stays as it is."""
    made = repository(tmp_path / "repository")
    submission(made / "submissions", team="second", answer="(")
    commit(made)
    out = tmp_path / "out"
    checked = check_changes("main~1..main", context(tmp_path), repository=made, export=out)
    assert rules(checked[1]) == {"L39"}
    assert not out.exists()

    (out / "own").mkdir(parents=True)
    with pytest.raises(UsageError, match="is not empty"):
        check_changes("main~1..main", context(tmp_path), repository=made, export=out)


def test_48_a_known_teams_name_cannot_be_borrowed(tmp_path: Path) -> None:
    """The names of the base commit's teams count, though nothing is checked out."""
    made = repository(tmp_path / "repository")
    submission(made / "submissions", team="f1rst")
    commit(made)
    _, checked = check_changes("main~1..main", context(tmp_path, run_model=False), repository=made)

    assert rules(checked) == {"L02"}


def test_48_a_pull_request_without_a_submission_is_left_to_people(tmp_path: Path) -> None:
    """There is nothing to check."""
    made = repository(tmp_path / "repository")
    (made / "README.md").write_text("x\n")
    commit(made)
    (about,) = check_changes("main~1..main", context(tmp_path), repository=made)

    assert (about.findings, about.notes) == ((), ("no submission is changed",))


def test_names_that_are_accepted_are_those_of_the_records() -> None:
    """The list of names means the same to the check and to the records."""
    for case in NAMES:
        try:
            clean_text(case["name"])
        except ValueError:
            assert not case["accept"]
        else:
            assert case["accept"]
    assert GOOD
