"""The folder of a site: swapped in whole, written where it changed, compared, never taken from somebody else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.leaderboard import manifest, swap
from bench.leaderboard.output import MARKER, Page, Part, compare_site, write_site

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
    write_site(PAGES, out)

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
    write_site(PAGES, out)
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
    write_site(PAGES, out)
    (out / "CNAME").write_text("example.org")
    out.rename(old)
    if swapped:
        write_site_again = tmp_path / "other"
        write_site(PAGES, write_site_again)
        write_site_again.rename(out)

    write_site(PAGES, out)

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


def _page(path: str, inputs: object, content: str, made: list[str]) -> Page:
    """A lazy page that notes when it is made."""

    def make() -> str:
        made.append(path)
        return content

    return Page.lazy(path, inputs, make)


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of manifests."""
    return tmp_path_factory.mktemp("cache")


def _publish(out: Path, cache: Path | None, *pages: tuple[str, object, str]) -> tuple[list[str], int]:
    """Which pages were made, and how many files were written."""
    made: list[str] = []
    written = write_site([_page(*page, made) for page in pages], out, manifests=cache)
    return made, written.num_written


def test_only_pages_whose_inputs_changed_are_made(tmp_path: Path, cache: Path) -> None:
    """The others are the very files of before, with their times; a new page changes only itself and the marker."""
    out, one, two = tmp_path / "site", ("a.html", 1, "one"), ("b/b.html", 1, "two")
    assert _publish(out, cache, one, two) == (["a.html", "b/b.html"], 3)
    before = {path: (out / path).stat() for path in ("a.html", "b/b.html")}

    assert _publish(out, cache, one, two) == ([], 0)
    assert _publish(out, cache, one, ("b/b.html", 2, "TWO"), ("b/c.html", 1, "new")) == (["b/b.html", "b/c.html"], 2)

    after = {path: (out / path).stat() for path in ("a.html", "b/b.html")}
    assert (after["a.html"].st_ino, after["a.html"].st_mtime_ns) == (
        before["a.html"].st_ino,
        before["a.html"].st_mtime_ns,
    )
    assert after["b/b.html"].st_ino != before["b/b.html"].st_ino
    assert (out / "b/b.html").read_text() == "TWO"


def test_equal_content_is_not_written_again(tmp_path: Path, cache: Path) -> None:
    """Where inputs changed and nothing came of it, and where there is no manifest, the old file stays."""
    out = tmp_path / "site"
    _publish(out, cache, ("a.html", 1, "one"))
    before = (out / "a.html").stat().st_ino

    assert _publish(out, cache, ("a.html", 2, "one")) == (["a.html"], 0)
    assert _publish(out, None, ("a.html", 2, "one")) == (["a.html"], 0)

    assert (out / "a.html").stat().st_ino == before


@pytest.mark.parametrize("how", ["in place", "removed", "a link", "another file as old"])
def test_a_file_that_somebody_changed_is_made_again(tmp_path: Path, cache: Path, how: str) -> None:
    """Even where its length is the same."""
    out, page = tmp_path / "site", ("a.html", 1, "one")
    _publish(out, cache, page)
    path = out / "a.html"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    other = tmp_path / "other"
    other.write_text("two")
    if how == "in place":
        path.write_text("two")
    elif how == "removed":
        path.unlink()
    elif how == "a link":
        path.unlink()
        path.symlink_to(other)
    else:
        os.utime(other, ns=times)
        other.replace(path)

    made, num_written = _publish(out, cache, page)

    assert (made, num_written) == (["a.html"], 1)
    assert path.read_text() == "one"
    assert not path.is_symlink()


def test_a_part_is_put_into_the_page_of_before(tmp_path: Path, cache: Path) -> None:
    """Only the part is made where only its inputs changed; the page is whole where the rest did, or was touched."""
    out, made = tmp_path / "site", list[str]()

    def publish(rest: str, rank: int) -> tuple[list[str], str]:
        made.clear()

        def whole() -> str:
            made.append("whole")
            return f"{rest}<!--ranks-->#{rank}<!--/ranks-->end"

        def part() -> bytes:
            made.append("part")
            return f"#{rank}".encode()

        write_site([Page.lazy("a.html", rest, whole, Part.of("ranks", rank, part))], out, manifests=cache)
        return list(made), (out / "a.html").read_text()

    assert publish("a", 1) == (["whole"], "a<!--ranks-->#1<!--/ranks-->end")
    assert publish("a", 1)[0] == []
    assert publish("a", 2) == (["part"], "a<!--ranks-->#2<!--/ranks-->end")
    assert publish("b", 3) == (["whole"], "b<!--ranks-->#3<!--/ranks-->end")
    (out / "a.html").write_text("edited <!--ranks--><!--/ranks-->")
    assert publish("b", 4) == (["whole"], "b<!--ranks-->#4<!--/ranks-->end")


