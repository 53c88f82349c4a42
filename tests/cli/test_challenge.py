"""`bench keys`, `submit`, `challenge`, `ledger` and `retract`: the story of a small challenge."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.classes import class_table

WNIDS = class_table("shapes6").wnids
PROTOCOL = """
format_version = 1
id = "small"
kind = "evaluate"
title = "Small pictures"
division = "closed"
dataset = { name = "shapes6", split = "val", num_samples = 12 }
geometry = { resize = 36, crop = 32 }
precision = {}
views = {}
metrics = { rank_by = "top1", report = ["top1", "top5"] }
"""


def bench(*arguments: str | Path) -> Result:
    """Runs a command."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def done(*arguments: str | Path) -> Result:
    """Runs a command that must succeed."""
    result = bench(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with keys and data of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def write_images(folder: Path) -> dict[str, str]:
    """Twelve pictures without their classes; the classes by sample id."""
    from PIL import Image

    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(12):
        image = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((50, 40))
        image.save(folder / f"image_{number:02d}.JPEG", format="JPEG")
    return {f"image_{number:02d}": WNIDS[number % 6] for number in range(12)}


def write_answers(folder: Path, labels: dict[str, str], right: int) -> None:
    """A submission of answers, so many of which are right."""
    folder.mkdir(parents=True)
    with (folder / "answers.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["ImageId", "PredictionString"])
        for number, (sample_id, wnid) in enumerate(labels.items()):
            rows.writerow([sample_id, wnid if number < right else WNIDS[(WNIDS.index(wnid) + 1) % 6]])
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Net"\n[model]\nsource = "predictions"\nfile = "answers.csv"\n'
        '[outputs]\nclasses = "shapes6"\n'
    )


@pytest.fixture
def opened(here: Path) -> dict[str, str]:
    """A challenge that is open, with sealed labels and a team; the labels."""
    labels = write_images(here / "hidden" / "test")
    (here / "small.toml").write_text(PROTOCOL)
    done("keys", "new", "evaluator")
    team = done("keys", "new", "acme").stdout.strip()
    # fmt: off
    done("challenge", "new", "demo", "--evaluator", "E. Valuator", "--key", "evaluator", "--protocol", "small.toml",
         "--num-samples", "12")
    # fmt: on
    rules = here / "challenges" / "demo" / "challenge.toml"
    with (here / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["sample_id", "wnid"], *labels.items()])
    sealed = done("challenge", "seal", "demo", "test", "--csv", "labels.csv").stdout.strip()
    text = rules.read_text().replace(f'sha256 = "{"0" * 64}"', sealed)
    text = text.replace("start = 20", "start = 2020-01-01T00:00:00Z # 20")
    team_lines = f'\n[[teams]]\nteam = "acme"\nkey = "{team}"\naccounts = ["ann", "bob"]\n'
    rules.write_text(text + team_lines)
    return labels


def archive_of(name: str, labels: dict[str, str], right: int) -> str:
    """Packs a submission for the test phase."""
    write_answers(Path("submissions/acme", name), labels, right)
    packed = done("submit", f"submissions/acme/{name}", "--challenge", "demo", "--phase", "test", "--account", "ann")
    return packed.stdout.strip()


