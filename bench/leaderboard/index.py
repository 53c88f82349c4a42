"""The index page: what the site is about, a card a board, the latest results, what has no rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bench.leaderboard.cards import board_card, fill_command
from bench.leaderboard.exports import csv_of_rows, json_text, plain
from bench.leaderboard.frame import BASE_COLUMNS
from bench.leaderboard.headline import last_change
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.recent import newest_version, problems, recent
from bench.leaderboard.standing import TRUST, Standing

__all__ = ["index_page", "index_pages"]


def index_pages(material: Material) -> Iterator[Page]:
    """The index page, the boards as JSON, and every run as CSV."""
    context = {"root": "", **material.common, "page": index_page(material)}
    yield Page.of("index.html", render("index.html", context))
    yield Page.of("index.json", _index_json(material.standings, len(material.stored)))
    rows = list(material.rows.values())
    yield Page.lazy("results.csv", list(material.rows), lambda: csv_of_rows(rows, first=BASE_COLUMNS))


def index_page(material: Material) -> dict[str, Any]:
    """What the template of the index page shows."""
    full = [place for place in material.standings if _has_results(place)]
    rank_by = {loaded.board.protocol: loaded.rank_by for loaded in reversed(material.boards)}
    return {
        "headline": _headline(material, len(full)),
        "cards": [board_card(place) for place in full],
        "empty": [
            {
                "id": place.loaded.board.id,
                "title": place.loaded.board.title,
                "protocol": place.loaded.protocol.id,
                "command": fill_command(place),
            }
            for place in material.standings
            if not _has_results(place)
        ],
        "num_unverified": _num_unverified(material.standings),
        "recent": recent(material.stored, rank_by),
        "release": newest_version(material.stored),
        "problems": problems(material.stored, material.reasons, rank_by),
    }


def _has_results(place: Standing) -> bool:
    return bool(len(place.ranked) or len(place.unranked))


def _headline(material: Material, num_boards: int) -> list[tuple[str, str, str]]:
    """The facts at the top: label, value, and what stands small behind it."""
    if not material.stored:
        return []
    entries = {item.result.entry for item in material.stored}
    statuses = Counter(item.result.status for item in material.stored)
    measured = sum(statuses[status] for status in ("verified", "self-reported"))
    borne_out = statuses["verified"] - int(material.frame["doubt"].notna().sum())
    facts = [
        ("Submissions", f"{len(entries):,}", ""),
        ("Boards", f"{num_boards:,}", "with results"),
    ]
    if measured:
        facts.append(("Measured", f"{measured:,}", f"{borne_out:,} verified"))
    if statuses["imported"]:
        facts.append(("Imported", f"{statuses['imported']:,}", "results"))
    facts.append(("Last change", max(last_change(place) for place in material.standings) if num_boards else "", ""))
    return [fact for fact in facts if fact[1]]


def _num_unverified(standings: Sequence[Standing]) -> int:
    """How many entries have a rank and wait for a maintainer's run."""
    waiting: set[str] = set()
    for place in standings:
        has_rank = place.ranked["rank"].notna().to_numpy(dtype=bool)
        own = (place.ranked["status"].map(TRUST) == TRUST["self-reported"]).to_numpy(dtype=bool)
        waiting.update(place.ranked["entry"][has_rank & own])
    return len(waiting)


def _index_json(standings: Sequence[Standing], num_results: int) -> str:
    """The boards and their leaders as JSON."""
    boards = []
    for standing in standings:
        stem = f"metrics.{standing.loaded.rank_by}"
        names = ("rank", "rank_low", "rank_high", "status", "entry", "run")
        keys = (*names, f"{stem}.value", f"{stem}.ci_low", f"{stem}.ci_high")
        top = standing.ranked.head(min(3, standing.num_ranked)).to_dict("records")
        boards.append(
            {
                "board": standing.loaded.board.as_json(),
                "protocol_digest": standing.loaded.protocol_digest,
                "num_ranked": standing.num_ranked,
                "num_unranked": len(standing.unranked),
                "last_change": last_change(standing),
                "leaders": [{key: plain(run.get(key)) for key in keys} for run in top],
            }
        )
    return json_text({"boards": boards, "num_results": num_results})
