"""The budgets of the leaderboard site, in a real headless Chromium and from the command line.

    python benchmarks/site.py [--rows 2000 5000] [--results 5000] [--repeats 5] [--chromium PATH]

Results are made here and look like timm's: a board of twenty columns, eight of them joined. Pages load from `file://`.
Times are medians; `ready` is when the last script is done, the first paint is there, and no long task runs any more.
Sort and search end when the paint is done. Prints a Markdown table; the exit code is 1 where a budget is missed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from made_results import BOARD, write_one, write_results

from bench.leaderboard import site
from bench.leaderboard.board_page import board_pages
from bench.leaderboard.material import Material
from bench.leaderboard.swap import alone_in
from bench.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = "boards/made.html"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SORTED_BY = ("num_params", "top5", "gmacs", "macts", "model")
SEARCHED = ("resnet", "vit large", "in21k", "swin_base", "eva02 laion")
LOADS = """
window.seen = { long: 0, shift: 0, ready: 0 };
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) seen.long = Math.max(seen.long, task.startTime + task.duration);
}).observe({ type: 'longtask', buffered: true });
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) seen.shift += shift.value;
}).observe({ type: 'layout-shift', buffered: true });
new MutationObserver(() => {
  if (document.documentElement?.dataset.ready && !seen.ready) seen.ready = performance.now();
}).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-ready'] });
"""
QUIET = "seen.ready && performance.now() - Math.max(seen.long, seen.ready) > 400"
LOADED = """(() => {
  const paints = performance.getEntriesByType('paint').map((paint) => paint.startTime);
  return { first: Math.min(...paints), ready: Math.max(seen.ready, seen.long, ...paints), shift: seen.shift };
})()"""
PAINTED = """const painted = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(0);
}));"""
# Waits for what the reader sees, the count of the entries found, and then for its paint.
SEARCH = f"""async (text) => {{
  {PAINTED}
  const [field, count] = ['search', 'count'].map((id) => document.getElementById(id));
  const changed = new Promise((done) => new MutationObserver(done).observe(
    count, {{ childList: true, characterData: true, subtree: true }}));
  const start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event('input', {{ bubbles: true }}));
  await changed;
  return await painted() - start;
}}"""
SORT = f"""async (name) => {{
  {PAINTED}
  const before = [...document.querySelectorAll('table.board tbody th a')].map((link) => link.getAttribute('href'));
  const start = performance.now();
  document.querySelector(`thead button[data-column="${{name}}"]`).click();
  const end = await painted();
  const after = [...document.querySelectorAll('table.board tbody th a')].map((link) => link.getAttribute('href'));
  if (after.length !== before.length || after.every((href, i) => href === before[i])) throw new Error('nothing moved');
  return end - start;
}}"""


class Row(NamedTuple):
    """A line of the table."""

    what: str
    unit: str
    target: float
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the budget holds."""
        return self.median <= self.target

    def __str__(self) -> str:
        """The line in Markdown."""
        spread = f" ({_text(min(self.values))} to {_text(max(self.values))})" if len(set(self.values)) > 1 else ""
        measured = f"{_text(self.median)} {self.unit}{spread}"
        verdict = "met" if self.is_met else "**missed**"
        return f"| {self.what} | {_text(self.target)} {self.unit} | {measured} | {verdict} |"


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Measures all budgets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[2000, 5000])
    parser.add_argument("--results", type=int, default=5000, help="results to publish, each of an entry of its own")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chromium", default=os.environ.get("BENCH_CHROMIUM") or shutil.which("chromium"))
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-site-") as folder:
        rows += publishing(Path(folder) / "publish", options.results, options.repeats)
        for num_rows in options.rows:
            rows += board(Path(folder) / str(num_rows), num_rows, options.repeats, options.chromium)
    print("| what | budget | measured | |\n| --- | --- | --- | --- |")
    print("\n".join(map(str, rows)))
    sys.exit(0 if all(row.is_met for row in rows) else 1)


