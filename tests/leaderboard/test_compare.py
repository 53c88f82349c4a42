"""The files that the compare page reads."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leaderboard.made_results import breakdown_of, hostile_names, hostile_store, run_of, tiny_store, write_boards

from bench.leaderboard.compare import compare_pages
from bench.leaderboard.material import Material
from bench.leaderboard.slugs import slug
from bench.records.correctness import Correctness
from bench.records.result import Cost
from bench.store import Store


def _called(script: bytes) -> tuple[str, Any]:
    """The function that a file calls, and its data."""
    call = re.fullmatch(r"(\w+)\((.*)\);\n", script.decode(), re.DOTALL)
    assert call is not None
    return call[1], json.loads(call[2] if call[1] == "benchCompare" else f"[{call[2]}]")


def _files(material: Material) -> dict[str, bytes]:
    return {page.path: page.make() for page in compare_pages(material)}


def test_each_submission_has_a_file_of_its_numbers(tmp_path: Path) -> None:
    """Values, intervals, counts, bits and counts by class, as they are in the store."""
    store = Store(tmp_path / "results")
    right_N = np.random.default_rng(1).random(500) < 0.9
    run = run_of("net", int(right_N.sum()))
    store.add(run, correctness=Correctness(right_N, right_N), breakdown=breakdown_of())
    files = _files(Material(store, write_boards(tmp_path / "boards")))

    name, data = _called(files[f"compare/{slug('acme/net')}.js"])

    (found,) = data["runs"]
    top1 = run.metrics["top1"]
    assert (name, data["slug"], data["entry"]) == ("benchCompare", slug("acme/net"), "acme/net")
    assert found["metrics"]["top1"] == [top1.value, top1.ci_low, top1.ci_high, 500, top1.count]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(found["bits"]), np.uint8), count=500)
    assert bits.astype(bool).tolist() == right_N.tolist()
    assert found["classes"] == {
        "table": "shapes10",
        "total": list(breakdown_of().num_samples),
        "right": list(breakdown_of().num_top1),
    }
    name, (table, classes) = _called(files["compare/classes.shapes10.js"])
    assert (name, table, len(classes)) == ("benchClasses", "shapes10", 10)


def test_costs_of_a_device_are_not_mixed_with_counted_ones(tmp_path: Path) -> None:
    """A latency on one machine says nothing beside one on another; throughput names its device."""
    store = Store(tmp_path / "results")
    costs = {
        "num_params": Cost(value=5e6, unit="parameters"),
        "latency_ms": Cost(value=2.5, unit="ms", device="A100"),
        "throughput_img_s": Cost(value=900, unit="img/s", device="A100"),
    }
    store.add(run_of("net", costs=costs, environment={"batch_size": 64, "torch": "2.9.1"}))
    files = _files(Material(store, write_boards(tmp_path / "boards")))

    _, data = _called(files[f"compare/{slug('acme/net')}.js"])

    assert data["costs"] == {"num_params": 5e6}
    assert data["speed"] == [{"label": "Inference, A100, fp32, torch 2.9.1", "value": 900, "batch": 64}]


def test_failed_and_withdrawn_runs_are_not_compared(tmp_path: Path) -> None:
    """Their submission is there all the same, so a link to it is answered."""
    tiny_store(tmp_path)
    material = Material(Store(tmp_path / "results"), write_boards(tmp_path / "boards"))
    files = _files(material)

    runs = {entry.key: _called(files[f"compare/{entry.slug}.js"])[1]["runs"] for entry in material.entries}

    assert runs["acme/broken"] == []
    assert [run["status"] for run in runs["acme/resnet"]] == ["verified"]
    assert [run["status"] for run in runs["acme/partial"]] == ["self-reported, partial"]


def test_names_stay_text_in_the_files(tmp_path: Path) -> None:
    """Each hostile name comes back from JSON as it was."""
    material = Material(hostile_store(tmp_path), write_boards(tmp_path / "boards"))
    files = _files(material)

    titles = {_called(files[f"compare/{entry.slug}.js"])[1]["title"] for entry in material.entries}

    assert titles == {vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]}


def test_one_result_more_changes_one_file(tmp_path: Path) -> None:
    """Beside the page itself; the digest of inputs says so before anything is made."""
    store = tiny_store(tmp_path)
    boards = write_boards(tmp_path / "boards")
    before = {page.path: page.inputs for page in compare_pages(Material(store, boards))}
    store.add(run_of("lenet", 410, hours=50))

    after = {page.path: page.inputs for page in compare_pages(Material(store, boards))}

    assert [path for path in after if after[path] != before[path]] == [f"compare/{slug('acme/lenet')}.js"]


@pytest.mark.parametrize("cost", ["step_time_ms", "num_params"])
def test_the_page_knows_every_cost_in_use(tmp_path: Path, cost: str) -> None:
    """One that no column shows has a name in words."""
    store = Store(tmp_path / "results")
    store.add(run_of("net", costs={cost: Cost(value=2.5, unit="ms")}))
    page = _files(Material(store, write_boards(tmp_path / "boards")))["compare.html"].decode()

    source = re.search(r'<script type="application/json" id="meanings">(.*?)</script>', page)
    assert source is not None
    titles = {"step_time_ms": "Step time", "num_params": "Params"}
    assert [one["title"] for one in json.loads(source[1])["costs"]] == [titles[cost]]
