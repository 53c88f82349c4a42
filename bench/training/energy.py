"""Energy that a training draws, where the device tells it: NVIDIA's counter of the whole board."""

from __future__ import annotations

from bench.measure.fingerprint import gpu_uuid
from bench.measure.machine_state import GpuCounters

__all__ = ["EnergyMeter"]


class EnergyMeter:
    """The energy of one device since this was made; every rank of a training has one of its own.

    The counter is the driver's (`nvmlDeviceGetTotalEnergyConsumption`), in millijoules since the driver was loaded. It
    is of the board and not of the process: others on the same device are in it, and host and network are not.

    Args:
        counters: What NVML tells of the device; None where it tells nothing.
        before_j: What an interrupted run had drawn before.
    """

    def __init__(self, counters: GpuCounters | None, before_j: float = 0.0) -> None:
        self._counters = counters
        self._before_j = before_j
        self._start_mj = None if counters is None else counters.energy_mj()

    @classmethod
    def of(cls, device: str, before_j: float = 0.0) -> EnergyMeter:
        """The meter of a torch device; one that tells nothing where there is no NVML."""
        if not device.startswith("cuda"):
            return cls(None, before_j)
        return cls(GpuCounters.of(gpu_uuid(device)), before_j)

    def joules(self) -> float | None:
        """Energy so far, in joules; None where it is not told."""
        now = None if self._counters is None else self._counters.energy_mj()
        if now is None or self._start_mj is None:
            return None
        return self._before_j + (now - self._start_mj) / 1000
