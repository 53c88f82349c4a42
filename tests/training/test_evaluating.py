"""Evaluation while training: the numbers of `bench evaluate`, each image once, and nothing is left changed."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from training.ranks import evaluate_rank, evaluator, network

from bench.backends.run import RunOptions
from bench.data.dataset import Dataset, open_dataset
from bench.errors import TimeLimitError
from bench.evaluate import evaluate
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.store import Store
from bench.training.evaluating import share_of

NETWORK = """
from torch import nn


def build_model():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 2)
    )
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    """Evaluation on the images that the tests train on."""
    content = load_protocol("shapes10-val").as_json()
    content |= {"id": "shapes2-val", "dataset": {"name": "shapes2", "split": "val", "num_samples": 4}}
    content["geometry"] |= {"resize": 36, "crop": 32}
    return Protocol.parse(content)


@pytest.fixture(scope="module")
def dataset(shapes_root: Path) -> Dataset:
    """Seven images, which neither 2 nor 3 ranks share evenly."""
    spec = load_protocol("shapes10-val").dataset.model_copy(update={"name": "shapes2", "split": "train"})
    return open_dataset(shapes_root, spec, limit=7)


def test_its_numbers_are_those_of_bench_evaluate(
    protocol: Protocol, dataset: Dataset, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """The same metrics with the same intervals, from the very same logits."""
    folder = make_network(NETWORK)
    module = network(folder)
    save_file(module.state_dict(), folder / "weights.safetensors")
    with_weights = (
        (folder / "submission.toml").read_text().replace("[outputs]", 'weights = "weights.safetensors"\n[outputs]')
    )
    (folder / "submission.toml").write_text(with_weights)
    options = RunOptions(device="cpu", batch_size=2)
    outcome = evaluate(open_submission(str(folder)), protocol, dataset, Store(tmp_path / "results"), options)
    found = evaluator(protocol, dataset).evaluate(module)

    assert found.metrics["top1"] == outcome.result.metrics["top1"]
    assert found.metrics["nll"] == outcome.result.metrics["nll"]
    assert found.metrics["top1"].num_samples == 7
    assert found.seconds > 0


def test_the_network_and_its_chance_stay_as_they_were(
    protocol: Protocol, dataset: Dataset, make_network: Callable[..., Path]
) -> None:
    """Modes of all parts, weights, statistics of batches, layout in memory, generators."""
    module = network(make_network(NETWORK)).train().requires_grad_(True)
    module[1].eval()  # frozen statistics stay frozen
    before = {name: value.clone() for name, value in module.state_dict().items()}
    strides = [parameter.stride() for parameter in module.parameters()]
    state = torch.get_rng_state()
    one = evaluator(protocol, dataset)
    one.evaluate(module)
    one.evaluate(module)

    assert [part.training for part in module] == [True, False, True, True, True, True]
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert strides == [parameter.stride() for parameter in module.parameters()]
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert len(one.spent_s) == 2


def test_an_evaluation_may_not_take_for_ever(
    protocol: Protocol, dataset: Dataset, make_network: Callable[..., Path]
) -> None:
    """Time that no clock counts has a cap."""
    with pytest.raises(TimeLimitError, match="longer than 0 s"):
        evaluator(protocol, dataset, cap_s=0.0).evaluate(network(make_network(NETWORK)))


@pytest.mark.parametrize("num_samples", [0, 1, 7, 50_000])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_shares_are_all_positions_once(num_samples: int, world_size: int) -> None:
    """In order, and no rank has more than one more than another."""
    shares = [share_of(num_samples, rank, world_size) for rank in range(world_size)]

    assert [position for share in shares for position in share] == list(range(num_samples))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.slow
def test_ranks_count_each_image_once(protocol: Protocol, dataset: Dataset, make_network: Callable[..., Path]) -> None:
    """Three processes, seven images: every rank has the numbers of one process, and the error of any rank."""
    folder = make_network(NETWORK)
    alone = evaluator(protocol, dataset).evaluate(network(folder)).metrics
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for rank in range(3):
        ours, theirs = context.Pipe(duplex=False)
        processes.append(context.Process(target=evaluate_rank, args=(rank, 3, port, protocol, dataset, folder, theirs)))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    answers = []
    for pipe in pipes:
        assert pipe.poll(300)
        answers.append(pipe.recv())
    for process in processes:
        process.join(60)

    assert [found["top1"] for found, _ in answers] == [alone["top1"]] * 3
    assert all(found["nll"].value == pytest.approx(alone["nll"].value, rel=1e-6) for found, _ in answers)
    assert all("NaN or infinite" in failed for _, failed in answers)
