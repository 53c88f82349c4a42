"""From a store of results and a folder of boards to a site: the same input gives the same bytes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bench.errors import BenchError
from bench.leaderboard.badges import badge_pages
from bench.leaderboard.board_files import board_file_pages
from bench.leaderboard.board_page import board_pages
from bench.leaderboard.compare import compare_pages
from bench.leaderboard.datasets import dataset_pages
from bench.leaderboard.feed import feed_pages
from bench.leaderboard.figures import needs_matplotlib, write_figures
from bench.leaderboard.history_page import history_pages
from bench.leaderboard.index import index_pages
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page, compare_site, write_site
from bench.leaderboard.pages import asset_pages
from bench.leaderboard.search import search_pages
from bench.leaderboard.submission import submission_pages
from bench.leaderboard.throughput import throughput_pages
from bench.store import Store

__all__ = ["PAGES", "CheckReport", "PublishReport", "check", "pages_of", "publish"]


@dataclass(frozen=True, kw_only=True)
class PublishReport:
    """What was published."""

    index: Path
    """The page to open."""
    num_results: int
    num_boards: int
    num_files: int
    num_written: int
    """How many files are new or have another content than before."""
    broken: tuple[BenchError, ...]
    """Results and boards that are not on the site, and what is wrong with them."""
    figures: tuple[Path, ...] = ()
    """The figures that were written."""


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a site would be, against what is there."""

    num_results: int
    num_boards: int
    differing: tuple[str, ...]
    """Files of the folder that differ, are missing, or should not be there."""
    broken: tuple[BenchError, ...]


PAGES: tuple[Callable[[Material], Iterator[Page]], ...] = (
    asset_pages,
    board_pages,
    throughput_pages,
    dataset_pages,
    index_pages,
    search_pages,
    feed_pages,
    badge_pages,
    compare_pages,
)
"""What makes one half of the files of a site."""

OTHER_PAGES: tuple[Callable[[Material], Iterator[Page]], ...] = (
    board_file_pages,
    history_pages,
    submission_pages,
)
"""What makes the other half, in a second process where there are many entries."""

_MANY = 500
"""Entries from which on a second process is worth its start."""


def pages_of(material: Material) -> Iterator[Page]:
    """Every file of the site, one at a time."""
    return _made_by((*PAGES, *OTHER_PAGES), material)


def _made_by(makers: Sequence[Callable[[Material], Iterator[Page]]], material: Material) -> Iterator[Page]:
    return chain.from_iterable(pages(material) for pages in makers)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """All records live until the site is written and pages leave no cycles: collecting would only cost a quarter."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def publish(
    store: Store,
    boards_folder: Path,
    out: Path,
    *,
    url: str | None = None,
    manifests: Path | None = None,
    figures: Path | None = None,
) -> PublishReport:
    """Writes the site of a store; what is broken is left out and reported.

    Args:
        store: The results.
        boards_folder: The folder of board files.
        out: The site's folder; the pages that are there are replaced at once, at the end.
        url: Where the site will stand; the feed then names its pages by absolute links.
        manifests: The folder that keeps what each site was made from, so that only pages are made whose inputs
            changed; without one all are made, and those that are equal are not written.
        figures: The folder for figures of all boards; without one none are drawn.

    Raises:
        StoreError: There is no results folder, or the site cannot be written.
        UsageError: There is no folder of boards, `out` holds what bench did not make, or figures are wanted and
            matplotlib is absent.
    """
    if figures is not None:
        needs_matplotlib()
    with _collector_paused():
        material = Material(store, boards_folder, url=url)
        records = {item.run: item.digest for item in material.stored}
        is_large = len(material.entries) >= _MANY
        written = write_site(
            _made_by(PAGES, material) if is_large else pages_of(material),
            out,
            others=_made_by(OTHER_PAGES, material) if is_large else None,
            manifests=manifests,
            records=records,
        )
        drawn = [] if figures is None else write_figures(material, figures)
    return PublishReport(
        index=out / "index.html",
        num_results=len(material.stored),
        num_boards=len(material.boards),
        num_files=written.num_files,
        num_written=written.num_written,
        broken=tuple(material.broken),
        figures=tuple(drawn),
    )


def check(store: Store, boards_folder: Path, out: Path | None = None, *, url: str | None = None) -> CheckReport:
    """Renders the site in memory and compares it with a folder.

    Args:
        store: The results.
        boards_folder: The folder of board files.
        out: The folder to compare with; None renders only, which finds broken results and boards.
        url: Where the site will stand, as `publish` was told.

    Raises:
        StoreError: There is no results folder.
        UsageError: There is no folder of boards, or no `out`.
    """
    differing: Sequence[str] = []
    with _collector_paused():
        material = Material(store, boards_folder, url=url)
        if out is not None:
            differing = compare_site(pages_of(material), out)
        else:
            for page in pages_of(material):
                page.make()
    return CheckReport(
        num_results=len(material.stored),
        num_boards=len(material.boards),
        differing=tuple(differing),
        broken=tuple(material.broken),
    )
