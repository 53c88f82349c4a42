"""How torch's worker threads wait, decided before torch is loaded."""

from __future__ import annotations

import os

__all__ = ["let_threads_sleep"]


def let_threads_sleep() -> None:
    """Lets OpenMP threads sleep instead of spin while they wait, unless the user says otherwise.

    Spinning threads take the cores from those that decode images, and from every other program: on two cores with
    one more busy process, steps of small networks were measured at 5 to 13 times their time. OpenMP reads the
    variable once, when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
