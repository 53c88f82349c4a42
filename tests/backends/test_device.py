"""Devices by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.backends.device import DEFAULT_BATCH_SIZES, device_type, guess_device, resolve_device, wants_every_core
from bench.errors import DeviceError, UsageError
from bench.measure.kernel import num_cores


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:0:1", ""])
def test_an_unknown_device_is_wrong_usage(name: str) -> None:
    """The devices that there are get listed."""
    with pytest.raises(UsageError, match="use auto, cpu, cuda"):
        guess_device(name)


def test_a_device_has_a_kind_with_a_batch_size() -> None:
    """`cuda:1` is a `cuda`."""
    assert device_type("cuda:1") == "cuda"
    assert DEFAULT_BATCH_SIZES[device_type("cpu")] == 32


def test_only_a_model_on_the_processor_can_want_every_core() -> None:
    """And only where torch has a thread for each of them."""
    assert wants_every_core("cpu", num_cores())
    assert not wants_every_core("cpu", num_cores() - 1)
    assert not wants_every_core("cuda:1", 1000)


def test_a_device_that_is_not_there_is_a_clear_error() -> None:
    """Asking for more GPUs than the machine has names what there is."""
    with pytest.raises(DeviceError, match=r"sees no cuda|there is no cuda:99"):
        resolve_device("cuda:99")


def test_the_cpu_is_found_without_torch() -> None:
    """Finding an equal run must not wait for torch."""
    code = (
        "import sys; from bench.backends.device import guess_device, resolve_device\n"
        "resolve_device('cpu'); guess_device('auto'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