@pytest.mark.parametrize("what", ["code", "broken", "site"])
def test_a_manifest_that_does_not_fit_is_not_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Of another version of bench, truncated, or of a site elsewhere: all pages are made."""
    out, page = tmp_path / "site", ("a.html", 1, "one")
    _publish(out, cache, page)
    if what == "code":
        monkeypatch.setattr(manifest, "code_digest", lambda: "another")
    elif what == "broken":
        (path,) = cache.iterdir()
        path.write_bytes(path.read_bytes()[:-9])
    else:
        out.rename(tmp_path / "moved")
        out = tmp_path / "moved"

    assert _publish(out, cache, page) == (["a.html"], 0)


def test_the_digest_of_the_code_covers_the_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte of a template makes all pages anew."""
    (tmp_path / "page.html").write_text("one")
    monkeypatch.setattr(manifest, "resource_folder", lambda _: tmp_path)
    manifest.code_digest.cache_clear()
    before = manifest.code_digest()
    (tmp_path / "page.html").write_text("two")
    manifest.code_digest.cache_clear()

    assert manifest.code_digest() != before

    monkeypatch.undo()
    manifest.code_digest.cache_clear()


def test_a_file_system_without_links_or_exchange_will_do(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are copied with their times, and folders change places by two renames."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(swap, "_renameat2", lambda: None)
    out, page = tmp_path / "site", ("a.html", 1, "one")
    (out / ".git").mkdir(parents=True)
    _publish(out, cache, page)
    before = (out / "a.html").stat()
    (out / "CNAME").write_text("example.org")

    assert _publish(out, cache, page) == ([], 0)
    assert _publish(out, cache, page) == ([], 0)

    assert (out / "a.html").stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in out.iterdir()) == [MARKER, ".git", "CNAME", "a.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_reader_finds_every_page_at_every_moment(tmp_path: Path, cache: Path) -> None:
    """Folders change places at once: there is no moment without a site."""
    out, done, seen = tmp_path / "site", threading.Event(), set()
    _publish(out, cache, ("a.html", 0, "0"))

    def read() -> None:
        while not done.is_set():
            seen.add((out / "a.html").read_text())

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for number in range(1, 60):
            _publish(out, cache, ("a.html", number, str(number)), ("b.html", 0, "same"))
        done.set()
        reader.result()

    assert seen <= {str(number) for number in range(60)}
    assert len(seen) > 1


_KILLED = """
import os, sys
from pathlib import Path
from bench.leaderboard import swap
from bench.leaderboard.output import Page, write_site

base, two_renames, has_spare = Path(sys.argv[1]), sys.argv[2] == "two renames", sys.argv[2] == "spare"
if two_renames:
    swap._renameat2 = lambda: None
out, cache = base / "site", base / "cache"
armed, left = False, 0

def hook(event, args):
    global left
    if armed and event.partition(".")[0] in ("os", "shutil", "open"):
        left -= 1
        if left < 0:
            os._exit(9)

def publish(number):
    pages = [Page.lazy("index.html", number, lambda: f"index {number}"), Page.of("boards/a.html", "same")]
    others = [Page.lazy("boards/b.html", number, lambda: f"b {number}")]
    write_site(pages if has_spare else pages + others, out, others=others if has_spare else None, manifests=cache)

def tree():
    return {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}

def check(*numbers):
    found = tree()
    wanted = [{"index.html": f"index {n}", "boards/a.html": "same", "boards/b.html": f"b {n}"} for n in numbers]
    assert {key: found[key] for key in wanted[0]} in wanted, found
    return found

sys.addaudithook(hook)
(out / ".git").mkdir(parents=True)
(out / ".git" / "HEAD").write_text("ref")
publish(0)
(out / "CNAME").write_text("example.org")
steps, finished = 0, False
while not finished:
    before = int(tree()["index.html"].split()[1])
    child = os.fork()
    if child == 0:
        armed, left = True, steps
        publish(before + 1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    finished = status == 0
    if out.exists() or not two_renames:
        check(before, before + 1)
    publish(before + 2)
    found = check(before + 2)
    assert (found[".git/HEAD"], found["CNAME"]) == ("ref", "example.org"), (steps, found)
    assert sorted(path.name for path in base.iterdir()) == ["cache", "site"], sorted(base.iterdir())
    steps += 1
assert steps > 30, steps
"""


@pytest.mark.parametrize("how", ["exchange", "two renames", "spare"])
def test_killed_at_any_step_the_next_publication_recovers(tmp_path: Path, how: str) -> None:
    """A reader finds the old site or the new one, whole; what belongs to others is never lost; nothing is left over."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path), how],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_site_of_before_is_taken_over(tmp_path: Path) -> None:
    """The marker was one sentence once."""
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards/old.html").write_text("old")
    (tmp_path / MARKER).write_text("Made by bench publish; the next run replaces the pages in this folder.\n")
    (tmp_path / "CNAME").write_text("example.org")

    write_site(PAGES, tmp_path)

    assert set(_tree(tmp_path)) == {MARKER, "CNAME", "index.html", "boards/a.html", "boards/a.csv"}


def test_a_name_that_the_site_needs_is_not_taken_from_its_owner(tmp_path: Path) -> None:
    """A page of a new version may bear the name of somebody's file."""
    write_site(PAGES, tmp_path)
    (tmp_path / "feed.xml").write_text("mine")

    with pytest.raises(UsageError, match="was not made by bench"):
        write_site([*PAGES, Page.of("feed.xml", "ours")], tmp_path)

    assert (tmp_path / "feed.xml").read_text() == "mine"


def test_a_spare_saves_the_links_and_changes_nothing(tmp_path: Path, cache: Path) -> None:
    """A large site is built in the site before last: what changed, went or was touched since is right all the same."""
    out = tmp_path / "site"

    def publish(*pages: tuple[str, object, str]) -> int:
        lazy = [Page.lazy(path, inputs, lambda content=content: content) for path, inputs, content in pages]
        return write_site(lazy[:1], out, others=lazy[1:], manifests=cache).num_written

    def spare() -> Path:
        with swap.alone_in(tmp_path):  # a process in the background fills it
            (found,) = cache.glob("*.spare")
        return found

    publish(("index.html", 0, "0"), ("boards/a.html", 1, "a"), ("boards/b.html", 1, "b"), ("old/c.html", 1, "c"))
    assert (spare() / "boards/a.html").samefile(out / "boards/a.html")
    (out / "CNAME").write_text("example.org")
    (out / ".git").mkdir()

    for number in (1, 2):
        written = publish(("index.html", number, str(number)), ("boards/a.html", 1, "a"), ("boards/b.html", 1, "b"))
        assert written == (2 if number == 1 else 1)  # the first one also lists fewer names at the top
        assert set(_tree(out)) == {MARKER, "CNAME", "index.html", "boards/a.html", "boards/b.html"}
        assert (out / "index.html").read_text() == str(number)
    (out / "boards/a.html").write_text("touched")
    publish(("index.html", 3, "3"), ("boards/a.html", 1, "a"), ("boards/b.html", 1, "b"))

    assert _tree(out) == {
        MARKER: (out / MARKER).read_bytes(),
        "CNAME": b"example.org", "index.html": b"3", "boards/a.html": b"a", "boards/b.html": b"b",
    }  # fmt: skip
    assert not (out / "old").exists()
    assert (out / ".git").is_dir()
    assert (spare() / "boards/b.html").samefile(out / "boards/b.html")


def test_a_spare_of_another_version_is_not_used(tmp_path: Path, cache: Path) -> None:
    """Where the manifest is gone nothing in the spare is known."""
    out = tmp_path / "site"
    for _ in range(2):
        write_site([Page.of("a", "1")], out, others=[], manifests=cache)
    with swap.alone_in(tmp_path):
        (spare,) = cache.glob("*.spare")
    for path in cache.glob("*.json"):
        path.unlink()
    (spare / "a").unlink()
    (spare / "a").mkdir()

    write_site([Page.of("a", "2")], out, others=[], manifests=cache)

    assert (out / "a").read_text() == "2"
