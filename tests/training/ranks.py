"""Evaluation on several ranks; in a module of its own, which a spawned child can import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from bench.data.dataset import Dataset
from bench.errors import NonFiniteError
from bench.models.build import build_model
from bench.models.source import open_submission
from bench.records.protocol import Protocol
from bench.records.submission import InputSpec
from bench.training.evaluating import Evaluator


def evaluator(protocol: Protocol, dataset: Dataset, **more: Any) -> Evaluator:
    """Evaluation on the CPU, two images a batch."""
    fixed = {"input": InputSpec(), "background": False, "device": "cpu", "num_threads": 1, "batch_size": 2}
    return Evaluator(protocol=protocol, dataset=dataset, **(fixed | more))


def network(folder: Path) -> torch.nn.Module:
    """The network of a submission, always with the same weights."""
    return build_model(open_submission(str(folder)), cache_folder=folder, seed=1).module


def evaluate_rank(
    rank: int, world_size: int, port: int, protocol: Protocol, dataset: Dataset, folder: Path, pipe: Any
) -> None:
    """Evaluates on one of several ranks, and once more where the first rank's network is broken."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    module = network(folder)
    found = evaluator(protocol, dataset).evaluate(module).metrics
    if rank == 0:
        with torch.no_grad():
            module[5].bias.fill_(float("nan"))  # this rank's network is broken, the others' are not
    try:
        evaluator(protocol, dataset).evaluate(module)
        failed = ""
    except NonFiniteError as error:
        failed = str(error)
    pipe.send((found, failed))
    torch.distributed.destroy_process_group()
