"""What attempts come to, and the way from their folders to a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from training.made_trainings import write_trained

from bench.backends.run import RunOptions
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.errors import DataError, UsageError
from bench.files import digest_of
from bench.plan import Outcome
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.records.training import Attempt, Attempts, Final, Reached
from bench.store import Store
from bench.stored import read_attempts
from bench.training import scoring
from bench.training.found import find_attempts
from bench.training.scores import costs_of, failure_of, metrics_of, notes_of, timing_of

MakeProtocol = Callable[..., Protocol]
MakeNetwork = Callable[..., Path]
TARGET = {"metric": "top1", "value": 0.5, "margin": 0.0}


def attempt(number: int, top1: float | None = 0.5, *, reached_s: float | None = None, **more: Any) -> Attempt:
    fields: dict[str, Any] = {
        "number": number,
        "seed": number,
        "created_at": "2026-08-01T10:00:00Z",
        "epochs": 3,
        "steps": 9,
        "images": 72,
        "train_s": 10.0 * number,
        "start_s": 1.0,
        "evaluate_s": 2.0 * number,
    }
    if top1 is None:
        fields |= {"outcome": "nonfinite", "message": "the loss is nan"}
    else:
        fields["final"] = {"top1": Final(value=top1, num_samples=8, count=round(8 * top1))}
    if reached_s is not None:
        reached = Reached(epoch=2, images=48, train_s=reached_s, value=0.6, confirmed=0.6)
        fields["reached"] = reached
    return Attempt(**(fields | more))


def test_a_fixed_budget_is_scored_by_mean_and_standard_deviation() -> None:
    """Over the attempts, with the interval of the seeds."""
    found = metrics_of([attempt(1, 0.25), attempt(2, 0.5), attempt(3, 0.75)], ["top1", "top5"])

    assert list(found) == ["top1"]
    assert (found["top1"].value, found["top1"].sd, found["top1"].num_samples) == (0.5, 0.25, 8)
    assert found["top1"].count is None
    assert (found["top1"].ci_low, found["top1"].ci_high) == (0.0, 1.0)  # a rate, though the interval is wider


def test_a_single_attempt_has_the_interval_of_its_images() -> None:
    """And no standard deviation, which it cannot know."""
    (found,) = metrics_of([attempt(1, 0.5)], ["top1"]).values()

    assert (found.value, found.count, found.sd) == (0.5, 4, None)
    assert found.ci_low == pytest.approx(0.2152, abs=1e-4)


def test_a_failed_attempt_leaves_no_mean(make_protocol: MakeProtocol) -> None:
    """The mean of those that ended would be a mean of the lucky ones."""
    recipe = make_protocol().recipe
    assert recipe is not None
    attempts = [attempt(1), attempt(2, None)]
    failure = failure_of(attempts, recipe)

    assert metrics_of(attempts, ["top1"]) == {}
    assert failure is not None
    assert (failure.outcome, failure.message) == ("nonfinite", "attempt 2 of 2 failed: the loss is nan")


def test_time_to_target_is_a_median_in_which_misses_are_infinite(make_protocol: MakeProtocol) -> None:
    """A failed attempt is a miss; the range has no upper end then."""
    recipe = make_protocol(evaluate_every_epochs=1, target=TARGET).recipe
    assert recipe is not None
    attempts = [attempt(1, reached_s=20.0), attempt(2, reached_s=30.0), attempt(3, None)]
    costs = costs_of(attempts, recipe)

    assert (costs["time_to_target_s"].value, costs["time_to_target_s"].lowest) == (30.0, 20.0)
    assert costs["time_to_target_s"].highest is None
    assert costs["images_to_target"].value == 48
    assert "energy_to_target_j" not in costs
    assert failure_of(attempts, recipe) is None
    assert "1 of 3 missed the target" in notes_of(attempts, recipe, evaluated_with="val")[1]
    assert "time_to_target_s" not in costs_of([attempt(1, reached_s=20.0), attempt(2), attempt(3)], recipe)


def test_what_no_training_clock_counts_is_told_apart() -> None:
    """Medians over the attempts."""
    assert timing_of([attempt(1), attempt(2), attempt(3)]) == {"start_s": 1.0, "evaluate_s": 4.0}


@pytest.fixture
def scored(
    shapes_root: Path, make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """A function that scores what lies in `tmp_path / out`."""
    content = load_protocol("shapes10-val").as_json()
    content |= {"id": "shapes2-val", "dataset": {"name": "shapes2", "split": "val", "num_samples": 4}}
    content["geometry"] |= {"resize": 36, "crop": 32}
    evaluation = Protocol.parse(content)
    monkeypatch.setattr(scoring, "load_protocol", lambda _: evaluation)
    dataset: Dataset = open_dataset(shapes_root, evaluation.dataset)
    digest = dataset_digest(dataset, cache_folder=None, num_threads=1)

    def run(protocol: Protocol, out: str = "out", **options: Any) -> Outcome:
        return scoring.score_training(
            find_attempts(tmp_path / out / "acme" / "net"),
            protocol,
            dataset,
            Store(tmp_path / "results"),
            RunOptions(device="cpu"),
            **({"digest": digest} | options),
        )

    return run


def test_attempts_become_one_result(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """Of the training protocol, about the submission without weights, with all attempts beside it."""
    protocol, source = make_protocol(num_seeds=2), make_network()
    for number in (1, 2):
        write_trained(tmp_path / "out", source, protocol, number)
    outcome = scored(protocol)
    result, store = outcome.result, Store(tmp_path / "results")
    attempts = read_attempts(store.get(result.run))

    assert (result.status, result.protocol.id, result.submission.training) == ("self-reported", protocol.id, None)
    assert attempts is not None
    assert [one.number for one in attempts.attempts] == [1, 2]
    assert result.training is not None
    assert (result.training.num_attempts, result.training.num_failed, result.training.num_missed) == (2, 0, None)
    assert result.seeds == {f"attempt_{one.number}": one.seed for one in attempts.attempts}
    assert result.metrics["top1"].num_samples == 4
    assert result.costs["training_time_s"].value == 30.0
    assert result.environment == {"torch": "2.11"}
    assert (tmp_path / "predictions" / f"{attempts.attempts[0].predictions_sha256}.parquet").is_file()

    again = scored(protocol)

    assert (again.reused, again.result.run) == (True, result.run)


def test_other_images_or_another_text_of_the_evaluation_are_scored_afresh(
    scored: Callable[..., Outcome],
    make_protocol: MakeProtocol,
    make_network: MakeNetwork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The record says on which images and under which text; one that does not say it answers nothing."""
    protocol = make_protocol()
    write_trained(tmp_path / "out", make_network(), protocol)
    first = scored(protocol)
    other_images = scored(protocol, digest="ef" * 32)
    evaluation = scoring.load_protocol("shapes2-val")
    monkeypatch.setattr(scoring, "load_protocol", lambda _: evaluation.model_copy(update={"version": 99}))
    other_text = scored(protocol, digest="ef" * 32)
    outcomes = (first, other_images, other_text)
    attempts = [read_attempts(Store(tmp_path / "results").get(one.result.run)) for one in outcomes]

    assert [one.reused for one in outcomes] == [False, False, False]
    assert attempts[0] is not None
    assert attempts[1] is not None
    assert attempts[2] is not None
    assert attempts[0].evaluated_on_digest != attempts[1].evaluated_on_digest == "ef" * 32
    assert attempts[1].evaluated_with_digest == evaluation.digest() != attempts[2].evaluated_with_digest
    assert scored(protocol, digest="ef" * 32).result.run == other_text.result.run


