"""The ledger's file: read by anybody, appended to by one process at a time, never rewritten.

A writer holds the kernel's lock of the file (flock), which the kernel frees when the process ends, however it ends. An
entry counts when its line is complete and on the disk (fsync); only then does the writer hear of it. What a writer that
was killed in mid-line leaves behind is dealt with in the open by the next one:

- a line that lacks nothing but its newline is a whole entry, and gets the newline;
- any other rest is kept in `<ledger>.torn/<sha256>`, and the next entry names its sha256 in `torn`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.challenge.chain import SIGNATURE_PURPOSE, Chain, read_chain
from bench.challenge.times import moment_of, now_utc, stamp
from bench.errors import LedgerError
from bench.files import readable_os_errors, write_atomic
from bench.records.ledger import Entry
from bench.signing import SecretKey, sign

__all__ = ["Ledger", "Transaction"]

_WAIT_S = 60.0
_LONGEST_PAUSE_S = 0.005


class Ledger:
    """The ledger of one challenge.

    Args:
        path: Its file; made by the first entry.
        challenge: The challenge's id.
        actor: Who writes, by name.
        key: The key that signs; None writes entries that are not signed.
        clock: The time; another one only in tests.
        wait_s: How long to wait for another writer, in seconds. A dead one is never waited for.
    """

    def __init__(
        self,
        path: Path,
        challenge: str,
        *,
        actor: str = "unknown",
        key: SecretKey | None = None,
        clock: Callable[[], datetime] = now_utc,
        wait_s: float = _WAIT_S,
    ) -> None:
        self.path = path
        self.challenge = challenge
        self.actor = actor
        self.key = key
        self.clock = clock
        self._wait_s = wait_s

    @property
    def torn_folder(self) -> Path:
        """Where the rests of broken lines are kept."""
        return self.path.with_name(self.path.name + ".torn")

    def read(self) -> Chain:
        """What the ledger holds, faults included; an absent file is a ledger without entries.

        Raises:
            LedgerError: The file cannot be read.
        """
        try:
            return read_chain(self.path.read_bytes(), self.challenge)
        except FileNotFoundError:
            return Chain((), b"", ())
        except OSError as error:
            raise LedgerError(f"cannot be read ({error.strerror or error})", path=self.path) from error

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Holds the ledger: nobody else appends until the context is left.

        Raises:
            LedgerError: The chain is broken, another writer does not let go, or the file cannot be written.
        """
        with readable_os_errors(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self._locked()
        try:
            yield Transaction(self, descriptor)
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        """A descriptor of the file that is at `path` now, locked."""
        deadline = time.monotonic() + self._wait_s
        while True:
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                self._wait_for_lock(descriptor, deadline)
                # `git pull` puts another file in its place: an entry in the old one would be lost.
                if self._is_in_place(descriptor):
                    if is_new:
                        _sync_folder(self.path.parent)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _wait_for_lock(self, descriptor: int, deadline: float) -> None:
        pause_s = 0.0002
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LedgerError(
                        f"another process has held it for {self._wait_s:.0f} s; see `fuser {self.path}`", path=self.path
                    ) from None
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return

    def _is_in_place(self, descriptor: int) -> bool:
        mine = os.fstat(descriptor)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


class Transaction:
    """The right to append, and the entries that were there when it was given."""

    def __init__(self, ledger: Ledger, descriptor: int) -> None:
        self._ledger = ledger
        self._descriptor = descriptor
        content = _read_all(descriptor)
        chain = read_chain(content, ledger.challenge)
        if chain.tail and not chain.faults:
            completed = read_chain(content + b"\n", ledger.challenge)
            if not completed.faults:
                self._write(b"\n", len(content))
                content, chain = content + b"\n", completed
        if chain.faults:
            raise LedgerError(f"{chain.faults[0]}; nothing may be added until it is restored", path=ledger.path)
        self._size = len(content) - len(chain.tail)
        self._tail = chain.tail
        self.entries = list(chain.entries)
        """All entries, the new ones too."""
        clock = ledger.clock()
        last = moment_of(self.entries[-1].time) if self.entries else clock
        self.now = max(clock, last)
        """The time of entries: by this machine's clock, but never before the last entry."""
        self.seconds_behind = max(0.0, (last - clock).total_seconds())
        """How far this machine's clock is behind the last entry, in seconds; 0 where it is not."""

    def append(self, **fields: Any) -> Entry:
        """Adds an entry; when this returns, it is on the disk.

        Args:
            fields: What it says: all fields but those of the chain, `time`, `actor` and the signature.

        Raises:
            LedgerError: A field is not valid, or the file cannot be written; then nothing was added.
        """
        ledger = self._ledger
        try:
            entry = Entry.create(
                sequence=len(self.entries) + 1,
                previous=Chain(tuple(self.entries[-1:]), b"", ()).head(ledger.challenge),
                time=stamp(self.now),
                challenge=ledger.challenge,
                actor=ledger.actor,
                signer=None if ledger.key is None else ledger.key.public,
                torn=self._torn(),
                **fields,
            )
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            key = ".".join(map(str, detail["loc"]))
            message = detail["msg"].removeprefix("Value error, ")
            raise LedgerError(f"{message}, found {detail['input']!r}", path="ledger entry", key=key) from error
        if ledger.key is not None:
            signature = sign(ledger.key, entry.hash.encode(), purpose=SIGNATURE_PURPOSE)
            entry = entry.model_copy(update={"signature": signature})
        line = entry.to_line()
        if self._tail:
            self._put_tail_aside()
        self._write(line, self._size)
        self._size += len(line)
        self.entries.append(entry)
        return entry

    def _torn(self) -> tuple[str, ...] | None:
        """The broken lines that no entry names yet: the one at the end, and those whose finders were killed in turn."""
        found = {hashlib.sha256(self._tail).hexdigest()} if self._tail else set()
        folder = self._ledger.torn_folder
        if folder.is_dir():
            found |= {path.name for path in folder.iterdir() if not path.name.startswith(".")}
            found -= {sha256 for entry in self.entries for sha256 in entry.torn or ()}
        return tuple(sorted(found)) or None

    def _put_tail_aside(self) -> None:
        """Keeps what a killed writer left in mid-line, and makes room."""
        write_atomic(self._ledger.torn_folder / hashlib.sha256(self._tail).hexdigest(), self._tail)
        with readable_os_errors(self._ledger.path):
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
        self._tail = b""

    def _write(self, content: bytes, size: int) -> None:
        """Appends bytes to a file of `size` bytes and waits until they are on the disk; or leaves it as it was."""
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise LedgerError(
                f"cannot be written ({error.strerror or error}); nothing was added", path=self._ledger.path
            ) from error


def _read_all(descriptor: int) -> bytes:
    content = bytearray()
    while chunk := os.pread(descriptor, 1 << 20, len(content)):
        content += chunk
    return bytes(content)


def _sync_folder(folder: Path) -> None:
    """Puts the name of a new file on the disk, as fsync of the file does its content."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
