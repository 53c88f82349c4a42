"""A second process: its result comes back, its errors too, and it never outlives the work."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.leaderboard import output
from bench.leaderboard.output import Page, write_site
from bench.leaderboard.sharing import in_another_process
from bench.leaderboard.swap import alone_in

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_the_result_comes_back_and_what_else_changed_does_not() -> None:
    """It sees what this process has read."""
    seen = [1, 2, 3]

    def work() -> tuple[int, int]:
        seen.append(4)
        return os.getpid(), sum(seen)

    with in_another_process(work) as result:
        process, total = result()

    assert process != os.getpid()
    assert total == 10
    assert seen == [1, 2, 3]


def test_large_results_come_back() -> None:
    """More than a pipe holds."""
    with in_another_process(lambda: b"x" * 10_000_000) as result:
        assert len(result()) == 10_000_000


def test_errors_come_back_as_they_are() -> None:
    """Kinds with meaning keep it; those that cannot travel become text."""

    class OddError(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__("odd")

    def disk_full() -> None:
        raise OSError(errno.ENOSPC, "no space")

    def odd() -> None:
        raise OddError(1, 2)

    with in_another_process(disk_full) as result, pytest.raises(OSError, match="no space") as caught:
        result()
    assert caught.value.errno == errno.ENOSPC
    with in_another_process(odd) as result, pytest.raises(RuntimeError, match="odd"):
        result()


def test_it_ends_with_the_work(tmp_path: Path) -> None:
    """Where this process fails, the copy is gone before anything is cleaned up; where it was killed, that is said."""

    def slow() -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(60)

    def fail() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        raise UsageError("something else")

    with pytest.raises(UsageError), in_another_process(slow):
        fail()

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    with in_another_process(lambda: os._exit(7)) as result, pytest.raises(RuntimeError, match="ended with 7"):
        result()


@pytest.mark.parametrize("shared", [True, False], ids=["two processes", "one"])
def test_a_site_is_the_same_by_one_process_or_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """And so is what is known of it: the next publication makes nothing."""
    monkeypatch.setattr(output, "can_share", lambda: shared)
    out, cache, log = tmp_path / "site", tmp_path / "cache", tmp_path / "log"

    def publish() -> tuple[int, int]:
        def make(name: str) -> str:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"{name}\n")
            return name

        pages, others = (
            [Page.lazy(f"{kind}/{index}", index, lambda name=f"{kind}{index}": make(name)) for index in range(50)]  # type: ignore[misc]
            for kind in ("boards", "submissions")
        )
        return write_site(pages, out, others=others, manifests=cache)

    assert publish() == (101, 101)
    assert publish() == (101, 0)
    assert sorted(log.read_text().split()) == sorted(
        f"{kind}{index}" for kind in ("boards", "submissions") for index in range(50)
    )
    assert (out / "submissions/7").read_text() == "submissions7"
    with alone_in(tmp_path):  # what removes the old site holds the lock until it is done
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
