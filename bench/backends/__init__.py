"""Where a model runs: in this process, or jailed in another one. `BACKENDS` is the table of all places."""

from __future__ import annotations

from bench.backends.base import Backend
from bench.registry import LazyTable

__all__ = ["BACKENDS"]

BACKENDS: LazyTable[type[Backend]] = LazyTable(
    "backend",
    {
        "local": "bench.backends.local:LocalBackend",
        "process": "bench.backends.process:ProcessBackend",
        "sandbox": "bench.backends.sandbox:SandboxBackend",
    },
)
"""Every place to run. To add one: a module in this package and its line here; it inherits the contract tests."""
