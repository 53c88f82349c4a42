"""The evaluator's private store: whole results and answers of hidden sets, archives, and what is to be published.

It lies outside every repository, and only its owner may look into it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.errors import StoreError
from bench.files import readable_os_errors, write_atomic
from bench.records.base import FileRecord
from bench.records.ledger import Entry
from bench.records.result import Result, RunId
from bench.store import Store

__all__ = ["Prepared", "PrivateStore", "default_private_folder"]


class Prepared(FileRecord):
    """What is published once the ledger has it; kept so that an evaluator that is killed in between loses nothing."""

    run: RunId | None = None
    """The whole result in the private store; null where there is none."""
    result: Result
    """The record to publish, but for the number and the hash of the entry that ends the run."""


class PrivateStore:
    """The private store of one challenge.

    Args:
        folder: Its folder; made when it is first written, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "results")
        """The whole results and their predictions: an ordinary store, which `bench publish` and `compare` can read."""

    def make(self) -> None:
        """Makes the folder, or makes sure that nobody else can look into it.

        Raises:
            StoreError: It cannot be made, or others may read it.
        """
        with readable_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            mode = self.folder.stat().st_mode
        if mode & 0o077:
            raise StoreError(
                f"can be read by others (mode {mode & 0o777:o}), and hidden results lie there; "
                f"run `chmod 700 {self.folder}`",
                path=self.folder,
            )

    def keep_archive(self, archive: Path, digest: str) -> Path:
        """Keeps an archive under its digest; returns where."""
        kept = self.folder / "archives" / f"{digest}.tar"
        if not kept.is_file():

            def copy(leftover: Path) -> None:
                shutil.copyfile(archive, leftover)

            write_atomic(kept, copy)
        return kept

    def prepare(self, reservation: Entry, prepared: Prepared) -> None:
        """Keeps what is to be published, before the ledger hears of it."""
        write_atomic(self._path(reservation), prepared.to_text())

    def prepared(self, reservation: Entry) -> Prepared | None:
        """What was to be published for a reservation, or None where this machine does not have it."""
        path = self._path(reservation)
        return Prepared.load(path) if path.is_file() else None

    def whole(self, reservation: Entry) -> Result | None:
        """The whole result of a reservation, or None where this machine does not have it."""
        prepared = self.prepared(reservation)
        if prepared is None or prepared.run is None:
            return None
        return self.store.get(prepared.run).result

    def _path(self, reservation: Entry) -> Path:
        return self.folder / "prepared" / f"{reservation.sequence}-{reservation.hash[:12]}.json"


def default_private_folder(challenge: str) -> Path:
    """Where the private store of a challenge lies unless a folder is named: among the user's data."""
    import platformdirs

    return platformdirs.user_data_path("ilsvrc-bench", appauthor=False) / "challenges" / challenge
