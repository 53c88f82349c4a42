"""From training images to shuffled, augmented uint8 batches.

All chance of an image belongs to (seed, epoch, repeat, sample id), and the order to (seed, epoch): the batches depend
on nothing else, not on the number of threads, not on the ranks that share them, and not on what was drawn before. So
any rank can begin at any step of any epoch, and where a run stands is said by two numbers.

Threads, not processes: Pillow releases the interpreter's lock while it decodes and resizes, and each image is written
straight into its row of the batch, where worker processes pickle indices, copy every batch through shared memory and
decode with as many interpreters as there are cores. `benchmarks/training_loading.py` has the figures.

Shape letters: N images, H height, W width, C = 3 colours.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.dataset import Dataset
from bench.data.dice import Dice
from bench.data.loader import Allocate
from bench.data.resized import ResizedImages
from bench.errors import DataError
from bench.records.protocol import Protocol
from bench.records.recipe import Augmentation, Recipe
from bench.training.augment import augment
from bench.training.order import Draws, draws_of_epoch, num_steps_per_epoch, rows_of_step
from bench.training.pictures import Pictures

__all__ = ["Skipped", "TrainingBatch", "TrainingImages"]

_MAX_AHEAD_BYTES = 512 << 20
"""How many bytes of batches wait for the receiver at most."""
_MAX_AHEAD = 3
_IMAGES_A_TASK = 8
"""How many images one thread makes at a time, where batches are large."""
_MAX_REPLACEMENTS = 100
"""So many images in a row that cannot be decoded are no accident."""


class Skipped(NamedTuple):
    """An image that was left out."""

    sample_id: str
    """Which one."""
    message: str
    """Why it could not be decoded."""


class TrainingBatch(NamedTuple):
    """What a rank sees of one optimizer step; the receiver may keep it."""

    step: int
    """The step within the epoch, from 0."""
    global_size: int
    """Images of this step on all ranks together."""
    positions_N: npt.NDArray[np.int64]
    """Each image's position in the dataset, int64."""
    images_NHWC: npt.NDArray[np.uint8]
    """uint8, 0 to 255, H = W = the recipe's training crop."""
    labels_N: npt.NDArray[np.int64]
    """Class indices, int64."""
    skipped: tuple[Skipped, ...] = ()
    """Images that cannot be decoded, where the recipe leaves them out; the next of the order have their rows."""


