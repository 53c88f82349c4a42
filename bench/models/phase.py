"""What building a model is at, for whoever holds it to a deadline."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Literal

__all__ = ["LISTENER", "Phase", "enter_phase"]

Phase = Literal["import", "load"]

LISTENER: ContextVar[Callable[[Phase], None] | None] = ContextVar("phase_listener", default=None)
"""Called when a phase begins; a context variable, so that model sources need no argument for it."""


def enter_phase(phase: Phase) -> None:
    """Says that importing a submission's file, or building and loading its model, begins."""
    listener = LISTENER.get()
    if listener is not None:
        listener(phase)
