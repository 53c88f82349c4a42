"""Model source `python`: a file and a factory function in the submission's folder."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import ModelError, SubmissionError, nearest
from bench.models.build import BuiltModel
from bench.models.phase import enter_phase
from bench.models.source import LoadedSubmission, ModelSource, checked_file
from bench.records.submission import InputSpec

__all__ = ["SOURCE"]

_PREFIX = "bench_submission_"


def _build(submission: LoadedSubmission, cache_folder: Path, with_weights: bool) -> BuiltModel:
    import torch

    from bench.models.weights import load_into, weights_file

    model, seed = submission.manifest.model, torch.initial_seed()
    # Before the submission's code runs: altered weights are refused first.
    weights = weights_file(submission, cache_folder) if with_weights else None
    path = checked_file(submission, "file")
    with _importable(submission.folder or path.parent, path.parent):
        enter_phase("import")
        module = _imported(path, submission)
        enter_phase("load")
        factory = getattr(module, model.factory or "", None)
        if not callable(factory):
            functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            raise SubmissionError(
                f"{model.file} has no function {model.factory!r}: {nearest(model.factory or '', functions)}",
                path=submission.manifest_path,
                key="model.factory",
            )
        torch.manual_seed(seed)  # again, whatever importing the file drew
        network = _called(factory, model.kwargs, submission)
    if not isinstance(network, torch.nn.Module):
        raise ModelError(
            f"{model.factory} returned {type(network).__name__}, expected a torch.nn.Module",
            path=submission.manifest_path,
            key="model.factory",
        )
    if any(isinstance(parameter, torch.nn.UninitializedParameter) for parameter in network.parameters()):
        raise ModelError(
            "the model has lazy layers without a shape; call it once on zeros in the factory",
            path=submission.manifest_path,
            key="model.factory",
        )
    notes = load_into(network, weights) if weights is not None else ()
    return BuiltModel(module=network, input=submission.manifest.input or InputSpec(), notes=notes)


SOURCE = ModelSource(
    takes=frozenset({"file", "factory", "kwargs", "weights", "sha256"}),
    needs=frozenset({"file", "factory"}),
    runs_code=True,
    build=_build,
)


@contextmanager
def _importable(*folders: Path) -> Iterator[None]:
    """Lets the submission's file import its neighbours, and forgets them afterwards.

    Two submissions may both have a `layers.py`: the neighbours that were imported leave `sys.modules` again.
    """
    added = [str(folder) for folder in dict.fromkeys(folders)]
    before, wrote_bytecode = dict(sys.modules), sys.dont_write_bytecode
    sys.path[:0] = added
    sys.dont_write_bytecode = True  # a submission's folder is read only
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = wrote_bytecode
        for folder in added:
            sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name.startswith(_PREFIX) or name in before or not file:
                continue
            if any(Path(file).is_relative_to(folder) for folder in added):
                del sys.modules[name]


def _imported(path: Path, submission: LoadedSubmission) -> ModuleType:
    name = _PREFIX + submission.digest[:16]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SubmissionError(
            f"{path.name!r} is no Python file; name one that ends in .py",
            path=submission.manifest_path,
            key="model.file",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up here
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the border to the submission's own code, which may raise anything
        raise _raised(f"importing {path.name}", error, submission) from error
    return module


def _called(factory: Any, kwargs: dict[str, Any], submission: LoadedSubmission) -> object:
    try:
        return factory(**kwargs)
    except (Exception, SystemExit) as error:  # the border to the submission's own code, which may raise anything
        raise _raised(f"{submission.manifest.model.factory}({_shown(kwargs)})", error, submission) from error


def _shown(kwargs: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in kwargs.items())


def _raised(what: str, error: BaseException, submission: LoadedSubmission) -> ModelError:
    """The error for a user: the exception, and where in the submission's own files it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if submission.folder and Path(frame.filename).is_relative_to(submission.folder)]
    lines = [f"\n  {Path(frame.filename).name}:{frame.lineno}: {frame.line}" for frame in own[-3:]]
    return ModelError(
        f"{what} raised {type(error).__name__}: {error}{''.join(lines)}",
        path=submission.manifest_path,
        key="model.factory",
    )
