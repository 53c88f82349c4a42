"""The secret order: a permutation that follows from its seed alone, for ever."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.data.order import secret_order


@given(st.integers(0, 300), st.integers(0, (1 << 63) - 1))
def test_every_position_comes_once(num_samples: int, seed: int) -> None:
    """And the same seed gives the same order."""
    order_N = secret_order(num_samples, seed)

    np.testing.assert_array_equal(np.sort(order_N), np.arange(num_samples))
    np.testing.assert_array_equal(order_N, secret_order(num_samples, seed))


def test_the_order_of_a_seed_never_changes() -> None:
    """Stored results are repeated by their seed: these numbers are of the first version."""
    assert secret_order(10, 2012).tolist() == [0, 4, 7, 6, 2, 8, 3, 5, 1, 9]
