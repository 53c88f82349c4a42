"""Which results a board ranks, in which order, and why not the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from leaderboard.made_results import BOARD, NUM_SAMPLES, PROTOCOL, run_of, tiny_store, write_boards

from bench.errors import RecordError, UsageError
from bench.leaderboard.board import load_board, load_boards
from bench.leaderboard.frame import frame_of
from bench.leaderboard.standing import Standing, standing
from bench.records.result import DatasetRef, Estimate, Failure, ProtocolRef, Result
from bench.resources import resource_folder


def _standing(tmp_path: Path, results: list[Any], board: str = BOARD) -> Standing:
    boards, broken = load_boards(write_boards(tmp_path / "boards", board))
    assert not broken
    return standing(boards[0], frame_of(results))


def _reason(tmp_path: Path, result: Result, board: str = BOARD) -> str:
    found = _standing(tmp_path, [result], board)
    assert len(found.ranked) == 0
    return str(found.unranked["reason"].item())


def test_equal_counts_share_a_rank(tmp_path: Path) -> None:
    """Competition ranks: 1, 2, 2, 4; entries of one rank stand in the order of their names."""
    results = [run_of(name, count) for name, count in (("d", 300), ("c", 400), ("b", 400), ("a", 450))]

    ranked = _standing(tmp_path, results).ranked

    assert ranked["entry"].tolist() == ["acme/a", "acme/b", "acme/c", "acme/d"]
    assert ranked["rank"].tolist() == [1, 2, 2, 4]


def test_a_protocol_without_metrics_has_no_board(tmp_path: Path) -> None:
    """Reported speed is joined to a board and ranks none."""
    _, broken = load_boards(write_boards(tmp_path / "boards", BOARD.replace(PROTOCOL, "timm-inference")))

    assert "'timm-inference' has no metric to rank by" in str(broken[0])


def test_rank_intervals_follow_the_overlap_of_wilson_intervals(tmp_path: Path) -> None:
    """At 500 images 450 and 440 are not apart, 300 is."""
    results = [run_of(name, count) for name, count in (("a", 450), ("b", 440), ("c", 300))]

    ranked = _standing(tmp_path, results).ranked

    assert ranked[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]


def test_the_verified_run_of_an_entry_comes_before_its_latest(tmp_path: Path) -> None:
    """One row an entry: trust first, then time."""
    results = [
        run_of("net", 300, hours=1, status="verified"),
        run_of("net", 310, hours=2, status="verified"),
        run_of("net", 450, hours=3),
    ]

    found = _standing(tmp_path, results)

    assert found.ranked["metrics.top1.count"].tolist() == [310]
    assert len(found.unranked) == 0  # its other good runs stand on the submission's page


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "failed", "failure": Failure(outcome="nonfinite", message="NaN")}, "failed: nonfinite"),
        ({"status": "imported"}, "status imported; this board ranks verified and self-reported results"),
        (
            {"dataset": DatasetRef(name="shapes10", split="val", num_samples=40, complete=False)},
            "partial: 40 of 500 images",
        ),
        ({"protocol": ProtocolRef(id=PROTOCOL, version=7, digest="f" * 64)}, "measured under version 7"),
        ({"protocol": ProtocolRef(id=PROTOCOL, version=1, digest="f" * 64)}, "another text of the protocol"),
        ({"protocol": ProtocolRef(id=PROTOCOL, version=1)}, "does not say which text of the protocol"),
        ({"metrics": {"top5": Estimate(value=0.9, num_samples=NUM_SAMPLES)}}, "has no top1"),
    ],
)
def test_what_is_not_ranked_says_why(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    """Each rule has its sentence."""
    assert reason in _reason(tmp_path, run_of("net", **fields))


def test_extra_training_data_is_left_out_where_the_board_says_so(tmp_path: Path) -> None:
    """The reason names the data."""
    board = BOARD + 'extra_training_data = "none"\n'

    reason = _reason(tmp_path, run_of("net", words={"extra_training_data": "JFT-300M"}), board)

    assert reason == "trained on extra data (JFT-300M), which this board does not rank"


def test_no_result_of_the_protocol_disappears(tmp_path: Path) -> None:
    """Every run is a row, or stands behind a row of its entry, or is listed with a reason."""
    stored = tiny_store(tmp_path).scan().stored

    found = _standing(tmp_path, stored)

    assert found.ranked["submission.name"].tolist() == ["resnet", "lenet", "alexnet"]
    assert sorted(found.unranked["reason"]) == [
        "failed: nonfinite",
        "partial: 40 of 500 images",
        "retracted: wrong labels",
    ]


def test_imported_results_need_no_digest(tmp_path: Path) -> None:
    """A reported protocol is never run, so its results have no digest; no count is needed for a rank either."""
    board = resource_folder("boards") / "torchvision-reported.toml"
    metrics = {"top1": Estimate(value=0.8, num_samples=50_000)}
    reported = {"status": "imported", "metrics": metrics, "protocol": ProtocolRef(id="torchvision-reported", version=1)}

    found = standing(load_board(board), frame_of([run_of("net", **reported)]))

    assert found.ranked["rank"].tolist() == [1]
    assert found.ranked[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1]]


def test_an_empty_board_is_a_board(tmp_path: Path) -> None:
    """No results, no error."""
    found = _standing(tmp_path, [])

    assert len(found.ranked) == len(found.unranked) == 0


def test_the_boards_that_ship_are_valid() -> None:
    """Their protocols and columns exist, in the order of the index page."""
    boards, broken = load_boards(resource_folder("boards"))

    assert not broken
    assert {"imagenet-closed", "imagenet-open", "shapes10", "torchvision-reported"} <= {
        item.board.id for item in boards
    }
    assert [item.board.order for item in boards] == sorted(item.board.order for item in boards)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("shapes10-val", "shapes10-vel"), "did you mean shapes10-val"),
        (('"top5"', '"top-5"'), "did you mean top5"),
        (('"model", ', ""), "the column 'model' is missing"),
        (("title =", "heading ="), "unknown key"),
    ],
)
def test_a_broken_board_is_named_with_its_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """The message has file and key, and the other boards are loaded."""
    good = BOARD.replace('"tiny"', '"good"')
    folder = write_boards(tmp_path / "boards", BOARD.replace(*change), good)

    boards, broken = load_boards(folder)

    assert [item.board.id for item in boards] == ["good"]
    assert "tiny.toml" in str(broken[0])
    assert message in str(broken[0])


def test_a_board_is_named_like_its_file(tmp_path: Path) -> None:
    """Else two boards could write one page."""
    folder = write_boards(tmp_path / "boards")
    (folder / "tiny.toml").rename(folder / "other.toml")

    with pytest.raises(RecordError, match=r"other\.toml: id: is 'tiny'"):
        load_board(folder / "other.toml")


def test_a_missing_folder_of_boards_is_a_usage_error(tmp_path: Path) -> None:
    """The message says which option names it."""
    with pytest.raises(UsageError, match="--boards"):
        load_boards(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('statuses = ["verified", "imported"]\n', "statuses: imported results are ranked beside no others"),
        (2 * '[[joins]]\nname = "x"\ntitle = "X"\nprotocol = "shapes10-val"\n', "joins: 'x' is the name of two"),
    ],
)
def test_keys_that_do_not_fit_together_are_named(tmp_path: Path, more: str, message: str) -> None:
    """With the file, and without an empty key before them."""
    path = tmp_path / "tiny.toml"
    path.write_text(BOARD + more)

    with pytest.raises(RecordError) as caught:
        load_board(path)
    assert str(caught.value).startswith(f"{path}: {message}")
