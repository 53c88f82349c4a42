"""Times as the ledger writes them: UTC in whole seconds, so that their text sorts as they do."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["moment_of", "now_utc", "stamp"]

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now_utc() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A time with a zone as text, UTC, rounded down to whole seconds.

    >>> from datetime import datetime
    >>> stamp(datetime.fromisoformat("2026-10-02T01:59:59.900+02:00"))
    '2026-10-01T23:59:59Z'
    """
    return moment.astimezone(UTC).strftime(_FORMAT)


def moment_of(text: str) -> datetime:
    """The time that `stamp` wrote."""
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