class TrainingImages:
    """The images of a dataset, drawn and augmented as a recipe says, and kept decoded where they fit in memory.

    Args:
        dataset: The training images.
        protocol: Its geometry and its recipe.
        num_threads: How many images are made at once.
        stored: The resized images where they are kept as pixels, from `bench.data.resized.find_resized`.

    Raises:
        UsageError: The geometry resizes to less than the square that is cropped.
    """

    def __init__(
        self, dataset: Dataset, protocol: Protocol, num_threads: int, *, stored: ResizedImages | None = None
    ) -> None:
        assert protocol.geometry is not None, "kind 'train' has a geometry"  # noqa: S101 - checked by the record
        assert protocol.recipe is not None, "kind 'train' has a recipe"  # noqa: S101 - checked by the record
        self._dataset = dataset
        self._recipe: Recipe = protocol.recipe
        self._augmentation: Augmentation = protocol.recipe.augmentation
        self._num_threads = num_threads
        self._side = self._augmentation.train_crop or protocol.geometry.crop
        self._pictures = Pictures(dataset, protocol.geometry, self._augmentation, self._side, stored)
        self._num_skipped = 0

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def num_steps(self) -> int:
        """Optimizer steps in one epoch."""
        return num_steps_per_epoch(len(self), self._recipe.batch_size, drop_last=self._recipe.drop_last)

    @property
    def num_skipped(self) -> int:
        """How many images this process has left out so far, each as often as it was drawn."""
        return self._num_skipped

    def prepare(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Decodes all images where they fit in memory; a second call does nothing.

        Args:
            on_progress: Takes how many more images are done, all of them in the end.

        Raises:
            DataError: An image cannot be decoded, and the recipe does not leave such images out.
        """
        self._pictures.keep(self._num_threads, skip_corrupt=self._recipe.skip_corrupt, on_progress=on_progress)

    def epoch(
        self,
        epoch: int,
        *,
        seed: int,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        allocate: Allocate | None = None,
    ) -> Iterator[TrainingBatch]:
        """A rank's batches of one pass, from a step on.

        Args:
            epoch: The number of the pass, from 0.
            seed: The run's seed.
            first_step: The first step that is wanted; those before it cost nothing.
            rank: Which rank, from 0.
            world_size: How many ranks share each global batch.
            allocate: Where batches get their memory, such as pinned buffers; None for ordinary memory.

        Raises:
            DataError: An image cannot be decoded, and the recipe does not leave such images out, or nearly none can.
        """
        recipe, allocate = self._recipe, allocate or _ordinary_memory
        draws = draws_of_epoch(
            len(self), batch_size=recipe.batch_size, seed=seed, epoch=epoch, repeats=recipe.repeated_augmentation
        )
        steps = iter(range(first_step, self.num_steps))
        maker = _Maker(
            self._dataset,
            self._pictures,
            self._augmentation,
            self._side,
            self._num_threads,
            f"{seed}/{epoch}",
            draws,
            recipe.skip_corrupt,
        )
        batch_bytes = max(1, recipe.batch_size // world_size * self._side**2 * 3)
        most_ahead = max(1, min(_MAX_AHEAD, _MAX_AHEAD_BYTES // batch_bytes))
        # A batch of few images does not keep all threads busy.
        most_ahead = max(most_ahead, -(-2 * self._num_threads * world_size // recipe.batch_size))
        pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="bench-feed")
        pending: deque[_Pending] = deque()
        try:
            while True:
                while len(pending) <= most_ahead and (step := next(steps, None)) is not None:
                    whole = rows_of_step(step, len(self), recipe.batch_size)
                    rows = rows_of_step(step, len(self), recipe.batch_size, rank=rank, world_size=world_size)
                    pending.append(maker.begin(pool, step, rows, whole.stop - whole.start, allocate))
                if not pending:
                    return
                yield self._finished(pending.popleft())
        finally:
            # Reached on errors, Ctrl-C and when the receiver stops early: only the images in hand are finished.
            maker.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _finished(self, pending: _Pending) -> TrainingBatch:
        """The batch when all of its images are there."""
        skipped = [left_out for task in pending.tasks for left_out in task.result()]
        self._num_skipped += len(skipped)
        return pending.batch._replace(skipped=tuple(skipped)) if skipped else pending.batch


class _Drawn(NamedTuple):
    position: int
    image: Image.Image
    name: str
    """Of its chance."""


class _Pending(NamedTuple):
    batch: TrainingBatch
    """Its pixels are still to come."""
    tasks: list[Future[list[Skipped]]]


@dataclass(frozen=True, eq=False)
class _Maker:
    """Makes the batches of one epoch in threads."""

    dataset: Dataset
    pictures: Pictures
    augmentation: Augmentation
    side: int
    """Of the square that the network sees, in pixels."""
    num_threads: int
    name: str
    """Of the epoch's chance: seed and epoch."""
    draws: Draws
    skip_corrupt: bool
    """An image that cannot be decoded is replaced by the next one of the order."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Nobody waits for the pixels any more."""

    def begin(self, pool: ThreadPoolExecutor, step: int, rows: slice, global_size: int, allocate: Allocate) -> _Pending:
        """A batch whose pixels are still to come, and what to wait for."""
        positions_N = self.draws.positions_N[rows].copy()  # a replacement is written into it
        images_NHWC = allocate((len(positions_N), self.side, self.side, 3))
        batch = TrainingBatch(step, global_size, positions_N, images_NHWC, self.dataset.labels_N[positions_N])
        size = max(1, min(_IMAGES_A_TASK, len(positions_N) // (2 * self.num_threads)))
        starts = range(0, len(positions_N), size)
        return _Pending(batch, [pool.submit(self._fill, batch, rows.start, start, start + size) for start in starts])

    def _fill(self, batch: TrainingBatch, first_draw: int, start: int, stop: int) -> list[Skipped]:
        """Fills rows start to stop; says which images are left out."""
        skipped: list[Skipped] = []
        for row in range(start, min(stop, len(batch.positions_N))):
            if self.stopped.is_set():
                raise CancelledError
            position, image, name = self._drawn(first_draw + row, skipped)
            batch.images_NHWC[row] = augment(image, self.augmentation, self.side, Dice(f"{self.name}/{name}"))
            batch.positions_N[row], batch.labels_N[row] = position, self.dataset.labels_N[position]
        return skipped

    def _drawn(self, draw: int, skipped: list[Skipped]) -> _Drawn:
        """The image of a draw; where it is left out, that of the nearest later draw that can be decoded."""
        replaced = ""
        for later in range(_MAX_REPLACEMENTS):
            number = (draw + later) % len(self.dataset)
            position, repeat = int(self.draws.positions_N[number]), self.draws.repeats_N[number]
            sample = self.dataset.samples[position]
            try:
                return _Drawn(position, self.pictures.image(position), f"{repeat}/{sample.id}{replaced}")
            except DataError as error:
                if not self.skip_corrupt:
                    raise
                skipped.append(Skipped(sample.id, str(error)))
                # The image that comes in its place may be in the same batch: it is augmented differently.
                replaced += f"/for/{sample.id}"
        raise DataError(f"{_MAX_REPLACEMENTS} training images in a row cannot be decoded; {skipped[-1].message}")


def _ordinary_memory(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.empty(shape, dtype=np.uint8)
