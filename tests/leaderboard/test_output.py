"""The folder of a site: swapped in whole, compared, never taken from somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.leaderboard.output import MARKER, Page, compare_site, write_site

PAGES = [Page.of("index.html", b"one"), Page.of("boards/a.html", b"two"), Page.of("boards/a.csv", b"three")]


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_is_replaced_whole(tmp_path: Path) -> None:
    """Pages that are no longer made are gone, nothing is left beside the site."""
    out = tmp_path / "site"
    write_site([*PAGES, Page.of("boards/old.html", b"old")], out)

    num_files = write_site(PAGES, out).num_files

    assert num_files == 4
    assert set(_tree(out)) == {MARKER, "index.html", "boards/a.html", "boards/a.csv"}
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_failure_leaves_the_old_site(tmp_path: Path) -> None:
    """An error while pages are made changes nothing and leaves nothing behind."""
    out = tmp_path / "site"
    write_site(PAGES, out).num_files

    def broken() -> Iterator[Page]:
        yield Page.of("index.html", b"new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_site(broken(), out)

    assert (out / "index.html").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_belongs_to_others_is_kept(tmp_path: Path) -> None:
    """A checkout of gh-pages keeps its history and its CNAME."""
    out = tmp_path / "site"
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("ref")
    write_site(PAGES, out).num_files
    (out / "CNAME").write_text("example.org")

    write_site(PAGES[:1], out)

    assert set(_tree(out)) == {MARKER, "index.html", "CNAME", ".git/HEAD"}


def test_a_folder_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    """A typing mistake in --out must not cost anybody's files."""
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(UsageError, match="did not make"):
        write_site(PAGES, tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        write_site(PAGES, tmp_path / "thesis.tex")

    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("swapped", [False, True], ids=["before the new one", "after the new one"])
def test_a_swap_that_was_killed_is_finished(tmp_path: Path, swapped: bool) -> None:
    """Killed between two renames: the next run brings back what was moved aside."""
    out, old = tmp_path / "site", tmp_path / ".site.bench-old"
    write_site(PAGES, out).num_files
    (out / "CNAME").write_text("example.org")
    out.rename(old)
    if swapped:
        write_site_again = tmp_path / "other"
        write_site(PAGES, write_site_again)
        write_site_again.rename(out)

    write_site(PAGES, out).num_files

    assert (out / "CNAME").read_text() == "example.org"
    assert not old.exists()


def test_two_publications_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """The site is that of one of them, whole."""
    out = tmp_path / "site"
    sites = [
        [Page.of("index.html", name), *(Page.of(f"boards/{index}.html", name) for index in range(200))]
        for name in (b"a", b"b")
    ]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda pages: write_site(pages, out).num_files, sites * 3)) == [202] * 6

    assert len({content for name, content in _tree(out).items() if name != MARKER}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_comparison_names_every_difference(tmp_path: Path) -> None:
    """Changed, missing and leftover files; what belongs to others does not count."""
    write_site(PAGES, tmp_path)
    (tmp_path / "CNAME").write_text("example.org")
    assert compare_site(PAGES, tmp_path) == []

    (tmp_path / "index.html").write_bytes(b"edited")
    (tmp_path / "boards/a.csv").unlink()
    (tmp_path / "boards/b.html").write_bytes(b"left over")

    assert compare_site(PAGES, tmp_path) == [
        "boards/a.csv (missing)",
        "boards/b.html (not part of the site)",
        "index.html (differs)",
    ]


def test_a_comparison_needs_a_folder(tmp_path: Path) -> None:
    """Comparing with nothing is a mistake."""
    with pytest.raises(UsageError, match="no folder"):
        compare_site(PAGES, tmp_path / "nowhere")
