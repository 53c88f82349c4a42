"""Noise along the principal components of colour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.training.pca_noise import add_pca_noise

NORMAL = st.floats(-4, 4)


def in_float(pixels_HWC: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """The definition, written out as fb.resnet.torch's Lighting has it: pixels from 0 to 1, nothing clipped."""
    eigval = np.array([0.2175, 0.0188, 0.0045])
    eigvec = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    rgb = (eigvec * alphas[None, :] * eigval[None, :]).sum(axis=1)
    return pixels_HWC / 255 + rgb


@given(st.tuples(NORMAL, NORMAL, NORMAL), st.integers(0, 1 << 30))
def test_pixels_are_those_of_the_definition_within_half_a_level(normals: tuple[float, float, float], seed: int) -> None:
    """After clipping to what an image can hold."""
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    expected = np.clip(in_float(pixels_HWC, 0.1 * np.array(normals)), 0, 1) * 255

    assert np.abs(add_pca_noise(pixels_HWC, normals, 0.1) - expected).max() <= 0.5 + 1e-9


def test_no_noise_leaves_the_image() -> None:
    """A standard deviation of zero, or draws of zero."""
    pixels_HWC = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)

    assert np.array_equal(add_pca_noise(pixels_HWC, (1.0, -2.0, 0.5), 0.0), pixels_HWC)
    assert np.array_equal(add_pca_noise(pixels_HWC, (0.0, 0.0, 0.0), 0.1), pixels_HWC)


def test_the_first_component_is_brightness() -> None:
    """All three colours move together, by 255 * 0.1 * 0.2175 * 0.58 levels for a draw of 1."""
    grey = np.full((2, 2, 3), 128, np.uint8)
    darker = add_pca_noise(grey, (3.0, 0.0, 0.0), 0.1)

    assert (darker < grey).all()
    assert np.ptp(darker.astype(int)) <= 1
    assert 128 - darker.mean() == pytest.approx(3 * 255 * 0.1 * 0.2175 * 0.577, abs=0.6)
