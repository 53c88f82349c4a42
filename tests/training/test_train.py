"""Training, from a submission to a submission with weights."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset
from bench.errors import (
    BenchError,
    ModelError,
    NonFiniteError,
    OutputError,
    StoreError,
    SubmissionError,
    UsageError,
)
from bench.models.build import build_model
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.training.attempts import attempt_seed
from bench.training.events import read_events
from bench.training.options import TrainOptions
from bench.training.progress import EpochReport
from bench.training.randomness import captured_generators, own_generators, seed_generators
from bench.training.state import same_state
from bench.training.train import Trained, num_images_seen, train
from bench.version import __version__

MakeNetwork = Callable[..., Path]
MakeProtocol = Callable[..., Protocol]


@pytest.fixture
def trained(shapes: Dataset, make_protocol: MakeProtocol, tmp_path: Path) -> Callable[..., Trained]:
    """A function that trains a folder for two epochs."""

    def run(folder: Path, out: str = "out", attempt: int = 1, **recipe: object) -> Trained:
        options = TrainOptions(device="cpu", attempt=attempt)
        return train(open_submission(str(folder)), make_protocol(**recipe), shapes, tmp_path / out, options)

    return run


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return load_file(trained.folder / "weights.safetensors")


def test_the_outcome_is_a_submission_with_its_origin(
    trained: Callable[..., Trained],
    make_network: MakeNetwork,
    shapes: Dataset,
    make_protocol: MakeProtocol,
    tmp_path: Path,
) -> None:
    """At OUT/TEAM/NAME, with all files, the weights and their sha256, and how they came to be."""
    source = open_submission(str(make_network(more="kwargs = { num_outputs = 2 }")))
    outcome = trained(source.folder)
    found = open_submission(str(outcome.folder))
    origin = found.manifest.training

    assert (outcome.folder, outcome.reused) == (tmp_path / "out/acme/net", False)
    assert found.label == "acme/net"
    assert sorted(path.relative_to(outcome.folder).as_posix() for path in outcome.folder.rglob("*.*")) == [
        "README.md",
        "model.py",
        "submission.toml",
        "training/events.jsonl",
        "weights.safetensors",
    ]
    assert found.manifest.model.kwargs == {"num_outputs": 2}
    assert origin is not None
    assert origin.trained_from == source.digest
    assert origin.protocol_digest == make_protocol().digest()
    assert origin.dataset_digest == dataset_digest(shapes, cache_folder=None, num_threads=1)
    assert (origin.protocol, origin.seed, origin.epochs) == ("shapes2-train", attempt_seed(source.digest, 1), 2)


def test_the_weights_are_those_that_the_model_loads(
    trained: Callable[..., Trained], make_network: MakeNetwork, tmp_path: Path
) -> None:
    """And they are not the initial ones."""
    folder = make_network()
    outcome = trained(folder)
    built = build_model(open_submission(str(outcome.folder)), cache_folder=tmp_path)
    drawn = build_model(open_submission(str(folder)), cache_folder=tmp_path)

    for name, tensor in built.module.state_dict().items():
        assert torch.equal(tensor, weights(outcome)[name])
        assert not torch.equal(tensor, drawn.module.state_dict()[name])


def test_training_is_deterministic_on_a_cpu(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """Equal seeds give equal weights bit for bit, also with dropout; another attempt's seed gives others."""
    code = "from torch import nn\n\n\ndef build_model():\n"
    code += "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
    folder = make_network(code + "nn.Linear(8, 2))\n")
    first, second = weights(trained(folder, "a")), weights(trained(folder, "b"))
    other = weights(trained(folder, "c", attempt=2))

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_callers_generators_alone(
    trained: Callable[..., Trained], make_network: MakeNetwork
) -> None:
    """What a caller draws afterwards does not depend on it."""
    with own_generators("cpu"):
        seed_generators(7, 0)
        expected = captured_generators("cpu")
        trained(make_network())

        assert same_state(captured_generators("cpu"), expected)


def test_training_learns_and_reports_it(
    shapes: Dataset, make_protocol: MakeProtocol, make_network: MakeNetwork
) -> None:
    """The loss falls well below that of guessing, and the progress counts every image."""
    folder, protocol = make_network(), make_protocol(epochs=40, learning_rate=0.01)
    reports: list[EpochReport] = []
    seen: list[int] = []
    train(
        open_submission(str(folder)),
        protocol,
        shapes,
        folder.parents[2] / "out",
        TrainOptions(device="cpu"),
        on_progress=seen.append,
        on_epoch=reports.append,
    )

    assert [report.epoch for report in reports] == list(range(1, 41))
    assert reports[0].loss > 0.6
    assert reports[-1].loss < 0.4
    assert reports[-1].top1 > 0.8
    assert sum(seen) == num_images_seen(protocol, shapes)


def test_an_equal_training_is_not_repeated(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """But damaged weights are trained again, in the same place."""
    folder = make_network()
    first = trained(folder)
    again = trained(folder)
    assert (again.folder, again.reused) == (first.folder, True)

    (first.folder / "weights.safetensors").write_bytes(b"damaged")
    assert not trained(folder).reused
    assert trained(folder).reused


def test_another_training_that_has_ended_there_is_kept(
    trained: Callable[..., Trained], make_network: MakeNetwork
) -> None:
    """Of another text of the protocol, or of altered code: days of work, which only a person removes."""
    folder = make_network()
    first = trained(folder)
    before = weights(first)
    with pytest.raises(UsageError, match=r"acme/net holds a training under shapes2-train that has ended.*another text"):
        trained(folder, epochs=1)
    (folder / "model.py").write_text((folder / "model.py").read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match=r"another manifest, code or weights.*; remove it, or name another --out"):
        trained(folder)

    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(first).items())
    assert not list(first.folder.parent.glob(".*"))