def test_attempts_of_before_the_images_were_recorded_still_read() -> None:
    """And have the digest that their result names."""
    old = {
        "format_version": 1,
        "recipe_digest": "ab" * 32,
        "evaluated_with": "shapes10-val",
        "round": "public",
        "attempts": [attempt(1).as_json()],
    }
    read = Attempts.parse(old)

    assert (read.evaluated_with_digest, read.evaluated_on_digest) == (None, None)
    assert read.sha256() == digest_of(old)


def test_the_failure_of_another_submission_is_not_answered(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """Failed attempts have no weights that could be compared: the code is, and when and how each failed."""
    protocol, source = make_protocol(), make_network()
    write_trained(tmp_path / "first", source, protocol, failure="nonfinite", time=1.7e9)
    write_trained(tmp_path / "later", source, protocol, failure="nonfinite", time=1.8e9)
    first, later = scored(protocol, "first"), scored(protocol, "later")
    (source / "model.py").write_text((source / "model.py").read_text() + "\n# changed\n")
    write_trained(tmp_path / "changed", source, protocol, failure="nonfinite", time=1.8e9)
    changed = scored(protocol, "changed")

    assert [one.reused for one in (first, later, changed)] == [False, False, False]
    assert changed.result.submission.digest != later.result.submission.digest
    assert scored(protocol, "later").result.run == later.result.run


def test_a_failed_attempt_is_in_the_record(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """The result has failed; no attempt disappears, and those that ended are kept."""
    protocol, source = make_protocol(num_seeds=2), make_network()
    write_trained(tmp_path / "out", source, protocol, 1)
    write_trained(tmp_path / "out", source, protocol, 2, failure="nonfinite")
    outcome = scored(protocol)

    assert outcome.result.status == "failed"
    assert outcome.result.failure is not None
    assert "attempt 2 of 2" in outcome.result.failure.message
    assert outcome.result.training is not None
    assert outcome.result.training.num_failed == 1


def test_nothing_but_failures_is_a_record_too(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """Without weights there is nothing to evaluate."""
    protocol = make_protocol()
    write_trained(tmp_path / "out", make_network(), protocol, 1, failure="nonfinite")

    assert scored(protocol).result.status == "failed"


def test_no_attempt_can_be_left_out(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """Not one in between, and not fewer than the protocol scores."""
    protocol, source = make_protocol(num_seeds=3), make_network()
    write_trained(tmp_path / "out", source, protocol, 1)
    with pytest.raises(UsageError, match=r"1 of 3 attempts are there.*--attempt 2"):
        scored(protocol)
    write_trained(tmp_path / "out", source, protocol, 3)
    with pytest.raises(UsageError, match="attempt 2 of acme/net is missing"):
        scored(protocol)


def test_an_attempt_that_goes_on_is_not_scored(make_protocol: MakeProtocol, tmp_path: Path) -> None:
    """It is resumed first."""
    (tmp_path / "out" / "acme" / ".net.training").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"not finished.*--resume"):
        find_attempts(tmp_path / "out" / "acme" / "net")
    with pytest.raises(UsageError, match="holds no training"):
        find_attempts(tmp_path / "out" / "acme" / "other")


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"seed": 7}, UsageError, "bench draws the seeds"),
        ({"dataset_digest": "00" * 32}, DataError, "other images"),
        ({"recipe_digest": "00" * 32}, DataError, "another recipe"),
        ({"protocol_digest": "00" * 32}, DataError, "another text of the protocol"),
        ({"round": "0123456789ab"}, DataError, "--round-key"),
    ],
)
def test_attempts_that_do_not_belong_together_are_refused(
    scored: Callable[..., Outcome],
    make_protocol: MakeProtocol,
    make_network: MakeNetwork,
    tmp_path: Path,
    changed: dict[str, Any],
    error: type[Exception],
    match: str,
) -> None:
    """Each with what differs."""
    protocol, source = make_protocol(num_seeds=2), make_network()
    write_trained(tmp_path / "out", source, protocol, 1)
    write_trained(tmp_path / "out", source, protocol, 2, **changed)
    with pytest.raises(error, match=match):
        scored(protocol)


def test_a_secret_round_is_scored_with_its_key(
    scored: Callable[..., Outcome], make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """The record names the round, and not its key."""
    protocol, key = make_protocol(), b"0123456789abcdef0123456789abcdef"
    write_trained(tmp_path / "out", make_network(), protocol, 1, round_key=key)
    outcome = scored(protocol, round_key=key)

    assert outcome.result.training is not None
    assert outcome.result.training.round != "public"
    assert key.decode() not in outcome.path.read_text()
