"""The local server: files of the site and nothing else, headers that a page cannot set, changes noticed."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.errors import StoreError
from bench.leaderboard.serving import HEADERS, Watch, server_of


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two pages, a marker, and a file beside the site."""
    folder = tmp_path / "site"
    (folder / "boards").mkdir(parents=True)
    (folder / "index.html").write_text("index")
    (folder / "boards/a.html").write_text("board")
    (folder / ".bench-site").write_text("marker")
    (folder / ".git").mkdir()
    (folder / ".git/HEAD").write_text("ref")
    (tmp_path / "secret").write_text("secret")
    return folder


def _get(address: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = (response.status, dict(response.getheaders()), response.read())
    connection.close()
    return answer


def test_pages_are_served_with_the_headers_that_a_page_cannot_set(site: Path) -> None:
    """To this machine only; an error carries them too."""
    with server_of(site, 0) as address:
        assert urlsplit(address).hostname == "127.0.0.1"
        for path, status, content in (("/", 200, b"index"), ("/boards/a.html", 200, b"board"), ("/none", 404, None)):
            found_status, headers, body = _get(address, path)
            assert found_status == status
            assert content in (None, body)
            assert {name: headers[name] for name in HEADERS} == HEADERS
            assert "frame-ancestors" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/boards/", "/.bench-site", "/.git/HEAD", "/../secret", "/%2e%2e/secret", "//secret"])
def test_nothing_else_is_served(site: Path, path: str) -> None:
    """No listing of a folder, nothing hidden, nothing outside."""
    with server_of(site, 0) as address:
        assert _get(address, path)[0] == 404


def test_a_taken_port_is_one_clear_sentence(site: Path) -> None:
    """With what to do."""
    with (
        server_of(site, 0) as address,
        pytest.raises(StoreError, match="--port 0 takes a free one"),
        server_of(site, urlsplit(address).port or 0),
    ):
        pass


def test_a_watch_notices_what_appears_changes_and_goes(tmp_path: Path) -> None:
    """Once each; hidden files, such as half-written results, do not count, and a folder may come later."""
    watch = Watch([tmp_path / "results", tmp_path / "boards"])
    assert not watch.changed()
    path = tmp_path / "results" / "a.json"
    path.parent.mkdir()
    for change in (
        lambda: path.write_text("one"),
        lambda: path.write_text("two longer"),
        lambda: path.rename(path.with_name("b.json")),
        lambda: path.with_name("b.json").unlink(),
    ):
        change()
        assert watch.changed()
        assert not watch.changed()
    (path.parent / ".a.json.tmp").write_text("half")
    assert not watch.changed()
