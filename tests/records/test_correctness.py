"""Correctness bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.records.correctness import Correctness


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_bits_survive_the_way_to_bytes_and_back(pairs: list[tuple[bool, bool]]) -> None:
    """Any number of images, whole bytes or not."""
    top1_N, top5_N = (np.array([pair[at] for pair in pairs], bool) for at in (0, 1))
    again = Correctness.from_bytes(Correctness(top1_N, top5_N).to_bytes(), len(pairs))

    np.testing.assert_array_equal(again.top1_N, top1_N)
    np.testing.assert_array_equal(again.top5_N, top5_N)


def test_the_whole_validation_set_takes_twelve_and_a_half_kilobytes() -> None:
    """Small enough for git."""
    right_N = np.ones(50_000, bool)

    assert len(Correctness(right_N, right_N).to_bytes()) == 12_500


def test_bits_of_another_number_of_images_are_refused() -> None:
    """A file that was cut off is not read as fewer right answers."""
    with pytest.raises(RecordError, match="has 3 bytes, 9 images need 4"):
        Correctness.from_bytes(b"abc", 9)