def test_story_of_a_challenge(here: Path, opened: dict[str, str]) -> None:
    """Keys, rules, labels, archives, evaluation, ledger, withdrawal and boards, in the order of the documentation."""
    archives = [archive_of(f"net{number}", opened, 5 + number) for number in range(3)]

    ran = bench("challenge", "run", "demo", *archives, "--data", "hidden")
    assert ran.exit_code == 1  # the third is over the quota
    assert [line.split("\t")[2:4] for line in ran.stdout.splitlines()[1:]] == [
        ["score", "ok"],
        ["score", "ok"],
        ["reject", "over_quota"],
    ]
    shown = done("challenge", "show", "demo", "--team", "acme").stdout
    assert "2 of 2 in 168 h" in shown
    assert "5 entries, 5 signed, held against 3 heads" in done("ledger", "verify", "demo").stdout

    scored = next((here / "leaderboards" / "results" / "demo-test" / "acme" / "net0").glob("*.json"))
    done("retract", scored.stem, "--reason", "wrong weights", "--by", "Acme")
    entries = json.loads(done("ledger", "show", "demo", "--json").stdout)
    assert [entry["action"] for entry in entries] == ["reserve", "score", "reserve", "score", "reject", "retract"]
    assert (entries[-1]["run"], entries[-1]["reason"]) == (scored.stem, "wrong weights")

    done("challenge", "waive", "demo", archives[2], "--reason", "the server was down")
    assert "score" in done("challenge", "run", "demo", archives[2], "--data", "hidden").stdout
    done("challenge", "penalty", "demo", "--team", "acme", "--until", "2099-01-01T00:00:00Z", "--reason", "spam")
    assert "10 entries, 10 signed" in done("ledger", "verify", "demo").stdout


