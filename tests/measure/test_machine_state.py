"""The machine before and after: read from files and from an NVML of the test's own."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.measure.machine_state import GpuCounters, complaints, read_state, why_invalid
from bench.records.blocks import MachineState


class FakeNvmlError(Exception):
    """As `pynvml.NVMLError`."""


def nvml(**told: Any) -> Any:
    """An NVML that tells what it is given, and refuses everything else."""

    def value(name: str) -> Any:
        def read(*_: Any) -> Any:
            if name not in told:
                raise FakeNvmlError(name)
            return told[name]

        return read

    def fields(_: Any, numbers: list[int]) -> list[Any]:
        found = told.get("fields", {}).get(numbers[0])
        return [SimpleNamespace(nvmlReturn=int(found is None), value=SimpleNamespace(ullVal=found or 0))]

    names = ("ClockInfo", "Temperature", "PowerUsage", "TotalEnergyConsumption", "ComputeRunningProcesses")
    others = ("EnforcedPowerLimit", "EccMode", "MigMode", "ApplicationsClock", "MaxClockInfo", "HandleByUUID")
    return SimpleNamespace(
        NVMLError=FakeNvmlError,
        NVML_SUCCESS=0,
        NVML_CLOCK_SM=1,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetFieldValues=fields,
        **{f"nvmlDeviceGet{name}": value(name) for name in (*names, *others)},
    )


def test_counters_that_are_not_told_are_missing_and_never_zero() -> None:
    """In a slice of a device the driver refuses most of it."""
    gpu = GpuCounters("GPU-1", nvml(HandleByUUID="handle", Temperature=40, fields={74: 5, 269: 0, 270: 7}))

    assert gpu.read(own_pids=[1]) == {"temperature_c": 40, "power_cap_ns": 5, "thermal_ns": 7}
    assert gpu.energy_mj() is None
    assert set(gpu.settings().values()) == {None}


def test_the_measured_process_is_not_foreign() -> None:
    """Its memory is told; the others are counted, also where a container knows it by another number."""
    processes = [SimpleNamespace(pid=7, usedGpuMemory=3 << 20), SimpleNamespace(pid=8, usedGpuMemory=None)]
    gpu = GpuCounters("GPU-1", nvml(HandleByUUID="handle", ComputeRunningProcesses=processes))

    assert gpu.read(own_pids=[7]) == {"num_foreign": 1, "device_memory_mib": 3.0}
    assert gpu.read(own_pids=[9]) == {"num_foreign": 1}
    assert gpu.read(own_pids=[]) == {"num_foreign": 2}
    assert gpu.read(own_pids=[7, 8]) == {"num_foreign": 0, "device_memory_mib": 3.0}


def test_a_device_that_nvml_does_not_know_has_no_counters() -> None:
    """And without nvidia-ml-py, or without a GPU, there is None."""
    with pytest.raises(RuntimeError, match="no device GPU-1"):
        GpuCounters("GPU-1", nvml())
    assert GpuCounters.of(None) is None
    assert GpuCounters.of("GPU-00000000-0000-0000-0000-000000000000") is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"thermal_ns": 11}, "heat"),
        ({"power_brake_ns": 1}, "power brake"),
        ({"num_foreign": 1}, "another process"),
        ({"power_cap_ns": 99, "temperature_c": 90}, None),
    ],
)
def test_blocks_do_not_count_for_declared_causes_only(after: dict[str, int], reason: str | None) -> None:
    """The power limit is normal at large batches, and a warm device is no cause."""
    before = MachineState(thermal_ns=10, power_brake_ns=0, power_cap_ns=0, num_foreign=0)

    found = why_invalid(before, before.model_copy(update=after))

    assert found is None if reason is None else reason in str(found)


def test_the_state_of_this_machine_and_of_none(tmp_path: Path) -> None:
    """Files that are not there are missing fields."""
    assert read_state(root=tmp_path) == MachineState()
    (tmp_path / "proc/pressure").mkdir(parents=True)
    (tmp_path / "proc/stat").write_text("cpu  10 1 5 100 4 0 2 3 0 0\ncpu0 1 1\n")
    (tmp_path / "proc/loadavg").write_text("1.50 1.0 0.9 2/100 42\n")
    (tmp_path / "proc/pressure/cpu").write_text("some avg10=1.00 avg60=0.50 avg300=0.10 total=777\n")

    found = read_state(root=tmp_path)

    assert found == MachineState(load_1min=1.5, busy_ticks=18, steal_ticks=3, total_ticks=125, pressure_us=777)


def test_a_shared_machine_says_so() -> None:
    """Steal above 1 %, others above a tenth, heat; and silence on a quiet machine."""
    tick = os.sysconf("SC_CLK_TCK")
    before = MachineState(busy_ticks=0, steal_ticks=0, total_ticks=0, core_throttles=3)
    after = MachineState(busy_ticks=60 * tick, steal_ticks=3 * tick, total_ticks=100 * tick, core_throttles=4)

    said = " ".join(complaints([(before, after)], own_cpu_s=20.0, num_cores=4))

    assert "took 3%" in said
    assert "40% of the 4 cores" in said
    assert "heat" in said
    quiet = after.model_copy(update={"steal_ticks": 0, "core_throttles": 3})
    assert complaints([(before, quiet)], own_cpu_s=55.0, num_cores=4) == []
    assert complaints([(MachineState(), MachineState())], own_cpu_s=1.0, num_cores=4) == []