def publishing(folder: Path, num_results: int, repeats: int) -> Iterator[Row]:
    """`bench publish` as a user runs it: from scratch, and with one result more."""
    write_results(folder / "results", num_results, joins=False)
    _write_board(folder)
    scratch, more = [], []
    for number in range(repeats):
        # A folder a repeat, and nothing removed before the end: ext4 makes files ten times as slowly for minutes where
        # thousands were removed, and nobody publishes from scratch every ten seconds.
        place = folder / str(number)
        place.mkdir()
        scratch.append(_command_s(folder, place))
        write_one(folder / "results", num_results + number)
        with alone_in(place):  # what the command left to another process is done, as it is when the next result comes,
            os.sync()  # and the twenty-five thousand files are on the disk
        more.append(_command_s(folder, place))
    yield Row(f"`bench publish`, {num_results:,} results from scratch", "s", 15, tuple(scratch))
    yield Row(f"the same, one result more among {num_results:,}", "s", 3, tuple(more))
    parts = [path for path in (place / "site/assets").iterdir() if path.suffix in (".js", ".css")]
    code = sum(len(gzip.compress(path.read_bytes(), 9)) for path in parts if path.name != "search-index.js")
    yield Row("JavaScript and CSS of the whole site, gzip", "KB", 30, (code / 1000,))


def _write_board(folder: Path) -> None:
    (folder / "boards").mkdir(parents=True, exist_ok=True)
    (folder / "boards" / "made.toml").write_text(BOARD, encoding="utf-8")


def _command_s(folder: Path, place: Path) -> float:
    words = [sys.executable, "-m", "bench", "publish", "--results", "results", "--boards", "boards"]
    words += ["--out", str(place / "site")]
    start = time.perf_counter()
    environment = os.environ | {"BENCH_CACHE_DIR": str(place / "cache")}
    subprocess.run(words, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def board(folder: Path, num_rows: int, repeats: int, chromium: str) -> Iterator[Row]:
    """The page of a board: its size, how it loads, sorts and searches."""
    write_results(folder / "results", num_rows)
    _write_board(folder)
    material = Material(Store(folder / "results"), folder / "boards")
    render_s = [_render_s(material) for _ in range(repeats)]
    site.publish(Store(folder / "results"), folder / "boards", folder / "site")
    html = (folder / "site" / PAGE).read_bytes()
    is_large = num_rows > 2000
    name = f"{num_rows:,} rows"
    yield Row(f"{name}: HTML, gzip", "KB", 750 if is_large else 300, (len(gzip.compress(html, 9)) / 1000,))
    yield Row(f"{name}: HTML", "MB", 7.5 if is_large else 3, (len(html) / 1e6,))
    yield Row(f"{name}: render in Python", "s", 1.5 if is_large else 0.6, tuple(render_s))
    with _browser(chromium) as browser:
        url = (folder / "site" / PAGE).as_uri()
        plain = [_load(browser, url) for _ in range(repeats + 1)][1:]
        slow = [_load(browser, url, slower=4) for _ in range(repeats)]
        yield Row(f"{name}: first paint", "ms", 500, tuple(one["first"] for one in plain))
        yield Row(f"{name}: ready", "ms", 1000 if is_large else 600, tuple(one["ready"] for one in plain))
        slow_ms = tuple(one["ready"] for one in slow)
        yield Row(f"{name}: ready, CPU 4 times slower", "ms", 3500 if is_large else 2000, slow_ms)
        yield Row(f"{name}: layout shift", "", 0.02, tuple(one["shift"] for one in plain))
        sorts, searches = _use(browser, url, repeats)
        yield Row(f"{name}: sort, to after the paint", "ms", 250 if is_large else 150, sorts)
        yield Row(f"{name}: search, to after the paint", "ms", 200, searches)


def _render_s(material: Material) -> float:
    start = time.perf_counter()
    (page,) = (page for page in board_pages(material) if page.path == PAGE)
    page.make()
    return time.perf_counter() - start


@contextmanager
def _browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        print(f"Chromium {browser.version}", file=sys.stderr)
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser, url: str, slower: int = 1) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    if slower > 1:
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.add_init_script(LOADS)
    page.goto(url)
    while not page.evaluate(QUIET):  # wait_for_function needs eval, which the page's policy refuses
        page.wait_for_timeout(100)
    yield page
    context.close()


def _load(browser: Browser, url: str, slower: int = 1) -> dict[str, float]:
    with _page(browser, url, slower) as page:
        loaded: dict[str, float] = page.evaluate(LOADED)
    return loaded


def _use(browser: Browser, url: str, repeats: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Milliseconds of each sort and of each search on one page, the first of each dropped."""
    with _page(browser, url) as page:

        def each(script: str, values: tuple[str, ...]) -> tuple[float, ...]:
            times = []
            for number in range(repeats + 1):
                times.append(page.evaluate(script, values[number % len(values)]))
                page.wait_for_timeout(700)  # what is put off, such as writing the link, is over
            return tuple(times[1:])

        sorts = each(SORT, SORTED_BY)
        searches = each(SEARCH, SEARCHED)
    return sorts, searches


if __name__ == "__main__":
    main()
