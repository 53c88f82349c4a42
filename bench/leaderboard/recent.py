"""The latest results, imports as one line each; and what has no rank, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.leaderboard.column import DASH
from bench.leaderboard.columns import column_of
from bench.leaderboard.facts import status_words, team_of
from bench.leaderboard.slugs import slug
from bench.stored import Stored

__all__ = ["newest_version", "problems", "recent"]

NUM_RECENT = 10
NUM_PROBLEMS = 12
_KINDS = ("failed", "late", "over-quota", "barred", "penalised", "retracted", "superseded", "partial")


def recent(stored: Sequence[Stored], rank_by: Mapping[str, str], num: int = NUM_RECENT) -> list[dict[str, Any]]:
    """The newest lines: a run each, or all that one source brought on one day.

    Args:
        stored: All results, newest first.
        rank_by: From protocol to the metric that its board ranks by.
        num: How many lines.
    """
    lines: list[dict[str, Any]] = []
    imports: dict[tuple[str, str], dict[str, Any]] = {}
    for item in stored:
        result = item.result
        if result.status == "imported":
            key = (result.created_at[:10], result.submission.team)
            if key not in imports:
                imports[key] = {"day": key[0], "team": team_of(result), "num": 0, "entries": set(), "protocols": set()}
                lines.append(imports[key])
            imports[key]["num"] += 1
            imports[key]["entries"].add(result.entry)
            imports[key]["protocols"].add(result.protocol.id)
        elif len(lines) < num:
            lines.append(_line(item, rank_by))
    return [line if "slug" in line else _import_line(line) for line in lines[:num]]


def _import_line(line: Mapping[str, Any]) -> dict[str, Any]:
    num, entries, protocols = line["num"], len(line["entries"]), sorted(line["protocols"])
    words = f"{num:,} result{'' if num == 1 else 's'} imported from"
    of = f"{entries:,} submission{'' if entries == 1 else 's'}"
    return {"day": line["day"], "team": line["team"], "words": words, "of": of, "protocols": protocols, "slug": ""}


def problems(stored: Sequence[Stored], reasons: Mapping[str, str], rank_by: Mapping[str, str]) -> dict[str, Any]:
    """The runs without a rank, newest first: how many of which kind, and the first of them with the reason."""
    found = [item for item in stored if item.run in reasons]
    kinds = Counter(_kind(item) for item in found)
    return {
        "num": len(found),
        "kinds": [(kind, kinds[kind]) for kind in (*_KINDS, "other") if kinds[kind]],
        "lines": [{**_line(item, rank_by), "reason": reasons[item.run]} for item in found[:NUM_PROBLEMS]],
        "num_more": max(0, len(found) - NUM_PROBLEMS),
    }


def newest_version(stored: Sequence[Stored]) -> tuple[str, int] | None:
    """The latest release of bench that measured something here, and how many results are new since then."""
    versions = Counter(item.result.bench_version for item in stored if item.result.status not in ("imported", "failed"))
    if not versions:
        return None
    newest = max(versions, key=_order)
    return newest, versions[newest]


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions by their numbers: 0.10 comes after 0.9."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.split("."))


def _kind(item: Stored) -> str:
    words = status_words(item)
    return next((kind for kind in _KINDS if kind in words), "other")


def _line(item: Stored, rank_by: Mapping[str, str]) -> dict[str, Any]:
    result = item.result
    name = rank_by.get(result.protocol.id, "top1")
    column, estimate = column_of(name), result.metrics.get(name)
    return {
        "day": result.created_at[:10],
        "title": result.submission.title,
        "team": team_of(result),
        "slug": slug(result.entry),
        "protocol": result.protocol.id,
        "status": status_words(item),
        "metric": column.title,
        "value": f"{column.text(estimate.value)} {column.unit}".strip() if estimate else DASH,
        "interval": column.interval(estimate.ci_low, estimate.ci_high) if estimate else DASH,
    }
