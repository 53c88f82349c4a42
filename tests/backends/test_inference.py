"""One pass over a dataset."""

from __future__ import annotations

import numpy as np
import pytest

from bench.backends.inference import average_views


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
