"""Checkpoints: folders that are there whole or not at all, written while the training goes on, the oldest removed.

    checkpoints/step-00000300/tensors.safetensors
    checkpoints/step-00000300/state.json           all that is no tensor, and the sha256 of the tensors

One rank writes the whole state. torch.distributed.checkpoint is not used: what it stores beside tensors is pickled, and
unpickling runs code; and one file of whole tensors can be read with any number of ranks.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bench.errors import StoreError
from bench.files import readable_os_errors, sha256_of_file
from bench.training.state import flattened, on_host, restored

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoint", "Saver", "checkpoints_in", "latest_checkpoint", "read_checkpoint", "write_checkpoint"]

FORMAT = 1
_TENSORS, _STATE = "tensors.safetensors", "state.json"
_PREFIX, _HALF = "step-", ".half-"


class Checkpoint(NamedTuple):
    """A state that was read."""

    path: Path
    """Its folder."""
    step: int
    """How many optimizer steps had been taken."""
    tree: Any
    """What was saved, its tensors on the CPU."""


class Saver:
    """Saves states in the background, one at a time.

    Args:
        folder: The folder of the checkpoints.
        keep: How many are kept, the newest.
        writes: False for the ranks that only take part in putting tensors together.
    """

    def __init__(self, folder: Path, *, keep: int, writes: bool = True) -> None:
        self._folder, self._keep, self._writes = folder, keep, writes
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bench-save")
        self._pending: Future[None] | None = None
        self.last_step: int | None = None
        """The step that was saved last."""

    def save(self, step: int, tree: Any) -> None:
        """Copies a state now and writes it later; waits for the state before it.

        Raises:
            StoreError: The state before could not be written; the one before that is still whole.
        """
        self.wait()
        tensors, content = flattened(tree)
        copies = on_host(tensors)
        if self._writes:
            self._pending = self._pool.submit(self._write, step, copies, content)
        self.last_step = step

    def wait(self) -> None:
        """Waits until all is written.

        Raises:
            StoreError: It could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self.wait()
            elif self._pending is not None:  # the error on its way is what the user has to know
                with contextlib.suppress(StoreError):
                    self.wait()
        finally:
            self._pool.shutdown(wait=True)

    def _write(self, step: int, tensors: dict[str, torch.Tensor], content: Any) -> None:
        write_checkpoint(self._folder, step, tensors, content)
        for path in checkpoints_in(self._folder)[: -self._keep]:
            _remove(path)


def write_checkpoint(folder: Path, step: int, tensors: dict[str, torch.Tensor], content: Any) -> Path:
    """Writes a state; a step that is there already is left as it is.

    Args:
        folder: The folder of the checkpoints.
        step: How many optimizer steps had been taken.
        tensors: Contiguous, on the CPU, none sharing memory with another.
        content: What else belongs to the state, as JSON can hold it.

    Raises:
        StoreError: The disk is full, or cannot be written; what was there before is untouched.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path, half = folder / f"{_PREFIX}{step:08d}", folder / f"{_HALF}{_PREFIX}{step:08d}"
    try:
        with readable_os_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            for left_behind in folder.glob(f"{_HALF}*"):  # by a run that was killed
                shutil.rmtree(left_behind)
            if path in checkpoints_in(folder):
                return path
            half.mkdir()
            try:
                save_file(tensors, half / _TENSORS)
            except SafetensorError as error:  # how safetensors reports what the system refused
                raise StoreError(
                    f"cannot be written ({error}); the last checkpoint is whole, free some space and go on with "
                    "--resume",
                    path=path,
                ) from error
            whole = {"format": FORMAT, "step": step, "sha256": sha256_of_file(half / _TENSORS), "state": content}
            (half / _STATE).write_text(json.dumps(whole), encoding="utf-8")
            for synced in (half / _TENSORS, half / _STATE, half):
                _sync(synced)
            if path.exists():  # without its state.json: a removal that was cut short
                shutil.rmtree(path)
            half.rename(path)
            _sync(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return path


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"{_PREFIX}*/{_STATE}"))


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; None where there is none.

    Raises:
        StoreError: There are checkpoints, and all are damaged.
    """
    problem: StoreError | None = None
    for path in reversed(checkpoints_in(folder)):
        try:
            return read_checkpoint(path)
        except StoreError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """A state as it was saved.

    Raises:
        StoreError: It is damaged, or of a newer version of bench.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        whole = json.loads((path / _STATE).read_text(encoding="utf-8"))
        if whole["format"] != FORMAT:
            raise StoreError(f"has format {whole['format']}, this version of bench reads {FORMAT}", path=path)
        if sha256_of_file(path / _TENSORS) != whole["sha256"]:
            raise StoreError("is damaged: its tensors are not those that were saved; remove it", path=path)
        tensors = load_file(path / _TENSORS)
        return Checkpoint(path, int(whole["step"]), restored(whole["state"], tensors))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise StoreError(f"is damaged ({error}); remove it", path=path) from error


def _remove(path: Path) -> None:
    """Removes a checkpoint; cut short, what is left does not count as one."""
    with contextlib.suppress(OSError):
        (path / _STATE).unlink()
        shutil.rmtree(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