def test_boards_of_a_challenge_show_all_of_it(
    here: Path, opened: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board of the hidden phase ranks what the ledger accounts for, and lists the rest with its reason."""
    archives = [archive_of(f"net{number}", opened, 5 + number) for number in range(3)]
    bench("challenge", "run", "demo", *archives, "--data", "hidden")
    monkeypatch.setenv("BENCH_PROTOCOLS", "challenges/demo")

    done("publish")

    page = (here / "leaderboards" / "site" / "boards" / "demo-test.html").read_text()
    assert "over-quota: 2 of 2 scored submissions of acme" in page
    board = json.loads((here / "leaderboards" / "site" / "boards" / "demo-test.json").read_text())
    assert [row["rank"] for row in board["rows"]] == [1, 2, None]


def test_boards_that_do_not_fit_are_warned_of(here: Path, opened: dict[str, str]) -> None:
    """A board that is missing, shows another protocol, or ranks runs of no challenge."""
    boards = here / "leaderboards" / "boards"
    assert "Warning" not in done("challenge", "show", "demo").output
    text = (boards / "demo-test.toml").read_text()
    (boards / "demo-development.toml").unlink()
    (boards / "demo-test.toml").write_text(text.replace('challenge = "demo"\n', ""))
    shown = done("challenge", "show", "demo").output
    assert "there is no such board" in shown
    assert 'write challenge = "demo"' in shown
    (boards / "demo-test.toml").write_text(text.replace('protocol = "demo-test"', 'protocol = "small"'))
    assert "the track's is 'demo-test'" in done("challenge", "show", "demo").output


def test_stuck_evaluations_are_swept(here: Path, opened: dict[str, str]) -> None:
    """`bench challenge sweep` refunds what nobody works on, and says so; a second time there is nothing to do."""
    from datetime import UTC, datetime, timedelta

    from bench.challenge.loaded import load_challenge
    from bench.challenge.quota import Request
    from bench.challenge.reservations import reserve

    loaded = load_challenge("demo")
    ledger = loaded.ledger()
    ledger.clock = lambda: datetime.now(UTC) - timedelta(hours=1)
    request = Request(
        team="acme", account="ann", name="net", phase="test", division="closed", submission="1" * 64, protocol="2" * 64
    )
    assert reserve(ledger, loaded.rules, request).is_granted

    assert "acme/net is refunded, no sign of life since" in done("challenge", "sweep", "demo").stdout
    assert done("challenge", "sweep", "demo").stdout == ""


def test_verify_names_what_was_changed(here: Path, opened: dict[str, str]) -> None:
    """Exit code 1 and the file at fault."""
    done("challenge", "run", "demo", archive_of("net", opened, 5), "--data", "hidden")
    head = done("ledger", "verify", "demo").stdout.split("head ")[1].strip()
    ledger = here / "challenges" / "demo" / "ledger.jsonl"
    content = ledger.read_bytes()

    ledger.write_bytes(content.replace(b'"acme"', b'"bcme"', 1))
    broken = bench("ledger", "verify", "demo")
    assert (broken.exit_code, "line 1 was changed" in broken.stdout) == (1, True)
    assert bench("ledger", "show", "demo").exit_code == 1

    ledger.write_bytes(content.splitlines(keepends=True)[0])
    shutil.rmtree(here / "leaderboards" / "results")
    cut = bench("ledger", "verify", "demo", "--head", head)
    assert (cut.exit_code, "its end was cut off" in cut.stdout) == (1, True)
    assert bench("ledger", "verify", "demo", "--head", "2").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["keys", "show", "nobody"], 1, "bench keys new nobody"),
        (["keys", "new", "A B"], 2, "is no name for a key"),
        (["submit", "submissions/acme/net", "--challenge", "dema"], 2, "did you mean demo"),
        (["submit", "submissions/acme/net", "--challenge", "demo"], 2, "several phases are open now"),
        (["submit", "submissions/acme/net", "--challenge", "demo", "--phase", "final"], 2, "name yours with --account"),
        (
            ["submit", "submissions/acme/net", "--challenge", "demo", "--phase", "final", "--account", "ann"],
            1,
            "has no phase 'final'",
        ),
        (
            ["submit", "submissions/bell/net", "--challenge", "demo", "--phase", "test", "--account", "ann"],
            1,
            "does not take part",
        ),
        (["challenge", "penalty", "demo", "--team", "acme", "--reason", "x"], 2, "--team together with --until"),
        (
            ["challenge", "penalty", "demo", "--team", "acme", "--until", "2027-01-01", "--reason", "x"],
            2,
            "no time with a zone",
        ),
        (["challenge", "seal", "demo", "other", "--csv", "labels.csv"], 1, "has no labels 'other'"),
        (["ledger", "show", "nothing"], 2, "there is no challenge 'nothing'"),
    ],
)
def test_mistakes_are_said_and_nothing_is_written(
    here: Path, opened: dict[str, str], arguments: list[str], exit_code: int, message: str
) -> None:
    """No traceback, and the ledger is as it was."""
    write_answers(here / "submissions" / "acme" / "net", opened, 5)
    write_answers(here / "submissions" / "bell" / "net", opened, 5)

    result = bench(*arguments)

    assert (result.exit_code, message in result.output) == (exit_code, True), result.output
    assert not (here / "challenges" / "demo" / "ledger.jsonl").exists()


def test_hidden_protocols_are_not_evaluated_directly(here: Path, opened: dict[str, str]) -> None:
    """`bench evaluate` says who does."""
    write_answers(here / "submissions" / "acme" / "net", opened, 5)
    result = bench(
        "evaluate", "submissions/acme/net", "--protocol", "challenges/demo/demo-test.toml", "--data", "hidden"
    )
    assert (result.exit_code, "its challenge evaluates" in result.output) == (2, True), result.output


def test_evaluators_work_only_with_their_own_key(
    here: Path, opened: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team that tries to evaluate itself hears whose work that is."""
    archive = archive_of("net", opened, 5)
    (here / "config" / "ilsvrc-bench" / "keys" / "evaluator.key").unlink()
    result = bench("challenge", "run", "demo", archive, "--data", "hidden")
    assert (result.exit_code, "is that of an evaluator of demo" in result.output) == (2, True), result.output


def test_new_challenge_is_never_written_over(here: Path, opened: dict[str, str]) -> None:
    """Rules that teams rely on are not replaced."""
    # fmt: off
    again = bench("challenge", "new", "demo", "--evaluator", "E", "--key", "evaluator", "--protocol", "small.toml",
                  "--num-samples", "12")
    odd = bench("challenge", "new", "demo2", "--evaluator", 'E"', "--key", "evaluator", "--protocol", "small.toml",
                "--num-samples", "12")
    # fmt: on
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    assert (odd.exit_code, "holds a quote" in odd.output) == (2, True)
