"""Puts the audits' questions to a model among the scored batches, in an order that only the parent knows.

To the child an audit's batch looks like any other: of the same size mostly, of images that it may or may not have seen.
Which images, when, in what company and with what noise follows from one secret seed, which the result keeps.

Shape letters: N images, V views of an image, M = N x V rows, H and W pixels, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.audits.evidence import TOLERANCE, Compared, Evidence, Logits, Perturbed, TimedRound, compare, joined
from bench.audits.pixels import KINDS, Pixels, perturbed
from bench.records.protocol import Precision
from bench.records.result import Scalar

__all__ = ["Ask", "Auditor", "Kept", "num_audited"]

Ask = Callable[[npt.NDArray[np.uint8], int], Logits]
"""Answers rows of pixels, waiting for the device: rows (M, H, W, 3) and how many images they are, to logits (N, C)."""

_SHARE = 0.01
_FEWEST = 128
_MOST_BYTES = 128 << 20
"""A hundredth of the images are shown again, at least so many, as far as their pixels fit into so much memory."""
_TIMED_ROUNDS = 6
"""Rounds that also show copies, the same batch again and small batches; six times out of six is no accident."""
_SIZES = (1, 7)
"""Other batch sizes."""
_OF_FIRST_BATCH = 8
"""Images of the first batch that come again after the last one, besides those that were drawn."""
_PLAIN = "plain"


def num_audited(num_images: int, image_bytes: int) -> int:
    """How many images are shown again.

    Args:
        num_images: How many are scored.
        image_bytes: The size of all views of one.

    >>> num_audited(50_000, 224 * 224 * 3), num_audited(20, 224 * 224 * 3)
    (500, 20)
    """
    return min(num_images, max(_FEWEST, int(_SHARE * num_images)), max(_FEWEST // 4, _MOST_BYTES // image_bytes))


@dataclass(eq=False, slots=True)
class Kept:
    """An image that will come again."""

    position: int
    """Where it stands in the dataset."""
    row: int
    """Where it stands in its batch."""
    image_VHWC: Pixels
    scored_C: Logits | None = None
    """The logits that were scored."""


class Auditor:
    """The audits of one run of one model.

    Args:
        ask: Asks the model, and waits.
        settings: Reads torch's settings and a digest of the weights where the model is.
        seed: The secret; one seed, one course of audits.
        precision: The arithmetic.
        labels_N: The class of each image of the dataset.
        num_images: How many of them this model is shown.
        batch_size: Images in a scored batch.
    """

    def __init__(
        self,
        ask: Ask,
        settings: Callable[[], Mapping[str, Scalar]],
        *,
        seed: int,
        precision: Precision,
        labels_N: npt.NDArray[np.int64],
        num_images: int,
        batch_size: int,
    ) -> None:
        self._ask, self._settings = ask, settings
        self._seed, self._random = seed, np.random.default_rng(seed)
        self._precision: Precision = precision
        self._labels_N = labels_N
        self._num_images = num_images
        self._batch_size = min(batch_size, num_images)
        num_batches = -(-num_images // batch_size)
        # The first batch warms up, so its time says nothing.
        later = np.arange(1, num_batches)
        self._alone = set(self._random.permutation(later)[:_TIMED_ROUNDS].tolist())
        self._drawn: set[int] | None = None
        self._num_given = 0
        self._first: list[Kept] = []
        self._pool: list[Kept] = []
        self._pending: list[tuple[Kept, str]] = []
        self._due_at = self._next_due()
        self._before: dict[str, Scalar] = {}
        self._found = _Found()

    def alone_next(self) -> bool:
        """Whether the next scored batch is to be asked for alone, with nothing else in flight."""
        return self._num_given in self._alone

    def keep(self, positions_N: npt.NDArray[np.int64], images_MHWC: npt.NDArray[np.uint8]) -> list[Kept]:
        """Copies the images of a scored batch that will come again.

        Args:
            positions_N: Where they stand in the dataset.
            images_MHWC: Their pixels.
        """
        images_NVHWC = images_MHWC.reshape(len(positions_N), -1, *images_MHWC.shape[1:])
        if self._drawn is None:
            self._before = dict(self._settings())
            wanted = num_audited(self._num_images, images_NVHWC[0].nbytes)
            self._drawn = set(self._random.permutation(len(self._labels_N))[:wanted].tolist())
            self._found.num_views = images_NVHWC.shape[1]
        rows = {row for row, position in enumerate(positions_N.tolist()) if position in self._drawn}
        if self._num_given == 0:
            rows |= set(self._random.permutation(len(positions_N))[:_OF_FIRST_BATCH].tolist())
        self._num_given += 1
        kept = [Kept(int(positions_N[row]), row, images_NVHWC[row].copy()) for row in sorted(rows)]
        if self._num_given == 1:
            self._first = kept
        return kept

    def answered(self, kept: Sequence[Kept], logits_NC: Logits) -> None:
        """Takes in the scored logits of a batch's images."""
        for image in kept:
            image.scored_C = logits_NC[image.row].copy()
            self._pending += [(image, kind) for kind in (_PLAIN, *KINDS)]
        self._pool = [*self._pool, *kept][-self._batch_size :]

    def timed_alone(self, seconds: float) -> None:
        """Takes in the wall time of a scored batch that was asked for alone."""
        self._found.scored_alone_s.append(seconds)

    def is_due(self) -> bool:
        """Whether it is time for a round."""
        return len(self._pending) >= self._due_at

    def show_round(self) -> None:
        """Shows a batch of images, mirrored and shifted ones among plain ones; in the first rounds others beside it.

        Raises:
            SubmissionError: The model raised, or gave no finite logits of the right shape.
            DeviceError: The device's memory is too small.
        """
        order = self._random.permutation(len(self._pending))
        slots = [self._pending[index] for index in order[: self._batch_size]]
        self._pending = [self._pending[index] for index in order[self._batch_size :]]
        # The last round, and a small dataset, leave places for images that have had their turn.
        while len(slots) < self._batch_size:
            slots.append((self._any(self._pool), str(self._random.choice((_PLAIN, *KINDS)))))
        self._due_at = self._next_due()
        mixed_MHWC = np.concatenate(
            [
                image.image_VHWC if kind == _PLAIN else perturbed(image.image_VHWC, kind, self._random)
                for image, kind in slots
            ]
        )
        if len(self._found.rounds) < _TIMED_ROUNDS:
            answers_NC = self._timed_round(mixed_MHWC, self._any([image for image, _ in slots]))
            for size in _SIZES:
                images = [self._any(self._pool) for _ in range(min(size, self._batch_size))]
                self._found.sizes.setdefault(size, []).append(self._again(images))
        else:
            answers_NC = self._show(mixed_MHWC, len(slots))
        self._take(slots, answers_NC)

    def finish(self) -> Evidence:
        """The rounds that are left, and what all of them found; errors as those of `show_round`."""
        while self._pending or len(self._found.rounds) < _TIMED_ROUNDS:
            self.show_round()
        found = self._found
        late = self._again(self._first)
        return Evidence(
            seed=self._seed,
            precision=self._precision,
            batch_size=self._batch_size,
            alone=joined(found.alone),
            company=joined([*found.alone, *found.copies]),
            sizes={size: joined(parts) for size, parts in found.sizes.items()},
            exact=joined(found.exact),
            late=late,
            perturbed={kind: _perturbed_of(found.copies_right.get(kind, [])) for kind in KINDS},
            rounds=tuple(found.rounds),
            scored_alone_s=tuple(found.scored_alone_s),
            settings_before=self._before,
            settings_after=dict(self._settings()),
            num_shown=found.num_shown,
            seconds=found.seconds,
            num_views=found.num_views,
        )

    def _timed_round(self, mixed_MHWC: npt.NDArray[np.uint8], one: Kept) -> Logits:
        """A batch, copies of one image, and the batch again; the copies at a secret place among them.

        Plain images go first and are not timed: what comes after scored batches and the parent's own work is slower.
        """
        found, size = self._found, self._batch_size
        copies_MHWC = np.concatenate([one.image_VHWC] * size)
        found.alone.append(self._again([self._any(self._pool) for _ in range(size)]))
        # Another array with the same pixels: else they would be on the device already, and the first ones were not.
        batches = [mixed_MHWC, mixed_MHWC.copy()]
        place = int(self._random.integers(3))
        batches.insert(place, copies_MHWC)
        answers, seconds = [], []
        for images_MHWC in batches:
            answers.append(self._show(images_MHWC, size))
            seconds.append(found.last_s)
        found.copies.append(self._compare(np.stack([_scored(one)] * size), answers.pop(place)))
        found.exact.append(self._compare(*answers))
        copies_s = seconds.pop(place)
        found.rounds.append(TimedRound(distinct_s=seconds[0], copies_s=copies_s, again_s=seconds[1]))
        return answers[0]

    def _take(self, slots: Sequence[tuple[Kept, str]], answers_NC: Logits) -> None:
        """Sorts the answers of a mixed batch by what was shown."""
        plain = [row for row, (_, kind) in enumerate(slots) if kind == _PLAIN]
        if plain:
            scored_NC = np.stack([_scored(slots[row][0]) for row in plain])
            self._found.alone.append(self._compare(scored_NC, answers_NC[plain]))
        for row, (image, kind) in enumerate(slots):
            if kind != _PLAIN:
                label, first = self._labels_N[image.position], int(_scored(image).argmax())
                answer = int(answers_NC[row].argmax())
                right = (first == label, answer == label, first == answer)
                self._found.copies_right.setdefault(kind, []).append(right)

    def _again(self, images: Sequence[Kept]) -> Compared:
        """Shows images as they were, as a batch of their own."""
        shown_NC = self._show(np.concatenate([image.image_VHWC for image in images]), len(images))
        return self._compare(np.stack([_scored(image) for image in images]), shown_NC)

    def _show(self, images_MHWC: npt.NDArray[np.uint8], num_images: int) -> Logits:
        started = time.perf_counter()
        logits_NC = self._ask(images_MHWC, num_images)
        self._found.last_s = time.perf_counter() - started
        self._found.seconds += self._found.last_s
        self._found.num_shown += num_images
        return logits_NC

    def _compare(self, scored_NC: Logits, shown_NC: Logits) -> Compared:
        return compare(scored_NC, shown_NC, TOLERANCE[self._precision])

    def _any(self, images: Sequence[Kept]) -> Kept:
        return images[int(self._random.integers(len(images)))]

    def _next_due(self) -> int:
        """So many places wait that the model cannot tell when a round comes, nor which images meet in it."""
        return self._batch_size + int(self._random.integers(self._batch_size)) + 1


class _Found:
    """What rounds have found so far."""

    def __init__(self) -> None:
        self.alone: list[Compared] = []
        self.copies: list[Compared] = []
        self.exact: list[Compared] = []
        self.sizes: dict[int, list[Compared]] = {}
        self.copies_right: dict[str, list[tuple[bool, bool, bool]]] = {}
        self.rounds: list[TimedRound] = []
        self.scored_alone_s: list[float] = []
        self.num_views = 1
        self.num_shown = 0
        self.seconds = 0.0
        self.last_s = 0.0


def _scored(image: Kept) -> Logits:
    assert image.scored_C is not None, "only images that were answered come again"  # noqa: S101 - our own invariant
    return image.scored_C


def _perturbed_of(right: list[tuple[bool, bool, bool]]) -> Perturbed:
    columns = np.array(right, dtype=np.bool_).reshape(-1, 3)
    return Perturbed(columns[:, 0], columns[:, 1], columns[:, 2])
