"""The most memory that this process ever held."""

from __future__ import annotations

import sys

import pytest

from bench.measure.high_water import forget_high_water, high_water_mib
from bench.measure.kernel import kib_of


@pytest.mark.skipif(sys.platform != "linux", reason="the mark is reset through /proc")
def test_the_mark_rises_and_begins_again() -> None:
    """Memory that was given back counts until it is forgotten."""
    before = high_water_mib()
    held = bytearray(b"x" * (200 << 20))
    risen = high_water_mib()
    del held
    assert risen >= before
    assert risen >= 200
    assert high_water_mib() >= risen
    forget_high_water()
    assert high_water_mib() <= risen - 100


def test_what_the_kernel_does_not_tell_is_missing() -> None:
    """No file, or no such line."""
    assert kib_of("/proc/no-such-file", "VmHWM") is None
    assert kib_of(__file__, "VmHWM") is None
