"""What one training is: the submission, the recipe, the images, the machine, and where it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.backends.device import device_type
from bench.data.dataset import Dataset
from bench.files import digest_of
from bench.models.source import LoadedSubmission
from bench.records.protocol import Precision, Protocol
from bench.records.recipe import Recipe
from bench.training.attempts import round_name
from bench.training.checkpoint import Checkpoint
from bench.training.distributed import World
from bench.training.evaluating import Evaluator
from bench.training.events import Listener
from bench.training.options import TrainOptions
from bench.training.progress import EpochReport
from bench.training.resume import Setting
from bench.training.signals import StopRequest
from bench.training.teacher import Teacher
from bench.training.transfer import Prepared
from bench.version import __version__

__all__ = ["MakeEvaluator", "Session"]

MakeEvaluator = Callable[[Prepared, str], Evaluator]
"""From a network and its device to what evaluates it meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One training, as each of its ranks sees it."""

    submission: LoadedSubmission
    """What is trained."""
    protocol: Protocol
    """Of kind `train`."""
    recipe: Recipe
    """The protocol's."""
    dataset: Dataset
    """The training images."""
    digest: str
    """Of the dataset."""
    teacher: Teacher | None
    """Whose answers are learned too; None where the recipe has no teacher."""
    options: TrainOptions
    """What the user decided."""
    seed: int
    """Of weights, order, augmentation, mixing and dropout."""
    precision: Precision
    """The arithmetic."""
    device: str
    """This rank's device."""
    deterministic: bool
    """Only deterministic kernels."""
    world: World
    """The ranks."""
    stop: StopRequest
    """Whether it was asked to stop."""
    run: Path
    """The folder of the training."""
    cache_folder: Path
    """Where downloaded weights are kept."""
    checkpoint: Checkpoint | None = None
    """Where it goes on; None for at the beginning."""
    make_evaluator: MakeEvaluator | None = None
    """How it is evaluated meanwhile; None for not at all."""
    listeners: tuple[Listener, ...] = ()
    """Whom to tell of each event."""
    on_progress: Callable[[int], None] | None = None
    """Takes how many more images are done."""
    on_epoch: Callable[[EpochReport], None] | None = None
    """Takes the report of each epoch."""
    on_note: Callable[[str], None] | None = None
    """Takes sentences that the user should read."""
    started: float = field(default_factory=time.perf_counter)
    """When this start of it began."""

    @property
    def crop(self) -> int:
        """Side of the square that the network sees while training, in pixels."""
        assert self.protocol.geometry is not None, "kind 'train' has a geometry"  # noqa: S101 - checked by the record
        return self.recipe.augmentation.train_crop or self.protocol.geometry.crop

    def note(self, sentence: str) -> None:
        """Tells the user something."""
        if self.on_note is not None:
            self.on_note(sentence)

    def facts(self) -> dict[str, Any]:
        """What the event `start` says of the training before anything is built."""
        submission, options = self.submission, self.options
        return {
            "team": submission.team,
            "name": submission.name,
            "title": submission.manifest.title,
            "source": submission.manifest.model.source,
            "submission_digest": submission.digest,
            "protocol": self.protocol.id,
            "protocol_digest": self.protocol.digest(),
            "recipe_digest": digest_of(self.recipe.as_json()),
            "dataset_digest": self.digest,
            "teacher": None if self.teacher is None else self.teacher.run,
            "num_images": len(self.dataset),
            "attempt": options.attempt,
            "seed": self.seed,
            "round": round_name(options.round_key),
            "epochs": self.recipe.epochs,
            "world_size": self.world.size,
            "precision": self.precision,
            "compiled": options.compiled,
            "accumulate": options.accumulate,
            "sharded": options.shard,
            "deterministic": self.deterministic,
            "bn": self.recipe.bn,
            "device_type": device_type(self.device),
            "bench_version": __version__,
        }

    def setting(self) -> Setting:
        """What a checkpoint says of the training, and what has to be equal to go on from it."""
        import torch

        return Setting(
            protocol=self.protocol.id,
            protocol_digest=self.protocol.digest(),
            dataset_digest=self.digest,
            trained_from=self.submission.digest,
            teacher=None if self.teacher is None else self.teacher.run,
            attempt=self.options.attempt,
            seed=self.seed,
            precision=self.precision,
            accumulate=self.options.accumulate,
            compiled=self.options.compiled,
            deterministic=self.deterministic,
            sharded=self.options.shard,
            device_type=device_type(self.device),
            world_size=self.world.size,
            num_threads=torch.get_num_threads(),
            torch=str(torch.__version__),
            bench_version=__version__,
        )
