"""Leases: a running evaluation shows that it is alive, so that a dead one does not hold a team's place.

The signs of life lie beside the ledger, in `<ledger>.leases`, and are no part of it: they decide only when somebody
writes the refund of a reservation that nobody works on any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from bench.challenge.times import moment_of, now_utc, stamp
from bench.errors import StoreError
from bench.files import write_atomic
from bench.records.ledger import Entry

__all__ = ["beat", "beating", "forget", "why_stuck"]


def beat(ledger: Path, reservation: Entry, now: datetime) -> None:
    """Shows that the evaluation of a reservation is alive.

    Raises:
        StoreError: The file cannot be written.
    """
    write_atomic(_path(ledger, reservation), stamp(now))


def forget(ledger: Path, reservation: Entry) -> None:
    """Removes the sign of life of a reservation that is over."""
    with suppress(OSError):  # it is of no use, and does no harm
        _path(ledger, reservation).unlink(missing_ok=True)


@contextmanager
def beating(
    ledger: Path, reservation: Entry, *, every_s: float, clock: Callable[[], datetime] = now_utc
) -> Iterator[None]:
    """Shows a sign of life every so many seconds, from a thread, until the context is left."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(every_s):
            with suppress(StoreError):  # a full disk: the next sign may succeed, and the lease is three of them long
                beat(ledger, reservation, clock())

    beat(ledger, reservation, clock())
    thread = threading.Thread(target=work, name="bench-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def why_stuck(ledger: Path, reservation: Entry, *, lease: timedelta, now: datetime) -> str | None:
    """Why a reservation that is still open is taken for dead, or None while it may be alive.

    Args:
        ledger: The ledger's file.
        reservation: An entry `reserve` that no other entry closes.
        lease: How long it may show no sign of life.
        now: The time.
    """
    if reservation.until is not None and stamp(now) >= reservation.until:
        return f"not over at its deadline {reservation.until}"
    seen = reservation.time
    with suppress(OSError, ValueError):
        text = _path(ledger, reservation).read_text(encoding="ascii")
        moment_of(text)
        seen = max(seen, text)
    return None if now - moment_of(seen) < lease else f"no sign of life since {seen}"


def _path(ledger: Path, reservation: Entry) -> Path:
    return ledger.with_name(ledger.name + ".leases") / f"{reservation.sequence}-{reservation.hash[:12]}"
