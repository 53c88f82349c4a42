"""The loop: evaluated meanwhile, ended by a target, and what a network may not do in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.data.dataset import Dataset, open_dataset
from bench.errors import DataError, ModelError, OutputError, UsageError
from bench.models.source import open_submission
from bench.records.protocol import Protocol
from bench.records.result import Estimate
from bench.training.distributed import ALONE, StopVote, World
from bench.training.evaluating import Evaluated
from bench.training.events import Event, read_events
from bench.training.launch import without_option
from bench.training.network import checked_logits, first_look, restored_buffers, submitted_code, warning_of_unused
from bench.training.options import TrainOptions
from bench.training.parallel import check_split
from bench.training.progress import Progress, StepReport, Tally
from bench.training.staging import Clock, staged
from bench.training.train import Trained, train

Run = Callable[..., Trained]


@pytest.fixture
def run(shapes: Dataset, make_protocol: Callable[..., Protocol], tmp_path: Path) -> Run:
    """A function that trains a folder for two epochs of three steps."""

    def start(
        folder: Path,
        out: str = "out",
        *,
        dataset: Dataset = shapes,
        options: dict[str, Any] | None = None,
        top1: list[float] | None = None,
        events: list[Event] | None = None,
        **recipe: Any,
    ) -> Trained:
        found = iter(top1 or [])

        def evaluate(module: torch.nn.Module) -> Evaluated:
            assert isinstance(module, torch.nn.Module)
            return Evaluated({"top1": Estimate(value=next(found), num_samples=4)}, seconds=0.5)

        return train(
            open_submission(str(folder)),
            make_protocol(**recipe),
            dataset,
            tmp_path / out,
            TrainOptions(**{"device": "cpu"} | (options or {})),
            make_evaluator=None if top1 is None else lambda *_: SimpleNamespace(evaluate=evaluate),
            listeners=[] if events is None else [events.append],
        )

    return start


def kinds(events: list[Event]) -> list[str]:
    return [event["kind"] for event in events if event["kind"] not in {"step", "checkpoint"}]


def test_events_tell_a_training_from_start_to_end(run: Run, make_network: Callable[..., Path]) -> None:
    """In order, to listeners as into the file; sums over epochs are means over their images."""
    told: list[Event] = []
    trained = run(make_network(), events=told)
    written = read_events(trained.folder / "training" / "events.jsonl")
    steps = [event for event in written if event["kind"] == "step"]
    epochs = [event for event in written if event["kind"] == "epoch"]

    assert [dict(event) for event in told] == written
    assert kinds(written) == ["start", "ready", "compile", "epoch", "epoch", "end"]
    assert [(event["step"], event["images"]) for event in steps] == [(n, 8 * n) for n in range(1, 7)]
    assert epochs[1]["loss"] == pytest.approx(np.mean([event["loss"] for event in steps[3:]]))
    # forward, gradients of the weights, and of what enters the second layer; the pooled images need none
    assert written[0]["flops_img"] == 2 * (2 * (192 * 16 + 16 * 2) + 16 * 2)


def test_a_training_is_evaluated_on_its_own_clock(run: Run, make_network: Callable[..., Path]) -> None:
    """After every so many epochs and after the last; the best is a note."""
    told: list[Event] = []
    trained = run(make_network(), events=told, top1=[0.5, 0.75, 0.25], epochs=5, evaluate_every_epochs=2)
    assert trained.progress is not None

    assert [event["epoch"] for event in told if event["kind"] == "evaluate"] == [2, 4, 5]
    assert trained.progress.evaluate_s == 1.5
    assert told[-1]["best"] == {"top1": 0.75, "epoch": 4}


def test_a_reached_target_is_confirmed_and_ends_the_run(run: Run, make_network: Callable[..., Path]) -> None:
    """A second evaluation has to pass too; the weights are those of that epoch, and the average is what counts."""
    told: list[Event] = []
    recipe = {"epochs": 9, "evaluate_every_epochs": 1, "target": {"value": 0.6}}
    average = {"ema_decay": 0.5, "ranked_weights": "ema"}
    # last weights, average, and where the average passes its confirmation
    found = [0.9, 0.5, 0.9, 0.7, 0.5, 0.9, 0.7, 0.8]
    trained = run(make_network(), events=told, top1=found, **recipe, **average)
    targets = [event for event in told if event["kind"] == "target"]
    origin = open_submission(str(trained.folder)).manifest.training
    assert origin is not None

    assert [(event["epoch"], event["value"], event["confirmed"]) for event in targets] == [(2, 0.7, 0.5), (3, 0.7, 0.8)]
    assert (told[-1]["kind"], told[-1]["epoch"], origin.epochs) == ("end", 3, 3)


def test_the_average_is_exported_where_the_recipe_ranks_it(run: Run, make_network: Callable[..., Path]) -> None:
    """And differs from the last weights."""
    folder = make_network()
    last, average = (
        load_file(run(folder, out, ema_decay=0.5, ranked_weights=out).folder / "weights.safetensors")
        for out in ("last", "ema")
    )

    assert last.keys() == average.keys()
    assert not any(torch.equal(last[name], average[name]) for name in last)


def test_a_corrupt_image_ends_the_run_or_is_counted(
    run: Run, make_network: Callable[..., Path], shapes: Dataset, make_protocol: Callable[..., Protocol], tmp_path: Path
) -> None:
    """The file is named; it is left out only where the protocol says so."""
    root = tmp_path / "broken"
    shutil.copytree(shapes.root, root)
    bad = sorted((root / "train").rglob("*.JPEG"))[5]
    bad.write_bytes(b"no image")
    broken = open_dataset(root, make_protocol().dataset)
    with pytest.raises(DataError, match=bad.name):
        run(make_network(), dataset=broken)

    told: list[Event] = []
    trained = run(make_network(name="other"), dataset=broken, events=told, skip_corrupt=True)
    skipped = [event for event in told if event["kind"] == "skip"]
    assert trained.progress is not None
    assert trained.progress.num_skipped == len(skipped) == 2
    assert {event["sample"] for event in skipped} == {f"{bad.parent.name}/{bad.stem}"}


def test_accumulated_parts_give_the_gradients_of_the_whole(run: Run, make_network: Callable[..., Path]) -> None:
    """Also where parts and the last batch are uneven."""
    recipe = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 10, "drop_last": False}
    whole, parts = (
        load_file(run(make_network(name=f"n{n}"), options={"accumulate": n}, **recipe).folder / "weights.safetensors")
        for n in (1, 5)
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=1e-6)


class Detached(torch.nn.Linear):
    """A network that cannot learn."""

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Logits without a way back to the weights."""
        return super().forward(images_NCHW.flatten(1)).detach()


