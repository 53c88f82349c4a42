"""The store of results."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from counting import count_up

from bench.errors import StoreError, UsageError
from bench.metrics.base import Answers
from bench.metrics.scoring import breakdown_of
from bench.metrics.topk import predictions_from_ranked
from bench.records.correctness import Correctness
from bench.records.equal_run import EqualRun
from bench.records.result import Failure, ProtocolRef, Result
from bench.store import Store
from bench.stored import read_breakdown, read_correctness

MakeResult = Callable[..., Result]


def _key(**change: str) -> EqualRun:
    values = {
        "team": "acme",
        "name": "vit",
        "protocol": "shapes10-val",
        "submission_digest": "a" * 64,
        "protocol_digest": "b" * 64,
        "dataset_digest": "c" * 64,
        "precision": "fp32",
        "device_type": "cpu",
    }
    return EqualRun(**values | change)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "results")


def test_a_result_lies_under_protocol_team_and_name(store: Store, make_result: MakeResult) -> None:
    """The path tells what the result is about."""
    result = make_result()
    path = store.add(result)

    assert path == store.results / "shapes10-val" / "acme" / "vit" / f"{result.run}.json"
    assert store.load() == [result]
    assert store.get(result.run).result == result


def test_an_equal_run_is_found(store: Store, make_result: MakeResult) -> None:
    """Same submission, protocol, images, precision and device: the same measurement."""
    result = make_result()
    store.add(result)
    found = store.find_equal(_key())

    assert found is not None
    assert found.result == result


@pytest.mark.parametrize(
    "change", ["submission_digest", "protocol_digest", "dataset_digest", "precision", "device_type", "team"]
)
def test_a_run_that_differs_in_anything_is_another_one(store: Store, make_result: MakeResult, change: str) -> None:
    """Each part of the key counts."""
    store.add(make_result())

    assert store.find_equal(_key(**{change: "d" * 64})) is None


def test_failed_and_retracted_runs_answer_nothing(store: Store, make_result: MakeResult) -> None:
    """A failed run is tried again, a retracted one is measured again."""
    store.add(make_result(status="failed", failure=Failure(outcome="crash", message="x"), metrics={}))
    assert store.find_equal(_key()) is None

    result = make_result()
    store.add(result)
    store.retract(result.run, reason="wrong weights", by="A. Maintainer")

    assert store.find_equal(_key()) is None


def test_a_retraction_lies_beside_the_result(store: Store, make_result: MakeResult) -> None:
    """The result's own file stays byte for byte as it was."""
    result = make_result()
    path = store.add(result)
    before = path.read_bytes()
    stored = store.retract(result.run[:20], reason="wrong weights", by="A. Maintainer")

    assert path.read_bytes() == before
    assert store.get(result.run).retraction == stored.retraction
    with pytest.raises(UsageError, match=r"already retracted by A\. Maintainer"):
        store.retract(result.run, reason="again", by="B")


def test_a_superseding_run_must_be_another_one_that_exists(store: Store, make_result: MakeResult) -> None:
    """A slip in the run id is not written down."""
    result = make_result()
    store.add(result)

    with pytest.raises(UsageError, match="no single run '2099'"):
        store.retract(result.run, reason="new", by="A", superseded_by="2099")
    with pytest.raises(UsageError, match="superseded by itself"):
        store.retract(result.run, reason="new", by="A", superseded_by=result.run)
    assert store.get(result.run).retraction is None


def test_a_result_is_never_overwritten(store: Store, make_result: MakeResult) -> None:
    """The same record again changes nothing; another record under the same run id is refused."""
    result = make_result()
    path = store.add(result)
    before = path.stat()

    assert store.add(result) == path
    assert path.stat() == before
    with pytest.raises(StoreError, match="never overwritten"):
        store.add(make_result(notes=("other",)).model_copy(update={"run": result.run}))


def test_many_results_are_added_at_once(store: Store, make_result: MakeResult) -> None:
    """Each lies where `add` would put it; those that are there stay, and none is overwritten."""
    results = [make_result(count=count) for count in range(1, 6)]
    first = store.add(results[0])
    before = first.stat()

    paths = store.add_all(iter(results))

    assert [path.stem for path in paths] == [result.run for result in results]
    assert first.stat() == before
    assert store.load() == sorted(results, key=lambda result: result.run)
    other = make_result(notes=("other",)).model_copy(update={"run": results[0].run})
    with pytest.raises(StoreError, match="never overwritten"):
        store.add_all([make_result(count=6), other])
    assert len(store.load()) == 5


def test_one_protocol_is_scanned_alone(store: Store, make_result: MakeResult) -> None:
    """For those who need to know only what is there of it."""
    store.add(make_result())
    store.add(make_result(protocol=ProtocolRef(id="other", version=1)))

    assert [stored.result.protocol.id for stored in store.scan("other").stored] == ["other"]
    assert store.scan("none").stored == []


def test_an_ambiguous_beginning_of_a_run_is_refused(store: Store, make_result: MakeResult) -> None:
    """A prefix must name one run."""
    for count in (1, 2):
        store.add(make_result(count=count))

    with pytest.raises(UsageError, match="2 runs begin so"):
        store.get("2026")


def test_broken_files_are_named_and_the_rest_is_read(store: Store, make_result: MakeResult) -> None:
    """A cut-off file, a wrong type and a newer format each get a sentence with the file's name."""
    good = make_result()
    path = store.add(good)
    newer = json.loads(path.read_text()) | {"format_version": 99}
    for name, text in {
        "cut": path.read_text()[:100],
        "typed": '{"format_version": 1}',
        "newer": json.dumps(newer),
    }.items():
        (path.parent / f"{name}.json").write_text(text)
    scan = store.scan()

    assert [stored.result for stored in scan.stored] == [good]
    messages = sorted(str(error).removeprefix(str(path.parent) + "/") for error in scan.broken)
    assert [message.split(":")[0] for message in messages] == ["cut.json", "newer.json", "typed.json"]
    assert "upgrade ilsvrc-bench" in messages[1]


def test_a_missing_folder_is_a_clear_error(store: Store) -> None:
    """Nothing was evaluated yet."""
    with pytest.raises(StoreError, match="there is no such results folder"):
        store.load()


def test_sidecars_are_read_back(store: Store, make_result: MakeResult) -> None:
    """Bits and the breakdown by class lie beside the result."""
    answers = Answers(predictions_from_ranked(("a", "b"), np.array([[1], [0]]), num_classes=10), np.array([1, 1]))
    result = make_result(count=1, num_samples=2)
    breakdown = breakdown_of(answers, "shapes10")
    store.add(result, correctness=Correctness(answers.top1_N, answers.top5_N), breakdown=breakdown)
    stored = store.get(result.run)
    correctness = read_correctness(stored)

    assert correctness is not None
    assert correctness.top1_N.tolist() == [True, False]
    assert read_breakdown(stored) == breakdown
    assert [item.result for item in store.scan().stored] == [result]


def test_predictions_are_kept_once_under_their_content(store: Store) -> None:
    """Equal answers of two runs are one file."""
    predictions = predictions_from_ranked(("a",), np.array([[1]]), num_classes=10)
    refs = [store.add_predictions(predictions) for _ in range(2)]

    assert refs[0] == refs[1]
    assert [path.name for path in store.predictions.glob("*.parquet")] == [f"{refs[0].sha256}.parquet"]


def test_one_measurement_is_made_by_one_process_at_a_time(store: Store) -> None:
    """Four processes that read, add one and write never lose a step under the lock."""
    store.results.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=count_up, args=(str(store.results), _key(), 25)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert (store.results / "counter").read_text() == "100"
