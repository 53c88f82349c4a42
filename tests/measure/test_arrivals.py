"""Requests at random times, on a clock of the test's own."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from bench.measure.arrivals import arrival_times, serve


class Clock:
    """Time passes when somebody sleeps, answers or looks."""

    def __init__(self) -> None:
        self.now = 10**15

    def __call__(self) -> int:
        """The time, in nanoseconds."""
        self.now += 1
        return self.now

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += round(seconds * 1e9)


def test_arrivals_are_a_poisson_process_of_the_rate() -> None:
    """Gaps are exponential with mean 1 / rate; equal seeds give equal times."""
    times = arrival_times(50.0, 5000, seed=3)
    gaps = np.diff([0, *times]) / 1e9

    assert kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    assert arrival_times(50.0, 5000, seed=3) == times != arrival_times(50.0, 5000, seed=4)


@given(st.lists(st.integers(0, 50_000_000), min_size=1, max_size=60), st.integers(1, 20_000_000))
def test_latencies_count_from_when_a_request_was_due(gaps: list[int], service_ns: int) -> None:
    """Lindley's recursion: each answer ends when the last one has ended, or the request has come, plus the service."""
    due = list(itertools.accumulate(gaps))
    clock = Clock()

    found = serve(due, lambda _: clock.sleep(service_ns / 1e9), batch_size=1, clock=clock, sleep=clock.sleep)

    free, wanted = 0, []
    for moment in due:
        free = max(free, moment) + service_ns
        wanted.append(free - moment)
    assert np.allclose(found, wanted, atol=10 * len(due) * 4)  # each look at the clock takes a nanosecond


def test_requests_that_wait_are_answered_together() -> None:
    """A burst of five at a batch of four is answered as four and one."""
    clock, batches = Clock(), list[int]()

    def answer(num: int) -> None:
        batches.append(num)
        clock.sleep(0.01)

    found = serve([0, 0, 0, 0, 0, 10**9], answer, batch_size=4, clock=clock, sleep=clock.sleep)

    assert batches == [4, 1, 1]
    assert np.allclose(np.array(found) / 1e6, [10, 10, 10, 10, 20, 10], atol=0.01)
