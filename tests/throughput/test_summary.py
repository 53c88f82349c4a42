"""From raw times to costs, against the formulas written out."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from throughput.made_blocks import blocks, load, replicate, timed

from bench.records.blocks import Blocks, MachineState
from bench.throughput.summary import between_processes, costs_of, notes_of


@given(st.lists(st.floats(0.1, 1e5), min_size=2, max_size=12))
def test_the_interval_between_processes_is_the_t_interval_of_logs(rates: list[float]) -> None:
    """exp(mean -+ t(.975, P - 1) s / sqrt(P)); the value is the exp of the median, and lies inside."""
    logs = [math.log(rate) for rate in rates]
    half = t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / len(logs) ** 0.5

    found = between_processes(rates)

    assert found.value == pytest.approx(math.exp(statistics.median(logs)))
    assert found.low == pytest.approx(min(found.value, math.exp(statistics.mean(logs) - half)), rel=1e-6)
    assert found.high == pytest.approx(max(found.value, math.exp(statistics.mean(logs) + half)), rel=1e-6)


def test_one_process_has_no_interval() -> None:
    """A thousand steps in one process are n = 1."""
    assert between_processes([5.0]) == (5.0, None, None)
    assert costs_of(blocks(replicate(10.0, 10.0)))["throughput_img_s"].ci_low is None


def test_throughput_is_the_median_block_of_each_process_and_the_median_process() -> None:
    """One slow block and one slow process move nothing but the interval."""
    row = blocks(replicate(10.0, 10.0, 40.0), replicate(8.0, 8.0, 8.0), replicate(16.0, 16.0, 1.0))

    cost = costs_of(row)["throughput_img_s"]

    assert cost.value == pytest.approx(32 / 0.010)
    assert cost.unit == "img/s"
    assert cost.device == "AMD EPYC"
    assert cost.ci_low < cost.value < cost.ci_high  # type: ignore[operator]


def test_a_device_beside_the_host_counts_by_the_host_s_clock() -> None:
    """All steps over the wall time; events tell only whether the device waited."""
    block = timed(1.0, wall_ns=200_000_000, event_ms=100.0, step_ns=None, step_p95_ns=None)
    row = blocks(replicate(blocks=(block,)), device="NVIDIA H200", precision="bf16", flops_img=8_178_368_512)

    costs = costs_of(row)

    assert costs["throughput_img_s"].value == pytest.approx(320 / 0.2)
    assert costs["mfu"].value == pytest.approx(8_178_368_512 * 1600 / 989.4e12)
    assert "Launch-bound" in " ".join(notes_of(row))


def test_utilisation_is_left_out_where_the_peak_is_not_known() -> None:
    """Never a guess; operations have no device."""
    costs = costs_of(blocks(replicate(10.0), flops_img=2_000_000_000, num_params=7))

    assert "mfu" not in costs
    assert costs["gmacs"].value == 1.0
    assert costs["gflops"].device is None
    assert costs["num_params"].value == 7


def test_utilisation_of_a_measured_product_of_matrices() -> None:
    """The first process that measured it counts."""
    row = blocks(replicate(10.0, matmul_tflop_s=0.5), replicate(10.0), flops_img=10**9)

    assert costs_of(row)["matmul_utilisation"].value == pytest.approx(10**9 * 3200 / 0.5e12)


def test_blocks_that_do_not_count_are_left_out_and_told() -> None:
    """Unless none is left, which is told too."""
    bad = timed(100.0, invalid="the GPU was slowed down by heat")
    row = blocks(replicate(blocks=(timed(10.0), bad, bad)))
    assert costs_of(row)["throughput_img_s"].value == pytest.approx(3200)
    assert "2 of 3 blocks do not count: the GPU was slowed down by heat." in notes_of(row)

    hopeless = blocks(replicate(blocks=(bad, bad)))
    assert costs_of(hopeless)["throughput_img_s"].value == pytest.approx(320)
    assert any("not to be trusted" in note for note in notes_of(hopeless))


def test_training_tells_how_long_steps_take() -> None:
    """Operations are forward and backward, so there are no multiply-adds of one answer."""
    costs = costs_of(blocks(replicate(10.0), replicate(12.0), scenario="training", flops_img=10**9))

    assert costs["train_throughput_img_s"].value == pytest.approx(32 / math.sqrt(0.010 * 0.012))
    assert costs["step_p50_ms"].value == pytest.approx(math.sqrt(120))
    assert costs["step_p95_ms"].value == pytest.approx(2 * math.sqrt(120))
    assert "gmacs" not in costs


def test_latency_intervals_hold_those_of_all_processes() -> None:
    """Percentiles with too few requests are not there, and a note says n/a."""
    fast, slow = (tuple(range(start, start + 200_000, 1000)) for start in (1_000_000, 3_000_000))
    row = blocks(
        replicate(latencies_ns=fast), replicate(latencies_ns=slow), scenario="latency", batch_size=1, images_per_step=1
    )

    costs = costs_of(row)

    assert set(costs) == {"latency_p50_ms", "latency_p90_ms", "latency_p95_ms"}
    p50 = costs["latency_p50_ms"]
    assert p50.ci_low < 1.1 < p50.value < 3.1 < p50.ci_high  # type: ignore[operator]
    assert "200 requests a process are too few for p99: n/a." in notes_of(row)


def test_a_server_s_rate_is_the_largest_one_within_the_target_in_every_process() -> None:
    """The upper bound counts, and a load above one that failed does not."""
    one = replicate(loads=(load(0.3, 5), load(0.6, 9), load(0.9, 10)))
    two = replicate(loads=(load(0.3, 6), load(0.6, 14, high_ms=16), load(0.9, 10)))

    def row(target_ms: float) -> Blocks:
        return blocks(one, two, scenario="server", target_ms=target_ms)

    assert costs_of(row(15.0))["server_rate_img_s"].value == pytest.approx(30)
    assert costs_of(row(15.0))["server_p99_ms"].ci_high == 6
    assert costs_of(row(16.0))["server_rate_img_s"].value == pytest.approx(90)
    assert "server_rate_img_s" not in costs_of(row(5.5))
    assert "At no load the upper bound of p99 stays within 5.5 ms." in notes_of(row(5.5))


def test_compiling_is_told_cold_and_warm_apart() -> None:
    """The first process finds an empty cache, the others a full one."""
    row = blocks(
        replicate(1.0, first_step_s=40.0, graph_breaks=2, recompiles=0),
        replicate(1.0, first_step_s=5.0, graph_breaks=2, recompiles=1),
        replicate(1.0, first_step_s=7.0, graph_breaks=2, recompiles=0),
        mode="compiled",
    )

    costs = costs_of(row)

    assert [costs[name].value for name in ("compile_cold_s", "compile_warm_s", "graph_breaks", "recompiles")] == [
        40,
        6,
        2,
        1,
    ]
    assert "compile_cold_s" not in costs_of(row.model_copy(update={"mode": "eager"}))


def test_memory_is_the_largest_peak_and_energy_is_by_image() -> None:
    """Memory needs no statistics; energy has an interval over processes."""
    watched = {"energy_j": 300.0, "energy_window_s": 3.0, "energy_images": 600}
    row = blocks(replicate(1.0, peak_memory_mib=10.0, **watched), replicate(1.0, peak_memory_mib=12.0, **watched))

    costs = costs_of(row)

    assert costs["peak_memory_mib"].value == 12
    assert costs["energy_j_img"].value == pytest.approx(0.5)
    assert costs["power_w"].value == pytest.approx(100)


def test_a_machine_that_was_shared_and_a_process_that_was_not_warm_are_told() -> None:
    """The notes of a result are for a reader of its numbers."""
    shared = replicate(
        1.0,
        is_warm=False,
        before=MachineState(steal_ticks=0, total_ticks=0),
        after=MachineState(steal_ticks=30, total_ticks=100),
    )

    said = notes_of(blocks(shared, replicate(1.0)))

    assert "1 of 2 processes were not steady when the warm-up ended." in said
    assert "Other virtual machines took 30% of the processor time." in said


def test_raw_times_survive_their_file() -> None:
    """The same costs and the same digest after writing and reading."""
    row = blocks(replicate(10.0, 11.0), replicate(9.0, 12.0), output_gap=0.0)

    again = Blocks.parse(row.as_json())

    assert again == row
    assert again.sha256() == row.sha256()
    assert costs_of(again) == costs_of(row)
