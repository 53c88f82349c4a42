"""The machine before and after a measurement: clocks, throttling, load, steal, pressure, and who else is there.

GPU figures come from NVML through the optional package nvidia-ml-py; without it, or where the driver does not tell
them (in a slice of a device, in some containers), they are missing and never 0.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from bench.measure.kernel import lines_of
from bench.records.blocks import MachineState
from bench.records.result import Scalar

__all__ = ["GpuCounters", "complaints", "read_state", "why_invalid"]

T = TypeVar("T")

_POWER_CAP, _SW_THERMAL, _HW_THERMAL, _POWER_BRAKE = 74, 269, 270, 271
"""Field ids of nvml.h: how long clocks were held down, in nanoseconds (NVML_FI_DEV_PERF_POLICY_POWER is 74, in
nanoseconds too; 269 to 271 are NVML_FI_DEV_CLOCKS_EVENT_REASON_*)."""
_MOST_STEAL, _MOST_FOREIGN = 0.01, 0.1


class GpuCounters:
    """What NVML tells of one GPU.

    Args:
        uuid: The device, as NVML names it, such as `GPU-...`.
        nvml: The module `pynvml`, or one that does as it does.

    Raises:
        RuntimeError: NVML has no such device.
    """

    def __init__(self, uuid: str, nvml: Any) -> None:
        self._nvml = nvml
        try:
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        except nvml.NVMLError as error:
            raise RuntimeError(f"NVML has no device {uuid}: {error}") from error

    @classmethod
    def of(cls, uuid: str | None) -> GpuCounters | None:
        """The counters of a device, or None where there is no NVML, or none for this device."""
        if uuid is None:
            return None
        try:
            import pynvml
        except ImportError:
            return None
        try:
            return cls(uuid, pynvml)
        except RuntimeError:
            return None

    def read(self, own_pids: Collection[int]) -> dict[str, Any]:
        """The fields of `MachineState` that are about a GPU; what NVML does not tell is left out.

        Args:
            own_pids: The processes that are measured, which are not foreign.
        """
        nvml, handle = self._nvml, self._handle
        processes = self._told(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        found = {
            "sm_clock_mhz": self._told(lambda: int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))),
            "temperature_c": self._told(lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            "power_w": self._told(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
            "energy_mj": self.energy_mj(),
            "power_cap_ns": self._field(_POWER_CAP),
            "thermal_ns": _sum(self._field(_SW_THERMAL), self._field(_HW_THERMAL)),
            "power_brake_ns": self._field(_POWER_BRAKE),
        }
        if processes is not None:
            own = [process.usedGpuMemory for process in processes if process.pid in own_pids]
            # A container may see its own processes under the numbers that they have outside: so many of them are ours.
            found["num_foreign"] = max(0, len(processes) - len(own_pids))
            memory = _sum(*own)
            found["device_memory_mib"] = None if memory is None else memory / 2**20
        return {key: value for key, value in found.items() if value is not None}

    def settings(self) -> dict[str, Scalar]:
        """What is set on the device and moves speed: power limit, memory correction, slices, clocks of applications.

        None where NVML does not tell.
        """
        nvml, handle = self._nvml, self._handle
        limit = self._told(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        ecc = self._told(lambda: nvml.nvmlDeviceGetEccMode(handle)[0])
        slices = self._told(lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
        held = self._told(lambda: nvml.nvmlDeviceGetApplicationsClock(handle, nvml.NVML_CLOCK_SM))
        highest = self._told(lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM))
        return {
            "power_limit_w": None if limit is None else limit // 1000,
            "ecc": None if ecc is None else bool(ecc),
            "mig": None if slices is None else bool(slices),
            "application_clock_mhz": held,
            "highest_clock_mhz": highest,
        }

    def energy_mj(self) -> int | None:
        """Energy since the driver was loaded, in millijoules; None where it is not told."""
        return self._told(lambda: int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)))

    def _field(self, number: int) -> int | None:
        def read() -> int | None:
            (value,) = self._nvml.nvmlDeviceGetFieldValues(self._handle, [number])
            return int(value.value.ullVal) if value.nvmlReturn == self._nvml.NVML_SUCCESS else None

        return self._told(read)

    def _told(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (self._nvml.NVMLError, AttributeError):  # not here, or not in this version of nvidia-ml-py
            return None


def _sum(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def read_state(
    gpu: GpuCounters | None = None, *, own_pids: Collection[int] = (), root: Path = Path("/")
) -> MachineState:
    """The machine now.

    Args:
        gpu: The GPU that is measured on, if any.
        own_pids: The processes that are measured.
        root: Where `proc` and `sys` lie.
    """
    ticks = _ticks(root)
    found: dict[str, Any] = {
        "load_1min": _load(root),
        "pressure_us": _pressure(root),
        "core_throttles": _core_throttles(root),
        **({} if gpu is None else gpu.read(own_pids)),
    }
    if len(ticks) >= 8:
        # user, nice, system, idle, iowait, irq, softirq, steal; see proc_stat(5)
        total = sum(ticks[:8])
        found |= {"total_ticks": total, "steal_ticks": ticks[7], "busy_ticks": total - ticks[3] - ticks[4] - ticks[7]}
    return MachineState(**{key: value for key, value in found.items() if value is not None})


def _ticks(root: Path) -> list[int]:
    lines = lines_of(root / "proc/stat")
    return [int(word) for word in lines[0].split()[1:]] if lines else []


def _load(root: Path) -> float | None:
    lines = lines_of(root / "proc/loadavg")
    return float(lines[0].split()[0]) if lines else None


def _pressure(root: Path) -> int | None:
    """The total of the line `some avg10=0.00 avg60=0.00 avg300=0.00 total=123`."""
    for line in lines_of(root / "proc/pressure/cpu"):
        if line.startswith("some"):
            return int(line.rpartition("total=")[2])
    return None


def _core_throttles(root: Path) -> int | None:
    files = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"))
    counts = [int(lines[0]) for file in files if (lines := lines_of(file))]
    return sum(counts) if counts else None


def why_invalid(before: MachineState, after: MachineState) -> str | None:
    """Why a block on a GPU does not count: causes that were declared before, and never its value."""
    if _rise(before.thermal_ns, after.thermal_ns):
        return "the GPU was slowed down by heat"
    if _rise(before.power_brake_ns, after.power_brake_ns):
        return "the GPU was slowed down by its power brake"
    if before.num_foreign or after.num_foreign:
        return "another process computed on the GPU"
    return None


def complaints(states: Collection[tuple[MachineState, MachineState]], *, own_cpu_s: float, num_cores: int) -> list[str]:
    """What a reader must know of a machine that throttled or was shared: a sentence each.

    Args:
        states: The machine before and after each process.
        own_cpu_s: Processor time of all these processes together, in seconds.
        num_cores: Cores that the ticks count.
    """
    total = _total(states, "total_ticks")
    said = []
    if total:
        if (steal := (_total(states, "steal_ticks") or 0) / total) > _MOST_STEAL:
            said.append(f"Other virtual machines took {steal:.0%} of the processor time.")
        own = own_cpu_s * os.sysconf("SC_CLK_TCK")
        if (foreign := ((_total(states, "busy_ticks") or 0) - own) / total) > _MOST_FOREIGN:
            said.append(f"Other processes took {foreign:.0%} of the {num_cores} cores: the machine was shared.")
    if _total(states, "core_throttles"):
        said.append("Cores were slowed down by heat.")
    if _total(states, "thermal_ns") or _total(states, "power_brake_ns"):
        said.append("The GPU was slowed down by heat or its power brake.")
    if any(state.num_foreign for pair in states for state in pair):
        said.append("Other processes computed on the GPU: it was shared.")
    return said


def _total(states: Collection[tuple[MachineState, MachineState]], name: str) -> int | None:
    """By how much a counter rose from before to after, all processes together; None where it is not known."""
    rises = [_rise(getattr(before, name), getattr(after, name)) for before, after in states]
    known = [rise for rise in rises if rise is not None]
    return sum(known) if known else None


def _rise(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)