def look(module: torch.nn.Module) -> list[str]:
    return first_look(module, crop=2, num_outputs=3, device="cpu", autocast=nullcontext())


def test_the_first_look_changes_nothing() -> None:
    """No gradient and no batch statistic is left; unused parameters are found."""
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(12, 3))
    module.register_parameter("idle", torch.nn.Parameter(torch.ones(1)))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    assert look(module) == ["idle"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(weight.grad is None for weight in module.parameters())
    assert warning_of_unused([f"w{n}" for n in range(9)]).endswith("as they are: w0, w1, w2, w3, w4, ...")
    with pytest.raises(ModelError, match="its forward pass detaches them"):
        look(Detached(12, 3))


def count_and_raise(module: torch.nn.Module) -> None:
    with restored_buffers(module), submitted_code(1):
        module.get_buffer("count").add_(1)
        raise ValueError("oh")


def test_buffers_are_restored_after_an_error_too() -> None:
    """Also those that the state dict leaves out."""
    module = torch.nn.BatchNorm1d(2)
    module.register_buffer("count", torch.zeros(1), persistent=False)
    with pytest.raises(ModelError, match="raised ValueError: oh"):
        count_and_raise(module)

    assert module.get_buffer("count").item() == 0


def test_auxiliary_outputs_are_a_clear_error() -> None:
    """With what was returned and what to do."""
    from torchvision.models.googlenet import GoogLeNetOutputs

    logits_NC = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(OutputError, match=r"a GoogLeNetOutputs \(logits, aux_logits2, aux_logits1\) while training"):
        checked_logits(GoogLeNetOutputs(logits_NC, None, None), 2, 3)
    with pytest.raises(OutputError, match=r"a list of 2 while training, .*aux_logits = false"):
        checked_logits([logits_NC, logits_NC], 2, 3)
    with pytest.raises(OutputError, match=r"returned shape \(2, 3\) for 2 images, expected \(2, 4\)"):
        checked_logits(logits_NC, 2, 4)
    assert checked_logits(logits_NC, 2, 3) is logits_NC


@pytest.mark.parametrize(("size", "ranks", "parts"), [(8, 3, 1), (8, 2, 8), (10, 4, 1)])
def test_a_batch_that_cannot_be_shared_is_refused(size: int, ranks: int, parts: int) -> None:
    """With the numbers that can."""
    with pytest.raises(UsageError, match=rf"batch of {size} images cannot be cut .* fit: 1, 2"):
        check_split(size, ranks, parts)
    check_split(size, 2, 1)


def test_sums_do_not_depend_on_when_they_are_read() -> None:
    """So a checkpoint anywhere leaves the events as they are."""
    sums = torch.rand(6, 3) * 10

    def summed(read_after: set[int]) -> Progress:
        progress, tally = Progress(), Tally(ALONE)
        for step, sums_K in enumerate(sums, 1):
            tally.put(step, torch.cat([sums_K[:1], sums_K[1:].floor() + 1]))
            if step in read_after | {6}:
                for report in tally.read():
                    progress.add(report)
        return progress

    assert summed(set()) == summed({1, 4}) == summed({2, 3, 5})
    assert Progress(**summed(set()).tree()) == summed(set())
    assert StepReport(1, 0.5, 1, 2).loss == 0.5


def test_one_process_votes_for_itself() -> None:
    """Its request to stop is obeyed at once."""
    vote = StopVote(ALONE)

    assert (vote(False), vote(True)) == (False, True)
    vote.end()


def test_an_error_of_the_set_up_passes_where_there_is_one_process() -> None:
    """As it was raised."""
    with pytest.raises(UsageError, match="oh"), World(0, 1, 0).unison():
        raise UsageError("oh")
    with World(0, 1, 0).unison():
        pass


def test_batches_come_to_the_device_as_they_are() -> None:
    """And the seconds of waiting for them are counted."""
    pixels_NHWC = np.zeros((2, 4, 4, 3), np.uint8)
    batch = SimpleNamespace(images_NHWC=pixels_NHWC, labels_N=np.array([3, 1]))
    clock = Clock()
    (found,) = staged([batch], "cpu", clock)  # type: ignore[list-item]

    assert found.labels_N.tolist() == [3, 1]
    assert found.pixels_NHWC.shape == (2, 4, 4, 3)
    assert clock.wait_s > 0


def test_only_one_option_is_taken_out() -> None:
    """With its value, in both spellings."""
    words = ["a", "--processes", "2", "b", "--processes=3", "--other"]

    assert without_option(words, "--processes") == ["a", "b", "--other"]
