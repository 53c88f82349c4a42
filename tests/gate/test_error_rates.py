"""How often the gate errs, in simulated runs with fixed seeds; the full tables: benchmarks/gate_simulation.py."""

from __future__ import annotations

import math

import pytest
from gate_simulation import SCENARIOS, block_times, gate

NUM_RUNS = 300


@pytest.mark.parametrize("name", SCENARIOS)
def test_equal_code_is_hardly_ever_a_regression(name: str) -> None:
    """At most once in 300 runs, whatever the noise."""
    verdicts, _ = gate(block_times(SCENARIOS[name], 0.0, NUM_RUNS, seed=101))

    assert verdicts["REGRESSION"] <= 1
    assert verdicts["OK"] + verdicts["INCONCLUSIVE"] >= NUM_RUNS - 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_errors_at_the_tolerance_itself_are_bounded(name: str) -> None:
    """2 % false REGRESSION and 5 % false OK, within the 99.9 % quantiles of 300 runs."""
    verdicts, _ = gate(block_times(SCENARIOS[name], 0.03, NUM_RUNS, seed=102))

    assert verdicts["REGRESSION"] <= 15
    assert verdicts["OK"] <= 28


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "very noisy"])
def test_twice_the_tolerance_is_caught(name: str) -> None:
    """With at least 80 %, and never called OK."""
    slowdown = math.exp(2 * math.log1p(0.03)) - 1
    verdicts, _ = gate(block_times(SCENARIOS[name], slowdown, NUM_RUNS, seed=103))

    assert verdicts["REGRESSION"] >= 0.8 * NUM_RUNS
    assert verdicts["OK"] == 0
