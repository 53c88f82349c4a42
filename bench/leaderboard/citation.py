"""How to cite a submission, and the badge for a README."""

from __future__ import annotations

from typing import NamedTuple

from bench.leaderboard.badges import badge_path
from bench.leaderboard.columns import column_of
from bench.leaderboard.exports import latex_cell, markdown_cell
from bench.leaderboard.facts import link_or_none, team_of
from bench.leaderboard.slugs import slug
from bench.records.result import Result

__all__ = ["Badge", "badge_markdown", "bibtex"]

_UNKNOWN_SITE = "https://EXAMPLE.org/"
"""Stands in a badge's address where the site does not know its own."""


class Badge(NamedTuple):
    """A badge to copy."""

    board: str
    image: str
    """Where it lies, from the submission's page."""
    markdown: str


def bibtex(result: Result, *, metric: str = "top1", url: str | None = None) -> str:
    """A BibTeX entry for a run: who, what, when, under which protocol, with which number.

    Args:
        result: The run to cite.
        metric: The metric that the note names.
        url: Where the site stands; None where that is not known.
    """
    submission, protocol, key = result.submission, result.protocol, slug(result.entry)
    note = f"Protocol {protocol.id} version {protocol.version}, run {result.run}, {result.status}"
    if (estimate := result.metrics.get(metric)) is not None:
        column = column_of(metric)
        unit = f" {column.unit}" if column.unit else ""
        note = f"{column.title} {column.text(estimate.value)}{unit} on {estimate.num_samples:,} images. {note}"
    fields = {
        "author": f"{{{_field(team_of(result))}}}",  # doubled braces: an organisation, not first and last names
        "title": f"{{{_field(submission.title)}}}",
        "year": result.created_at[:4],
        "howpublished": "ILSVRC Bench",
        "note": _field(note),
    }
    link = f"{url}submissions/{key}.html" if url else link_or_none(submission.paper) or link_or_none(submission.code)
    if link is not None:
        fields["url"] = _bare(link)
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{key},", *lines, "}"]) + "\n"


def _field(text: str) -> str:
    """Text as the value of a field: BibTeX counts braces even behind a backslash."""
    return latex_cell(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def _bare(link: str) -> str:
    """A link without what would end a BibTeX field: braces and backslashes are percent-encoded."""
    return link.replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")


def badge_markdown(board_id: str, board_title: str, entry: str, url: str | None) -> Badge:
    """The badge of an entry on a board, as Markdown; without the site's address a placeholder stands in its place."""
    site, image = url or _UNKNOWN_SITE, badge_path(board_id, entry)
    words = markdown_cell(f"Result on {board_title}")
    return Badge(board_title, f"../{image}", f"[![{words}]({site}{image})]({site}submissions/{slug(entry)}.html)")
