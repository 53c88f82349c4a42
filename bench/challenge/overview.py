"""A challenge at a glance: its phases and tracks, and what a team has used of its quota."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bench.challenge.loaded import LoadedChallenge
from bench.challenge.quota import usage
from bench.challenge.times import now_utc
from bench.records.challenge import Phase

__all__ = ["overview"]


def overview(loaded: LoadedChallenge, team: str | None = None, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """One row a track, in the order of the phases.

    Args:
        loaded: The challenge.
        team: The team whose use of the quota is counted; None for the quota alone.
        now: The time; None for now.

    Raises:
        ChallengeError: The team does not take part.
        LedgerError: The ledger cannot be read.
    """
    now = now or now_utc()
    entries = loaded.ledger().read().entries
    if team is not None:
        team = loaded.team(team).team
    rows = []
    for phase in loaded.rules.phases:
        quota = phase.quota
        scored, attempts = str(quota.scored), str(quota.attempts)
        if team is not None:
            used = usage(entries, team, phase.name, quota, now)
            scored, attempts = f"{len(used.taken)} of {scored}", f"{len(used.attempts)} of {attempts}"
        rows += [
            {
                "phase": phase.name,
                "state": _state(phase, now),
                "start": phase.start.isoformat(),
                "end": phase.end.isoformat(),
                "division": track.division,
                "protocol": track.protocol,
                "board": track.board,
                "labels": f"hidden ({track.labels})" if track.labels else "public",
                "scored": f"{scored} in {quota.window_hours} h",
                "attempts": f"{attempts} in {quota.window_hours} h",
            }
            for track in phase.tracks
        ]
    return rows


def _state(phase: Phase, now: datetime) -> str:
    if now < phase.start:
        return "to come"
    return "open" if now < phase.end else "over"
