"""One pass over a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.backends.base import Images, ModelSession, PendingLogits
from bench.backends.inference import Answered, answer, average_views
from bench.backends.sharded import ShardedSession
from bench.data.classes import class_table
from bench.data.dataset import Dataset, Sample
from bench.data.loader import Batch
from bench.metrics.topk import predictions_from_logits
from bench.records.submission import InputSpec


def test_views_are_averaged_after_the_softmax() -> None:
    """Against torch, for ten views of three images."""
    import torch

    logits_MC = (np.random.default_rng(0).standard_normal((30, 7)) * 5).astype(np.float32)
    expected_NC = torch.from_numpy(logits_MC).double().softmax(1).reshape(3, 10, 7).mean(1).log()

    np.testing.assert_allclose(average_views(logits_MC, num_images=3), expected_NC, rtol=1e-6, atol=1e-6)


def test_one_view_is_left_as_it_is() -> None:
    """No rounding is added where nothing is averaged."""
    logits_MC = np.random.default_rng(0).standard_normal((3, 7), dtype=np.float32)

    assert average_views(logits_MC, num_images=3) is logits_MC


def test_an_underflowing_probability_stays_finite() -> None:
    """A class that no view gives any chance is last, not minus infinity."""
    logits_MC = np.array([[0, 5000], [0, 4000]], np.float32)

    averaged_NC = average_views(logits_MC, num_images=1)
    assert np.isfinite(averaged_NC).all()
    assert averaged_NC.argmax() == 1


@pytest.mark.parametrize("num_images", [1, 2, 4])
def test_equal_views_are_no_view_at_all(num_images: int) -> None:
    """The average of equal softmaxes is that softmax."""
    logits_NC = np.random.default_rng(1).standard_normal((num_images, 5)).astype(np.float32)
    repeated_MC = np.repeat(logits_NC, 10, axis=0)
    log_softmax_NC = logits_NC - np.log(np.exp(logits_NC).sum(1, keepdims=True))

    np.testing.assert_allclose(average_views(repeated_MC, num_images=num_images), log_softmax_NC, rtol=1e-5, atol=1e-6)


class _Known(ModelSession):
    """Answers what is written in the pixels."""

    def __init__(self, num_ahead: int) -> None:
        self.wanted = num_ahead
        self.most_in_flight = self.in_flight = 0

    @property
    def num_ahead(self) -> int:
        return self.wanted

    def submit(self, images_NHWC: Images) -> PendingLogits:
        logits_NC = images_NHWC[:, 0, :, 0].astype(np.float32)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

        def wait() -> npt.NDArray[np.float32]:
            self.in_flight -= 1
            return logits_NC

        return wait

    def gmacs(self, img_size: int) -> float:
        raise NotImplementedError


@given(
    st.integers(1, 400),
    st.integers(1, 200),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_predictions_depend_on_neither_batches_nor_their_order(
    num_images: int, batch_size: int, num_ahead: int, seed: int
) -> None:
    """Small batches are ranked together, and large ones alone: as the whole matrix at once."""
    random = np.random.default_rng(seed)
    images_NHWC = random.integers(0, 256, (num_images, 1, 10, 1), dtype=np.uint8)
    samples = tuple(Sample(f"{at:04}", int(random.integers(10)), Path(), 0, None) for at in range(num_images))
    dataset = Dataset("cifar10", "val", Path(), "flat", class_table("cifar10"), samples, complete=False)
    order_N = random.permutation(num_images)
    batches = [
        Batch(at, len(order_N[at : at + batch_size]), images_NHWC[order_N[at : at + batch_size]], where_N)
        for at in range(0, num_images, batch_size)
        for where_N in [order_N[at : at + batch_size]]
    ]
    session = _Known(num_ahead)

    told = []

    (found,) = answer([session], batches, dataset, lambda _, count: told.append(count))

    assert isinstance(found, Answered)
    assert sum(told) == num_images
    expected = predictions_from_logits(dataset.sample_ids, images_NHWC[:, 0, :, 0].astype(np.float32), dataset.labels_N)
    for mine, theirs in zip(vars(found.predictions).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert session.most_in_flight == min(len(batches), num_ahead + 1)


def test_less_is_in_flight_as_soon_as_a_session_wants_less() -> None:
    """A child whose turns get shorter must not go on computing meanwhile."""
    session = _Known(15)
    seen = []

    def changing() -> Iterator[Batch]:
        for at in range(60):
            if at == 30:
                session.wanted = 4
            yield Batch(at, 1, np.zeros((1, 1, 10, 1), np.uint8))
            seen.append(session.in_flight)

    samples = tuple(Sample(f"{at:04}", 0, Path(), 0, None) for at in range(60))
    dataset = Dataset("cifar10", "val", Path(), "flat", class_table("cifar10"), samples, complete=False)
    answer([session], changing(), dataset)

    assert seen[20:30] == [15] * 10
    assert seen[30:] == [4] * 30


def test_each_of_several_devices_has_its_own_batches_ahead() -> None:
    """Or some of them would wait."""
    for session in (sessions := [_Known(2), _Known(5)]):
        session.input, session.num_params, session.environment = InputSpec(), 0, {}

    assert ShardedSession(sessions).num_ahead == 7
