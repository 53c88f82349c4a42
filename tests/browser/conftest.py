"""A real Chromium, and sites to look at: it is the one of the system, nothing is downloaded."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from leaderboard.made_results import BOARD, hostile_store, run_of, tiny_store, write_boards

from bench.leaderboard import site
from bench.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 1000}
OpenPage = Callable[..., AbstractContextManager["Page"]]


def _missing(reason: str) -> None:
    if "browser" in os.environ.get("BENCH_REQUIRE", "").split(","):
        pytest.fail(f"BENCH_REQUIRE asks for a browser, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine: BENCH_CHROMIUM, else chromium or google-chrome on PATH."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed (pip install ilsvrc-bench[browser])")
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = os.environ.get("BENCH_CHROMIUM") or next((path for path in found if path), None)
    if path is None:
        _missing("there is no chromium or google-chrome on PATH, and BENCH_CHROMIUM does not name one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> OpenPage:
    """A function that opens a page; console messages, exceptions, dialogs and foreign requests fail the test."""

    @contextmanager
    def opened(url: str | Path, **options: Any) -> Iterator[Page]:
        address = url if isinstance(url, str) else url.as_uri()
        context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
        page = context.new_page()
        problems: list[str] = []
        is_closing = False

        def failed(request: Request) -> None:
            # The icon is asked for last; closing the page breaks it off, and that is nobody's fault.
            if not (is_closing and request.failure == "net::ERR_ABORTED"):
                problems.append(f"failed: {request.url}")

        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on("requestfailed", failed)
        root = "file://" if address.startswith("file:") else address.split("/some/path/")[0] + "/some/path/"
        page.on("request", lambda request: None if request.url.startswith(root) else problems.append(request.url))
        page.on("response", lambda response: None if response.status < 400 else problems.append(response.url))
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", state="attached")
        yield page
        is_closing = True
        context.close()
        assert not problems, problems

    return opened


@pytest.fixture(scope="session")
def tiny_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every kind, counts by class, and a board without results."""
    folder = tmp_path_factory.mktemp("tiny")
    empty = BOARD.replace('"tiny"', '"empty"').replace("Tiny board", "Empty board")
    boards = write_boards(folder / "boards", BOARD, empty.replace("shapes10-val", "imagenet-val-open"))
    return site.publish(tiny_store(folder), boards, folder / "site").index.parent


@pytest.fixture(scope="session")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hostile names everywhere."""
    folder = tmp_path_factory.mktemp("hostile")
    return site.publish(hostile_store(folder), write_boards(folder / "boards"), folder / "site").index.parent


@pytest.fixture(scope="session")
def wide_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of 130 rows with ties, missing values, a column that is all missing, and names in many scripts."""
    folder = tmp_path_factory.mktemp("wide")
    store = Store(folder / "results")
    for index in range(130):
        words = {"title": ("ResNet", "resnet", "ViT", "модель", "C++ (net)")[index % 5] + f" {index * 37 % 130}"}
        words |= {"license": "MIT"} if index % 3 else {}
        fields: dict[str, Any] = {"costs": {}} if index % 4 == 0 else {}
        store.add(
            run_of(f"net-{index}", 200 + index * 17 % 97, hours=index, team=f"team{index % 7}", words=words, **fields)
        )
    board = BOARD.replace('"nll"', '"nll", "gmacs"')
    return site.publish(store, write_boards(folder / "boards", board), folder / "site").index.parent


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """A function that serves a folder below a path, as a project's page is; absolute links would break there."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix("/some/path"))

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/some/path"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
