"""The model in a process of its own, without a sandbox: for code that you trust but do not want in yours."""

from __future__ import annotations

from bench.backends.jailed import JailedBackend

__all__ = ["ProcessBackend"]


class ProcessBackend(JailedBackend):
    """Labels and results are out of reach of a mistake, not of malice: the child has your rights on this machine."""

    isolation = "process"
