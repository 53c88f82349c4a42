"""The folder that a training leaves: the submission again, with its weights and where they come from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.files import readable_os_errors, sha256_of_file
from bench.models.source import MANIFEST, LoadedSubmission
from bench.records.submission import Submission, TrainingOrigin
from bench.training.run_folder import CACHE, CHECKPOINTS, LOCK, RECORDS

if TYPE_CHECKING:
    import torch

__all__ = ["WEIGHTS", "export_trained", "find_trained", "trained_folder"]

WEIGHTS = "weights.safetensors"
"""The name of the weights in a trained submission."""

_HEADER = "# Written by `bench train`: the submission as it was, and the weights that the training left.\n"


def trained_folder(submission: LoadedSubmission, out: Path) -> Path:
    """Where the trained submission goes, so that `bench evaluate` finds team and name in the path.

    Raises:
        UsageError: Something is there that `bench train` did not write.
    """
    folder = out.absolute() / submission.team / submission.name
    if not folder.exists() or (folder.is_dir() and all(path.name == RECORDS for path in folder.iterdir())):
        return folder  # nothing, or what a failed training left
    if not (folder / MANIFEST).is_file() or Submission.load(folder / MANIFEST).training is None:
        raise UsageError(f"{folder} holds what bench train did not write; name another --out")
    if submission.folder is not None and folder.resolve() == submission.folder.resolve():
        raise UsageError(f"{folder} is the submission that is trained; name another --out")
    return folder


def find_trained(folder: Path, wanted: TrainingOrigin) -> TrainingOrigin | None:
    """How the submission in a folder came to be, if an equal training left it, whole; None where none did.

    A training by another version of bench is equal: what may move a number has a version of its own, the protocol's,
    and attempts that took days are no price for an upgrade.

    Raises:
        UsageError: Another training has ended there.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file() or (found := Submission.load(manifest)).training is None:
        return None
    there = found.training
    if others := _differences(there, wanted):
        raise UsageError(
            f"{folder} holds a training under {there.protocol} that has ended, not this one: {', '.join(others)}; "
            "remove it, or name another --out"
        )
    weights = folder / WEIGHTS
    return there if weights.is_file() and sha256_of_file(weights) == found.model.sha256 else None


def _differences(there: TrainingOrigin, wanted: TrainingOrigin) -> list[str]:
    """A phrase for each part that makes a training another one."""
    words = {
        "protocol_digest": "another text of the protocol" if there.protocol == wanted.protocol else "another protocol",
        "dataset_digest": "other images",
        "trained_from": "another manifest, code or weights of the submission",
        "attempt": "another --attempt",
        "precision": "another --precision",
        "teacher": "another --teacher",
    }
    others = [phrase for name, phrase in words.items() if getattr(there, name) != getattr(wanted, name)]
    # A seed follows from the submission and the attempt; only the key of a round is named nowhere else.
    return others if others or there.seed == wanted.seed else ["another --round-key"]


def export_trained(
    submission: LoadedSubmission,
    manifest: Submission,
    state: dict[str, torch.Tensor],
    origin: TrainingOrigin,
    folder: Path,
    run: Path,
) -> None:
    """Writes the trained submission; it is there whole or, whenever the program is killed, not at all.

    Args:
        submission: What was trained.
        manifest: Its manifest, with the outputs that the network has now.
        state: The network's state dict, on the CPU, none of its tensors sharing memory.
        origin: How it was trained.
        folder: What `trained_folder` named; what an equal training left there is replaced.
        run: The folder of the training; all but checkpoints and downloads is copied.

    Raises:
        StoreError: The folder cannot be written.
    """
    from safetensors.torch import save_file

    fresh, old = (folder.parent / f".{folder.name}.{word}" for word in ("bench-new", "bench-old"))
    with readable_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left_behind in (fresh, old):
            if left_behind.exists():  # by a run that was killed
                shutil.rmtree(left_behind)
        try:
            _copy_files(submission, fresh)
            ignored = shutil.ignore_patterns(CACHE, CHECKPOINTS, LOCK)
            shutil.copytree(run, fresh / RECORDS, dirs_exist_ok=True, ignore=ignored)
            save_file(state, fresh / WEIGHTS)
            (fresh / WEIGHTS).chmod(0o644)  # safetensors makes it private; the other files are not
            content = _manifest(manifest, sha256_of_file(fresh / WEIGHTS), origin)
            (fresh / MANIFEST).write_text(content, encoding="utf-8")
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
        finally:
            for left_behind in (fresh, old):
                shutil.rmtree(left_behind, ignore_errors=True)


def _copy_files(submission: LoadedSubmission, target: Path) -> None:
    """All files of the submission but its manifest and the weights that it came with."""
    if submission.folder is None:
        target.mkdir()
        return
    left_out = {MANIFEST, submission.manifest.model.weights}
    if submission.manifest.training is not None:
        left_out.add(RECORDS)  # of the training before

    def ignore(current: str, names: list[str]) -> set[str]:
        inside = Path(current).relative_to(submission.folder or current)
        hidden = {name for name in names if name.startswith(".") or name == "__pycache__"}
        return hidden | {name for name in names if (inside / name).as_posix() in left_out}

    shutil.copytree(submission.folder, target, ignore=ignore)


def _manifest(manifest: Submission, sha256: str, origin: TrainingOrigin) -> str:
    """The manifest's text, with the weights and where they come from."""
    import tomli_w

    model = manifest.model.model_copy(update={"weights": WEIGHTS, "sha256": sha256})
    trained = manifest.model_copy(update={"model": model, "training": origin})
    values: dict[str, Any] = trained.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return _HEADER + tomli_w.dumps(values)
