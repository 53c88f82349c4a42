"""A local server of a site that publishes again when results, boards or templates change."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.errors import StoreError

__all__ = ["HEADERS", "Watch", "server_of"]

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""What every answer carries; the rest of the policy stands in the pages, which cannot say who may frame them."""


class _Handler(SimpleHTTPRequestHandler):
    """Files of a site: no listings, nothing hidden, no log of requests."""

    server_version = "bench"
    sys_version = ""

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_head(self) -> Any:
        parts = Path(self.translate_path(self.path)).relative_to(self.directory).parts
        if any(part.startswith(".") for part in parts):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 - the signature of http.server
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def server_of(folder: Path, port: int) -> Iterator[str]:
    """Serves a folder to this machine only, until the context ends; yields the address.

    Args:
        folder: The site.
        port: Where to listen; 0 takes a free one.

    Raises:
        StoreError: The port is taken.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=folder.resolve()))
    except OSError as error:
        message = f"port {port} of this machine cannot be used ({error.strerror}); --port 0 takes a free one"
        raise StoreError(message) from error
    server.daemon_threads = True
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.1), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Watch:
    """Notices whether a file in one of several folders appears, changes or goes.

    Args:
        folders: What to watch; a folder that is not there counts as empty. Hidden files do not count.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._seen = _state(folders)

    def changed(self) -> bool:
        """Whether anything changed since the last call, or since the beginning."""
        before, self._seen = self._seen, _state(self._folders)
        return before != self._seen


def _state(folders: Sequence[Path]) -> dict[str, tuple[int, int, int]]:
    """Size, time and number of every file that is not hidden."""
    state = {}
    for folder in folders:
        for parent, below, names in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in names:
                if name.startswith("."):
                    continue
                path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand times a second
                try:
                    status = os.stat(path)  # noqa: PTH116 - the same
                except FileNotFoundError:
                    continue
                state[path] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return state
