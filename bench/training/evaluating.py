"""Evaluation while a network is trained: the pixels, the logits and the metrics of `bench evaluate`, on a clock apart.

Every image counts exactly once on any number of ranks: each rank answers a run of consecutive images, and the answers,
which carry their sample ids, are put together before anything is computed from them. (A sampler that gives all ranks
equally many images repeats some; the mean of the ranks' means is then no mean over images.) The arithmetic is float32
whatever the training's is, and `nll` is the plain cross-entropy of the labels, without smoothing, mixing or weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.backends.base import ModelSession, RunSpec
from bench.backends.device import DEFAULT_BATCH_SIZES, device_type
from bench.backends.inference import answer
from bench.data.cache import CropCache, open_crops
from bench.data.dataset import Dataset
from bench.data.loader import Batch, batches_a_turn, iter_batches
from bench.data.transforms import geometry_of
from bench.errors import BenchError, TimeLimitError, UsageError
from bench.metrics.base import Answers
from bench.metrics.scoring import estimate
from bench.models.build import BuiltModel
from bench.records.predictions import Predictions
from bench.records.protocol import Precision, Protocol
from bench.records.result import Estimate
from bench.records.submission import InputSpec

if TYPE_CHECKING:
    import torch

__all__ = ["METRICS_IN_TRAINING", "PRECISION", "Evaluated", "Evaluator", "share_of"]

METRICS_IN_TRAINING = ("top1", "top5", "nll")
"""What is measured between epochs; the rest needs a whole `bench evaluate`."""
PRECISION: Precision = "fp32"
"""In which arithmetic networks are evaluated while they are trained."""
DEFAULT_CAP_S = 3600.0


class Evaluated(NamedTuple):
    """What one evaluation gave; the same on every rank."""

    metrics: dict[str, Estimate]
    """The metrics of `METRICS_IN_TRAINING` over all images; rates are fractions."""
    seconds: float
    """Wall time of this rank, until all ranks were done."""


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """How the networks of one training are evaluated."""

    protocol: Protocol
    """Of kind `evaluate`: what the training protocol's `evaluate_with` names."""
    dataset: Dataset
    """Its images."""
    input: InputSpec
    """The submission's normalisation; and its geometry where the protocol leaves that open."""
    background: bool
    """Output 0 is the background class."""
    device: str
    """Where the network lies."""
    num_threads: int
    """Threads that decode images."""
    cache_folder: Path | None = None
    """Where decoded crops are kept from one evaluation to the next; None decodes each time."""
    digest: str | None = None
    """The dataset's digest; the cache needs it."""
    batch_size: int | None = None
    """Images a batch; None for the device's default."""
    cap_s: float = DEFAULT_CAP_S
    """The longest that one evaluation may take: time that no clock counts is no place to compute in."""
    spent_s: list[float] = field(default_factory=list)
    """The seconds of every evaluation so far: a clock of its own, beside that of the training."""

    def evaluate(self, module: torch.nn.Module) -> Evaluated:
        """Evaluates a network in its present state, and leaves it, its mode and all random generators as they were.

        Every rank of a distributed run calls this at the same time.

        Args:
            module: The network on its device, not compiled: maps normalised float32 images to logits.

        Raises:
            SubmissionError: The network raised, or its logits are not finite or of a wrong shape.
            TimeLimitError: It took longer than `cap_s`.
            DataError: An image cannot be decoded.
        """
        if self.protocol.kind != "evaluate":
            raise UsageError(f"the protocol {self.protocol.id!r} is of kind {self.protocol.kind!r}, not 'evaluate'")
        import torch

        started = time.perf_counter()
        rank, world_size = _place()
        with torch.no_grad(), _as_it_was(module, self.device):
            parts = _gathered(self._answers(module, rank, world_size), world_size)
        metrics = estimate(METRICS_IN_TRAINING, Answers(_joined(parts, self.dataset), self.dataset.labels_N))
        seconds = time.perf_counter() - started
        self.spent_s.append(seconds)
        return Evaluated(metrics, seconds)

    def _answers(self, module: torch.nn.Module, rank: int, world_size: int) -> Predictions | BenchError:
        """This rank's answers; an error is an answer too, for the other ranks wait."""
        from bench.backends.arithmetic import arithmetic
        from bench.backends.local import session_over

        positions = share_of(len(self.dataset), rank, world_size)
        part = replace(self.dataset, samples=self.dataset.samples[positions.start : positions.stop], complete=False)
        spec = RunSpec(
            device=self.device,
            precision=PRECISION,
            num_classes=self.dataset.classes.num_classes,
            cache_folder=self.cache_folder or Path(),
        )
        try:
            with arithmetic(PRECISION):
                session = session_over(BuiltModel(module=module, input=self.input), spec, background=self.background)
                outcomes = answer([session], self._batches(positions), part, self._alarm())
                _keep_step(session, self._num_batches(world_size) - self._num_batches_of(positions), self._crop())
        except BenchError as error:
            return error
        return outcomes[0] if isinstance(outcomes[0], BenchError) else outcomes[0].predictions

    def _batches(self, positions: range) -> Iterator[Batch]:
        """The rank's images in order, their positions counted from its own first one."""
        if not positions:
            return
        protocol, geometry = self.protocol, self.protocol.geometry or geometry_of(self.input)
        views = protocol.views.kind if protocol.views is not None else "single"
        # As in `bench evaluate`: on a CPU decoding and computing take turns on the same cores.
        turn = batches_a_turn(geometry, views, self._size()) if device_type(self.device) == "cpu" else None
        with self._cache() or nullcontext() as cache:
            for batch in iter_batches(
                self.dataset,
                geometry,
                views=views,
                batch_size=self._size(),
                num_threads=self.num_threads,
                cache=cache,
                turn=turn,
                positions=positions,
            ):
                yield replace(batch, start=batch.start - positions.start)

    def _cache(self) -> CropCache | None:
        if self.cache_folder is None or self.digest is None:
            return None
        geometry, views = self.protocol.geometry or geometry_of(self.input), self.protocol.views
        kind = views.kind if views is not None else "single"
        return open_crops(self.cache_folder, self.dataset, self.digest, geometry, kind, on_note=lambda _: None)

    def _alarm(self) -> Callable[[int, int], None]:
        """Ends an evaluation that takes too long."""
        deadline = time.perf_counter() + self.cap_s

        def check(_: int, __: int) -> None:
            if time.perf_counter() > deadline:
                raise TimeLimitError(
                    f"the evaluation took longer than {self.cap_s:g} s, which is all it may take beside the training; "
                    "a network that computes so long belongs to another protocol"
                )

        return check

    def _size(self) -> int:
        return self.batch_size or DEFAULT_BATCH_SIZES[device_type(self.device)]

    def _crop(self) -> int:
        return (self.protocol.geometry or geometry_of(self.input)).crop

    def _num_batches_of(self, positions: range) -> int:
        return -(-len(positions) // self._size())

    def _num_batches(self, world_size: int) -> int:
        """Of the rank that has most."""
        return max(self._num_batches_of(share_of(len(self.dataset), rank, world_size)) for rank in range(world_size))


def share_of(num_samples: int, rank: int, world_size: int) -> range:
    """The consecutive positions that a rank answers; the ranks' shares are all of them, each once.

    >>> [share_of(10, rank, 4) for rank in range(4)]
    [range(0, 2), range(2, 5), range(5, 7), range(7, 10)]
    """
    return range(rank * num_samples // world_size, (rank + 1) * num_samples // world_size)


def _place() -> tuple[int, int]:
    """This process's rank and how many there are."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _gathered(found: Predictions | BenchError, world_size: int) -> list[Predictions]:
    """The answers of all ranks in their order; the first error of any rank is raised on all of them."""
    parts: list[Predictions | BenchError | None] = [found]
    if world_size > 1:
        from torch import distributed

        parts = [None] * world_size
        distributed.all_gather_object(parts, found)
    for part in parts:
        if isinstance(part, BenchError):
            raise part
    return [part for part in parts if isinstance(part, Predictions)]


def _joined(parts: list[Predictions], dataset: Dataset) -> Predictions:
    """One record of all answers.

    Raises:
        PredictionsError: They are not the answers to each image once.
    """
    names = ("top_classes_NK", "top_log_probs_NK", "label_log_prob_N", "sum_squared_probs_N")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    sample_ids = tuple(sample_id for part in parts for sample_id in part.sample_ids)
    assert sample_ids == dataset.sample_ids, "the shares are all positions in order"  # noqa: S101 - our own invariant
    return Predictions(sample_ids=sample_ids, num_classes=dataset.classes.num_classes, **arrays)


def _keep_step(session: ModelSession, num_missing: int, crop: int) -> None:
    """Forward passes whose answers nobody reads: ranks that share the parameters must all take part in each."""
    for _ in range(num_missing):
        session.logits(np.zeros((1, crop, crop, 3), np.uint8))


@contextmanager
def _as_it_was(module: torch.nn.Module, device: str) -> Iterator[None]:
    """Puts a network into evaluation mode for a while; modes of all its parts and generators are restored."""
    import torch

    modes = [(part, part.training) for part in module.modules()]
    devices = [torch.device(device)] if device_type(device) == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            module.eval()
            yield
        finally:
            for part, was_training in modes:
                part.training = was_training
