"""What the C library does with freed memory."""

import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_freed_memory_is_reused_without_page_faults() -> None:
    """Large blocks that are freed and taken again cost no new pages."""
    code = (
        "import resource, numpy as np; from bench.backends.memory import keep_freed_memory\n"
        "assert keep_freed_memory()\n"
        "for _ in range(3): np.ones(20 << 20, np.uint8)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): np.ones(20 << 20, np.uint8)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    # 20 MiB are 5,120 pages; twenty times as many would be faulted in without the setting.
    assert int(done.stdout) < 5_120
