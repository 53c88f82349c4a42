"""What a page says about other entries, against brute force."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from leaderboard.made_results import BOARD, breakdown_of, run_of, write_boards

from bench.leaderboard.material import Material
from bench.leaderboard.surroundings import joined_runs, medians_of, neighbours_of
from bench.records.breakdown import Breakdown
from bench.records.result import Cost, Result
from bench.store import Store

JOIN = """
[[joins]]
name = "gpu"
title = "GPU"
protocol = "shapes10-train"
on = "architecture"
unmatched = "listed"
"""


def _material(folder: Path, runs: Sequence[Result], board: str = BOARD) -> Material:
    store = Store(folder / "results")
    for run in runs:
        store.add(run)
    return Material(store, write_boards(folder / "boards", board))


def _cost(params: float) -> dict[str, Cost]:
    return {"num_params": Cost(value=params, unit="parameters")}


def test_neighbours_are_the_closest_of_the_same_status(tmp_path: Path) -> None:
    """Two better and two worse by rank, four by ratio of cost; equal costs stand for one, the best of them."""
    random = np.random.default_rng(5)
    runs = [
        run_of(
            f"net-{index}",
            int(300 + random.integers(0, 180)),
            hours=index,
            costs=_cost(float(random.integers(1, 12))),
            status=("verified", "self-reported")[index % 2],
        )
        for index in range(40)
    ]
    material = _material(tmp_path, runs)
    found = neighbours_of(material.standings)

    for status in ("verified", "self-reported"):
        rows = [run for run in runs if run.status == status]
        rows.sort(key=lambda run: (-run.metrics["top1"].value, run.entry))
        for index, run in enumerate(rows):
            near = found[run.entry]
            beside = rows[max(0, index - 2) : index] + rows[index + 1 : index + 3]
            assert [one.run for one in near.by_metric] == [one.run for one in beside]
            own = run.costs["num_params"].value
            best: dict[float, Result] = {}
            for other in rows:
                best.setdefault(other.costs["num_params"].value, other)
            gaps = sorted(
                abs(math.log(cost / own)) for cost, other in best.items() if other is not run
            )[:4]  # fmt: skip
            assert [one.cost for one in near.by_cost] == sorted(one.cost or 0 for one in near.by_cost)
            assert sorted(abs(math.log((one.cost or 0) / own)) for one in near.by_cost) == pytest.approx(gaps)
            assert all(best[one.cost or 0].run == one.run for one in near.by_cost)


def test_an_entry_alone_has_no_neighbours(tmp_path: Path) -> None:
    """Nor has one without a rank."""
    runs = [run_of("net", 450), run_of("other", None, hours=1, status="self-reported")]

    assert neighbours_of(_material(tmp_path, runs).standings) == {}


def test_speed_is_joined_by_architecture_and_not_to_itself(tmp_path: Path) -> None:
    """Both entries of an architecture have it, the measurement's own entry has not."""
    from bench.records.result import ProtocolRef

    words = {"architecture": "net50"}
    speed = run_of("net50", None, hours=2, words=words, protocol=ProtocolRef(id="shapes10-train", version=1),
                   costs={"throughput_img_s": Cost(value=900, unit="img/s", device="A100")})  # fmt: skip
    runs = [run_of("a", 450, words=words), run_of("b", 440, hours=1, words=words), run_of("c", 430, hours=3), speed]
    material = _material(tmp_path, runs, BOARD + JOIN)

    found = joined_runs(material.standings)

    assert {entry: [(one.title, one.run) for one in joined] for entry, joined in found.items()} == {
        "acme/a": [("GPU", speed.run)],
        "acme/b": [("GPU", speed.run)],
    }


def test_medians_are_those_of_the_ranked_submissions(tmp_path: Path) -> None:
    """By numpy; a class without images has none, and two submissions are too few."""
    random = np.random.default_rng(3)
    runs = [run_of(f"net-{index}", 300 + index, hours=index) for index in range(4)]
    total = np.array([0, 50, 50, 40, 50, 50, 50, 50, 50, 50])
    right_NC = (random.random((4, 10)) * total).astype(int)
    kept: dict[str, Breakdown] = {
        run.run: breakdown_of().model_copy(
            update={"num_samples": tuple(total.tolist()), "num_top1": tuple(right_NC[index].tolist())}
        )
        for index, run in enumerate(runs)
    }
    standings = _material(tmp_path, runs).standings

    medians = medians_of(standings, kept)[runs[0].run]

    assert (medians.num_submissions, medians.accuracy[0]) == (4, None)
    assert medians.accuracy[1:] == pytest.approx(np.median(right_NC[:, 1:] / total[1:], axis=0))
    assert medians_of(standings, dict(list(kept.items())[:2])) == {}