def test_another_round_that_has_ended_there_is_kept(
    shapes: Dataset, make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """Nothing but its seed differs."""
    source, protocol = open_submission(str(make_network())), make_protocol()
    train(source, protocol, shapes, tmp_path / "out", TrainOptions(device="cpu"))
    with pytest.raises(UsageError, match="not this one: another --round-key; remove it"):
        train(source, protocol, shapes, tmp_path / "out", TrainOptions(device="cpu", round_key=b"k" * 32))


def test_a_training_by_another_version_of_bench_is_not_repeated(
    trained: Callable[..., Trained], make_network: MakeNetwork
) -> None:
    """An upgrade between two attempts costs no attempt; who trained it is told."""
    folder = make_network()
    first = trained(folder)
    manifest = first.folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace(f'bench_version = "{__version__}"', 'bench_version = "0.0.1"'))
    again = trained(folder)

    assert (first.bench_version, again.reused, again.bench_version) == (__version__, True, "0.0.1")


def test_weights_that_came_along_are_left_behind(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """Training starts from drawn weights; the old file is neither loaded nor copied."""
    folder = make_network(more='weights = "old.safetensors"')
    (folder / "old.safetensors").write_bytes(b"not even weights")

    assert not (trained(folder).folder / "old.safetensors").exists()


def test_a_background_class_is_output_zero(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """A network with one more output trains too."""
    folder = make_network(more="kwargs = { num_outputs = 3 }", outputs="background = true")

    assert weights(trained(folder))["4.bias"].shape == (3,)


def test_what_bench_did_not_train_is_not_replaced(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """Neither the submission itself nor anything else that lies there."""
    folder = make_network()
    with pytest.raises(UsageError, match="did not write"):
        trained(folder, "mine")

    other = folder.parents[2] / "out" / "acme" / "net"
    other.mkdir(parents=True)
    (other / "thesis.txt").write_text("work of years")
    with pytest.raises(UsageError, match="did not write"):
        trained(folder)
    assert (other / "thesis.txt").read_text() == "work of years"


def test_a_full_disk_leaves_the_earlier_submission_whole(
    trained: Callable[..., Trained], make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one is written beside it and takes its place at the end."""
    folder = make_network()
    first = trained(folder)
    (first.folder / "weights.safetensors").write_bytes(b"damaged")  # which is why it is trained again

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(StoreError, match="the disk is full"):
        trained(folder)
    assert (first.folder / "weights.safetensors").read_bytes() == b"damaged"
    assert sorted(path.name for path in first.folder.parent.iterdir()) == [".net.training", "net"]


def test_what_a_killed_export_left_is_swept(trained: Callable[..., Trained], make_network: MakeNetwork) -> None:
    """A half-written folder is never taken for a submission, and goes at the next training."""
    folder = make_network()
    half = folder.parents[2] / "out" / "acme" / ".net.bench-new"
    half.mkdir(parents=True)
    (half / "model.py").write_text("half of")

    assert [path.name for path in trained(folder).folder.parent.iterdir()] == ["net"]


RAISES = "from torch import nn\nclass Bad(nn.Linear):\n    def forward(self, x):\n        raise ValueError('oh')\n"
INFINITE = "from torch import nn\nclass Bad(nn.Linear):\n    def forward(self, x):\n"
INFINITE += "        return super().forward(x.flatten(1)) * float('inf')\n"
CONV = "from torch import nn\ndef build_model():\n    return "
BUILD = "def build_model():\n    return Bad(3 * 32 * 32, 2)\n"


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (RAISES + BUILD, ModelError, "training the model raised ValueError: oh"),
        (INFINITE + BUILD, NonFiniteError, "the loss is nan in epoch 1"),
        (CONV + "nn.Conv2d(3, 2, 3)\n", OutputError, r"shape \(2, 2, 30, 30\) for 2 images, expected \(2, 2\)"),
        (CONV + "nn.LSTM(32, 2)\n", ModelError, "training the model raised"),
        (CONV + "nn.AdaptiveMaxPool2d(1, True)\n", ModelError, "no parameters to train"),
    ],
)
def test_networks_that_cannot_be_trained_are_named_failures(
    trained: Callable[..., Trained], make_network: MakeNetwork, code: str, error: type[BenchError], words: str
) -> None:
    """Each with one sentence, and nothing is exported."""
    folder = make_network(code)
    out = folder.parents[2] / "out" / "acme" / "net"
    with pytest.raises(error, match=words):
        trained(folder)
    assert not (out / "submission.toml").exists()
    assert not (out / "weights.safetensors").exists()
    assert [event["kind"] for event in read_events(out / "training" / "events.jsonl")][-1] == "failure"


def test_only_fitting_submissions_and_protocols_are_trained(
    shapes: Dataset, make_protocol: MakeProtocol, make_network: MakeNetwork, tmp_path: Path
) -> None:
    """A protocol without recipe, another class table, a source without weights."""
    net = open_submission(str(make_network()))
    with pytest.raises(UsageError, match="needs kind 'train'"):
        train(net, load_protocol("shapes10-val"), shapes, tmp_path / "out")

    other = open_submission("timm:resnet18.a1_in1k")
    with pytest.raises(SubmissionError, match="training images are of 'shapes2'"):
        train(other, make_protocol(), shapes, tmp_path / "out")

    folder = tmp_path / "mine" / "acme" / "answers"
    folder.mkdir(parents=True)
    (folder / "answers.txt").write_text("1\n")
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Answers"\n[model]\nsource = "predictions"\nfile = "answers.txt"\n'
    )
    with pytest.raises(SubmissionError, match="has no weights to train"):
        train(open_submission(str(folder)), make_protocol(), shapes, tmp_path / "out")
