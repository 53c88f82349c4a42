"""A training that is broken off and resumed is the training that was not, whatever the recipe."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bench.data.dataset import Dataset
from bench.errors import NonFiniteError, RequeueError, StoreError, UsageError
from bench.models.source import open_submission
from bench.records.protocol import Protocol
from bench.training.checkpoint import checkpoints_in, read_checkpoint
from bench.training.events import read_events
from bench.training.options import TrainOptions
from bench.training.resume import Setting, check_same_setting, check_world_size, rank_dependencies, what_may_differ
from bench.training.run_folder import locked
from bench.training.train import Trained, train

DRAWING = """
from torch import nn


def build_model():
    layers = [nn.Conv2d(3, 4, 3, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, 2))
"""
DIVERGES = """
import torch
from torch import nn


class Net(nn.Linear):
    num_calls = 0

    def forward(self, images):
        self.num_calls += 1
        return super().forward(images.flatten(1)) * (float("nan") if self.num_calls == {call} else 1)


def build_model():
    return Net(3 * 32 * 32, 2)
"""


class BrokenOffError(Exception):
    """What ends a training in the tests, as suddenly as a signal would."""


Run = Callable[..., Trained]


@pytest.fixture
def run(shapes: Dataset, make_protocol: Callable[..., Protocol], tmp_path: Path) -> Run:
    """A function that trains; `until` breaks it off after so many steps, or sends itself a signal."""

    def start(
        folder: Path,
        out: str = "out",
        *,
        until: int | None = None,
        by: signal.Signals | None = None,
        options: dict[str, Any] | None = None,
        dataset: Dataset = shapes,
        precisions: tuple[str, ...] = ("fp32", "bf16", "fp16"),
        notes: list[str] | None = None,
        **recipe: Any,
    ) -> Trained:
        content = make_protocol(**recipe).as_json() | {"precision": {"allowed": list(precisions)}}
        steps = []

        def on_progress(count: int) -> None:
            if count > 1:  # the images of a step, not one that was prepared
                steps.append(count)
                if len(steps) == until and by is not None:
                    os.kill(os.getpid(), by)
                elif len(steps) == until:
                    raise BrokenOffError

        return train(
            open_submission(str(folder)),
            Protocol.parse(content),
            dataset,
            tmp_path / out,
            TrainOptions(**{"device": "cpu", "checkpoint_every": 2} | (options or {})),
            on_progress=on_progress,
            on_note=None if notes is None else notes.append,
        )

    return start


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return load_file(trained.folder / "weights.safetensors")


def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "acme" / ".net.training"


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ({"optimizer": "sgd", "schedule": "step", "step_epochs": [1], "weight_decay": 1e-3}, {}),
        ({"optimizer": "nesterov", "warmup_epochs": 1.0, "ema_decay": 0.9, "ema_rule": "torchvision"}, {}),
        ({"optimizer": "lamb", "loss": "bce", "mixup_alpha": 0.1, "cutmix_alpha": 1.0, "mixing": "timm"}, {}),
        ({"optimizer": "rmsprop", "schedule": "poly", "schedule_unit": "epoch", "clip_grad_norm": 1.0}, {}),
        ({"warmup_prefix": False, "warmup_epochs": 1.0}, {"precision": "bf16"}),
        ({"drop_last": False, "batch_size": 10, "repeated_augmentation": 2}, {"accumulate": 5}),
        ({"label_smoothing": 0.1}, {"precision": "fp16", "attempt": 2}),
    ],
    ids=["step", "ema", "lamb", "poly", "timm", "rest", "fp16"],
)
def test_every_part_of_a_recipe_goes_on_where_it_was(
    run: Run, make_network: Callable[..., Path], recipe: dict[str, Any], options: dict[str, Any]
) -> None:
    """Weights bit for bit, and the events but for their times."""
    folder = make_network(DRAWING)
    straight = run(folder, "straight", options=options, **recipe)
    with pytest.raises(BrokenOffError):
        run(folder, until=3, options=options, **recipe)
    resumed = run(folder, options=options | {"resume": True}, **recipe)

    assert resumed.progress is not None
    assert (resumed.progress.num_restarts, resumed.reused) == (1, False)
    for name, tensor in weights(straight).items():
        assert torch.equal(weights(resumed)[name], tensor), name
    kept = ("kind", "step", "epoch", "loss", "top1", "learning_rate", "images")
    found, wanted = (
        [{key: event.get(key) for key in kept} for event in read_events(trained.folder / "training/events.jsonl")]
        for trained in (resumed, straight)
    )
    assert [event for event in found if event["kind"] != "restart"] == wanted


@pytest.mark.parametrize(("by", "error"), [(signal.SIGTERM, RequeueError), (signal.SIGINT, KeyboardInterrupt)])
@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_training_that_is_asked_to_stop_saves_first(
    run: Run,
    make_network: Callable[..., Path],
    tmp_path: Path,
    by: signal.Signals,
    error: type[BaseException],
    step: int,
) -> None:
    """After the very step that was being done, also where that was saved already; it ends the same."""
    folder = make_network(DRAWING)
    straight = run(folder, "straight")
    with pytest.raises(error):
        run(folder, until=step, by=by)
    *_, newest = checkpoints_in(run_folder(tmp_path) / "checkpoints")
    resumed = run(folder, options={"resume": True})

    assert newest.name == f"step-{step:08d}"
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(straight).items())


def test_steps_that_overflow_in_fp16_change_nothing_and_are_counted(
    run: Run, make_network: Callable[..., Path]
) -> None:
    """The loss scale falls, the schedule waits, and the counts are told."""
    code = DRAWING.replace("nn.Linear(256, 2))", "nn.Linear(256, 2), Times())")
    code += "\nclass Times(nn.Module):\n    def forward(self, x):\n        return x * 100\n"
    trained = run(make_network(code), options={"precision": "fp16"}, epochs=4)
    assert trained.progress is not None

    assert 0 < trained.progress.num_overflows < trained.progress.step == 12
    last = read_events(trained.folder / "training/events.jsonl")[-1]
    assert (last["kind"], last["num_overflows"]) == ("end", trained.progress.num_overflows)


def test_an_unfinished_training_is_not_begun_again_by_chance(run: Run, make_network: Callable[..., Path]) -> None:
    """Days of work may lie there; --resume or removing it is the user's word. Without one, --resume begins."""
    folder = make_network()
    assert not run(folder, "other", options={"resume": True}).reused
    with pytest.raises(BrokenOffError):
        run(folder, until=3)

    with pytest.raises(UsageError, match=r"unfinished training \(step-00000002\); go on with it by --resume"):
        run(folder)


