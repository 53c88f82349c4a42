"""The store of results: found, added, retracted; never edited.

Below the results folder, in git: `<protocol>/<team>/<name>/<run>.json`, and beside it `<run>.bits` (which images are
right), `<run>.classes.json` (counts by class), `<run>.blocks.json` (raw times of a throughput run),
`<run>.attempts.json` (every attempt of a training) and, once withdrawn, `<run>.retract.json`.
Below the predictions folder, not in git: `<sha256>.parquet`, addressed by the content of their columns.
A result file is written last, so a result that is there is complete. Two writers never touch one file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bench.errors import BenchError, StoreError, UsageError
from bench.files import digest_of, sweep_leftovers, write_all_atomic, write_atomic
from bench.records.blocks import Blocks
from bench.records.breakdown import Breakdown
from bench.records.correctness import Correctness
from bench.records.equal_run import EqualRun
from bench.records.predictions import Predictions
from bench.records.result import PredictionsRef, Result
from bench.records.retraction import Retraction
from bench.records.training import Attempts
from bench.stored import Stored, read_stored, result_files, result_files_with_others

__all__ = ["Scan", "Store"]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """All that the store holds."""

    stored: list[Stored]
    """The valid results, sorted by protocol, team, name and run."""
    broken: list[BenchError]
    """What is wrong with the files that are not valid, each naming its file."""


class Store:
    """The results below one folder.

    Args:
        results: The results folder; made when the first result is added.
        predictions: The predictions folder; the default is `predictions` beside the results.
    """

    def __init__(self, results: Path, predictions: Path | None = None) -> None:
        self.results = results
        self.predictions = predictions if predictions is not None else results.parent / "predictions"

    def scan(self, protocol: str | None = None) -> Scan:
        """Every result, and every file that should be one and is not.

        Args:
            protocol: Only the results that lie under this protocol.

        Raises:
            StoreError: The results folder does not exist.
        """
        if not self.results.is_dir():
            raise StoreError("there is no such results folder; `bench evaluate` makes one", path=self.results)
        stored, broken = [], []
        for path, beside in result_files_with_others(self.results / protocol if protocol else self.results):
            try:
                stored.append(read_stored(path, beside))
            except BenchError as error:
                broken.append(error)
        return Scan(stored=stored, broken=broken)

    def load(self) -> list[Result]:
        """Every result.

        Raises:
            StoreError: The results folder does not exist.
            RecordError: A file is broken; the first one is named.
        """
        scan = self.scan()
        if scan.broken:
            raise scan.broken[0]
        return [stored.result for stored in scan.stored]

    def get(self, run: str) -> Stored:
        """The result whose run id is or begins with `run`, or that lies in the file `run`.

        Raises:
            UsageError: No result or several ones fit.
        """
        if run.endswith(".json") and Path(run).is_file():
            return read_stored(Path(run))
        matches = [path for path in result_files(self.results) if path.name.startswith(run)] if run else []
        if len(matches) != 1:
            found = f"{len(matches)} runs begin so" if matches else "there is none"
            raise UsageError(f"no single run {run!r} in {self.results}: {found}; `bench list results` shows them")
        return read_stored(matches[0])

    def find_equal(self, key: EqualRun, fits: Callable[[Result], bool] = lambda _: True) -> Stored | None:
        """The newest run that is this very measurement, was not retracted and fits what else is asked, or None."""
        folder = self.results / key.protocol / key.team / key.name
        if not folder.is_dir():
            return None
        for path in sorted(result_files(folder), key=lambda path: path.name, reverse=True):
            try:
                stored = read_stored(path)
            except BenchError:
                continue  # a broken file answers nothing; `publish` and `check` name it
            if stored.retraction is None and key.matches(stored.result) and fits(stored.result):
                return stored
        return None

    @contextmanager
    def lock(self, key: EqualRun) -> Iterator[bool]:
        """Holds the right to make one measurement on this machine; the kernel frees it when the process ends.

        Yields:
            Whether another process held it before, so that its result may now be there.
        """
        path = self.predictions / ".locks" / f"{digest_of(vars(key))[:16]}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"cannot be written ({error.strerror})", path=path) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                waited = False
            except BlockingIOError:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                waited = True
            yield waited
        finally:
            os.close(descriptor)

    def sweep(self, key: EqualRun) -> None:
        """Removes what killed writers of this measurement left behind."""
        for folder in (self.results / key.protocol / key.team / key.name, self.predictions):
            if folder.is_dir():
                sweep_leftovers(folder)

    def add_predictions(self, predictions: Predictions) -> PredictionsRef:
        """Writes predictions under their content address, once.

        Raises:
            StoreError: The disk is full or the folder cannot be written.
        """
        sha256 = predictions.sha256()
        path = self.predictions / f"{sha256}.parquet"
        if not path.is_file():
            write_atomic(path, predictions.write)
        return PredictionsRef(sha256=sha256, num_bytes=path.stat().st_size)

    def read_predictions(self, result: Result) -> Predictions:
        """The answers of a run.

        Raises:
            StoreError: The run has none, or they are not on this machine.
        """
        if result.predictions is None:
            raise StoreError(f"the run {result.run} has no predictions")
        path = self.predictions / f"{result.predictions.sha256}.parquet"
        if not path.is_file():
            raise StoreError("the predictions are not on this machine; they are not kept in git", path=path)
        return Predictions.read(path)

    def add(
        self,
        result: Result,
        *,
        correctness: Correctness | None = None,
        breakdown: Breakdown | None = None,
        blocks: Blocks | None = None,
        attempts: Attempts | None = None,
    ) -> Path:
        """Adds a result and what lies beside it; the result's own file comes last.

        The very same record, such as a second failure within a second, is there already and stays.

        Raises:
            StoreError: The disk is full, the folder cannot be written, or another record has this run id.
        """
        path = self._path_of(result)
        if _holds(path, result):
            return path
        if correctness is not None:
            write_atomic(path.with_suffix(".bits"), correctness.to_bytes())
        if breakdown is not None:
            write_atomic(path.with_suffix(".classes.json"), breakdown.to_text())
        if blocks is not None:
            write_atomic(path.with_suffix(".blocks.json"), blocks.to_text())
        if attempts is not None:
            write_atomic(path.with_suffix(".attempts.json"), attempts.to_text())
        write_atomic(path, result.to_text())
        return path

    def add_all(self, results: Iterable[Result]) -> list[Path]:
        """Adds many results that have no files beside them; the disk is synced once, not once a result.

        The very same record is there already and stays.

        Returns:
            Where the results lie, in their order.

        Raises:
            StoreError: The disk is full, the folder cannot be written, or another record has one of the run ids.
        """
        paths = []

        def new_files() -> Iterator[tuple[Path, str]]:
            for result in results:
                path = self._path_of(result)
                paths.append(path)
                if not _holds(path, result):
                    yield path, result.to_text()

        write_all_atomic(self.results, new_files())
        return paths

    def retract(
        self,
        run: str,
        *,
        reason: str,
        by: str,
        superseded_by: str | None = None,
        ruling: Literal["penalty"] | None = None,
        ledger_entry: int | None = None,
    ) -> Stored:
        """Withdraws a result by a record beside it; the result itself stays.

        Args:
            run: The run's id, or the beginning of it.
            reason: Why, in one line.
            by: Who says so.
            superseded_by: The run that takes its place.
            ruling: `penalty` where the organisers of a challenge ruled so.
            ledger_entry: The number of the entry of the challenge's ledger that says the same.

        Raises:
            UsageError: There is no such run, or it is withdrawn already.
            RecordError: Reason or name are not one line of text.
        """
        stored = self.get(run)
        if stored.retraction is not None:
            raise UsageError(f"the run {stored.run} was already retracted by {stored.retraction.by}")
        better = self.get(superseded_by).run if superseded_by else None
        if better == stored.run:
            raise UsageError(f"the run {stored.run} cannot be superseded by itself; name the run that replaces it")
        retraction = Retraction.parse(
            {
                "format_version": Retraction.FORMAT_VERSION,
                "run": stored.run,
                "reason": reason,
                "by": by,
                "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "superseded_by": better,
                "ruling": ruling,
                "ledger": ledger_entry,
            },
            path="retraction",
        )
        write_atomic(stored.path.with_suffix(".retract.json"), retraction.to_text())
        return Stored(result=stored.result, path=stored.path, retraction=retraction)

    def of_entry(self, team: str, name: str) -> list[Stored]:
        """The valid results of one submission under all protocols, sorted by run."""
        stored = []
        for folder in sorted(self.results.glob(f"*/{team}/{name}")):
            for path in result_files(folder):
                try:
                    stored.append(read_stored(path))
                except BenchError:
                    continue  # a broken file answers nothing; `publish` and `check` name it
        return sorted(stored, key=lambda item: item.run)

    def _path_of(self, result: Result) -> Path:
        submission = result.submission
        return self.results / result.protocol.id / submission.team / submission.name / f"{result.run}.json"


def _holds(path: Path, result: Result) -> bool:
    """Whether a result's file is there.

    Raises:
        StoreError: It holds another record.
    """
    if not path.exists():
        return False
    if path.read_text(encoding="utf-8") == result.to_text():
        return True
    raise StoreError("is already there; results are never overwritten", path=path)