def test_a_training_that_was_reused_leaves_an_unfinished_one_alone(
    run: Run, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """What lies there of another protocol may be days of work; what only was not tidied up goes."""
    folder = make_network()
    trained = run(folder)
    with pytest.raises(BrokenOffError):
        run(folder, "other", until=3, learning_rate=0.5)
    (tmp_path / "other" / "acme" / ".net.training").rename(run_folder(tmp_path))
    assert run(folder).reused
    assert checkpoints_in(run_folder(tmp_path) / "checkpoints")

    shutil.copy(trained.folder / "training" / "events.jsonl", run_folder(tmp_path))
    assert run(folder).reused
    assert not run_folder(tmp_path).exists()


def test_a_changed_protocol_or_submission_or_option_is_refused(run: Run, make_network: Callable[..., Path]) -> None:
    """All that changed is named."""
    folder = make_network()
    with pytest.raises(BrokenOffError):
        run(folder, until=3)

    resumed = {"resume": True}
    with pytest.raises(UsageError, match="the content of the protocol changed from"):
        run(folder, options=resumed, learning_rate=0.5)
    with pytest.raises(UsageError, match=r"the precision \(--precision\) changed from fp32 to bf16"):
        run(folder, options=resumed | {"precision": "bf16", "accumulate": 2})
    (folder / "model.py").write_text((folder / "model.py").read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match=r"the submission \(its manifest, code or weights\) changed"):
        run(folder, options=resumed)


def test_changed_images_are_refused(run: Run, make_network: Callable[..., Path], shapes: Dataset) -> None:
    """Their content counts, not their names."""
    folder = make_network()
    with pytest.raises(BrokenOffError):
        run(folder, until=3)
    first, second, *rest = shapes.samples
    samples = (replace(first, path=second.path), replace(second, path=first.path), *rest)
    swapped = replace(shapes, samples=samples)

    with pytest.raises(UsageError, match="the training images changed"):
        run(folder, options={"resume": True}, dataset=swapped)


def test_a_full_disk_leaves_the_last_checkpoint_good(
    run: Run, make_network: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with a sentence, and goes on from there when there is space again."""
    folder = make_network()
    straight = run(folder, "straight")
    import safetensors.torch as library

    save, calls = library.save_file, []

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half of")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(StoreError, match="the disk is full"):
            run(folder)
    (kept,) = checkpoints_in(run_folder(tmp_path) / "checkpoints")
    assert read_checkpoint(kept).step == 2
    assert read_events(run_folder(tmp_path) / "events.jsonl")[-1]["kind"] == "failure"

    resumed = run(folder, options={"resume": True})
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(straight).items())


def test_a_damaged_checkpoint_is_passed_over(run: Run, make_network: Callable[..., Path], tmp_path: Path) -> None:
    """The one before it is taken."""
    folder = make_network()
    straight = run(folder, "straight")
    with pytest.raises(BrokenOffError):
        run(folder, until=6)
    *_, newest = checkpoints_in(run_folder(tmp_path) / "checkpoints")
    (newest / "tensors.safetensors").write_bytes(b"not what was saved")
    resumed = run(folder, options={"resume": True})

    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(straight).items())


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_checkpoint(
    run: Run, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """A typed failure with its step; events and checkpoint lie where the submission would be."""
    folder = make_network(DIVERGES.format(call=6))  # the first call is the look at the network
    with pytest.raises(NonFiniteError, match="the loss is nan in epoch 2, step 5"):
        run(folder)
    left = tmp_path / "out" / "acme" / "net"
    last = read_events(left / "training" / "events.jsonl")[-1]
    *_, newest = checkpoints_in(left / "training" / "checkpoints")

    assert (last["kind"], last["outcome"]) == ("failure", "nonfinite")
    assert read_checkpoint(newest).step == 4
    assert [path.name for path in left.iterdir()] == ["training"]
    assert not run_folder(tmp_path).exists()


def test_a_second_training_in_the_same_place_is_refused(
    run: Run, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """Two processes never write one folder."""
    folder = make_network()
    with locked(run_folder(tmp_path)), pytest.raises(UsageError, match="another bench train is at work in"):
        run(folder)


def test_parameters_without_gradients_are_named(run: Run, make_network: Callable[..., Path]) -> None:
    """They stay as they are, and the user is told which."""
    code = "from torch import nn\n\n\nclass Net(nn.Linear):\n    def __init__(self):\n"
    code += "        super().__init__(3072, 2)\n        self.unused = nn.Linear(3, 3)\n"
    code += "    def forward(self, x):\n        return super().forward(x.flatten(1))\n\n\nbuild_model = Net\n"
    notes: list[str] = []
    trained = run(make_network(code), notes=notes, weight_decay=0.5)

    assert notes == [
        "Warning: 2 parameters do not take part in the logits, get no gradients and stay as they are: "
        "unused.weight, unused.bias"
    ]
    assert "unused.weight" in weights(trained)


SETTING = Setting(
    protocol="p",
    protocol_digest="a" * 64,
    dataset_digest="b" * 64,
    trained_from="c" * 64,
    attempt=1,
    seed=1,
    precision="fp32",
    accumulate=1,
    compiled=False,
    deterministic=True,
    sharded=False,
    device_type="cpu",
    world_size=2,
    num_threads=1,
    torch="2.15.0",
    bench_version="0.1.0",
)


def test_all_that_changed_is_named_at_once() -> None:
    """Digests by their first digits; what may move the last bits alone is no reason to refuse."""
    other = SETTING.model_copy(update={"dataset_digest": "d" * 64, "compiled": True, "torch": "2.16.0"})

    with pytest.raises(UsageError, match=r"images changed from bbbbbbbbbbbb to dddddddddddd; comp.* from off to on"):
        check_same_setting(SETTING, other, "here")
    assert what_may_differ(SETTING, other) == ["version of torch changed from 2.15.0 to 2.16.0"]


def test_another_number_of_ranks_is_taken_where_it_changes_nothing() -> None:
    """Batch statistics, mixing and drawn numbers each forbid it; the message says which."""
    plain = torch.nn.Linear(1, 1)
    assert rank_dependencies(plain, mixes=False, synced=False, drew=False) == []
    check_world_size(2, 4, [])
    check_world_size(2, 2, ["anything"])

    normalised = torch.nn.Sequential(plain, torch.nn.BatchNorm1d(1))
    assert rank_dependencies(normalised, mixes=False, synced=True, drew=False) == []
    reasons = rank_dependencies(normalised, mixes=True, synced=False, drew=True)
    assert len(reasons) == 3
    with pytest.raises(UsageError, match="began on 2 processes and cannot go on with 4: batch normalisation"):
        check_world_size(2, 4, reasons)
