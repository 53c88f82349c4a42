"""The dry run of a submission (D01 to D07, L06): its model answers four images of random pixels.

Weights that lie in the folder are loaded. Those of a zoo or behind a link are not downloaded: the model then has random
weights, which says as much about shapes. Whatever came with the submission - code, weights, arguments of a zoo's
constructor - is tried in the sandbox where there is one, within its limits; what only names a model of a zoo is built
in this process.

Shape letters: N images, H and W pixels, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from bench.backends import BACKENDS
from bench.backends.base import Images, Logits, ModelSession, RunSpec
from bench.backends.isolation import BACKEND_OF, Level, choose_isolation
from bench.check.context import Context
from bench.check.rule import Finding, finding, findings_of
from bench.data.classes import class_table
from bench.errors import BenchError, NonFiniteError
from bench.models.keys import is_file_name
from bench.models.source import LoadedSubmission

__all__ = ["DryRun", "look_at_run"]

NUM_IMAGES = 4
_TOLERANCE = 1e-3
"""Largest difference between answers to one image, relative to the largest logit: other batch sizes add up in another
order, which moves logits by about 1e-6."""
_BY_OUTCOME = {
    "load_error": "D05",
    "shape_error": "D03",
    "nonfinite": "D04",
    "timeout": "D06",
    "limit": "D06",
    "crash": "D06",
    "protocol_error": "D06",
    "oom_device": "D06",
}
"""From the kind of a failure to the rule that it breaks; others break D01 or D02, by the phase."""
_WHERE: dict[Level, str] = {
    "none": "in this process, without a sandbox",
    "process": "in a process of its own, without a sandbox",
    "sandbox": "in a sandbox",
}


class DryRun(NamedTuple):
    """What the dry run found."""

    findings: list[Finding]
    notes: list[str]


def look_at_run(submission: LoadedSubmission, context: Context) -> DryRun:
    """Breaches of D01 to D07 and L06.

    Args:
        submission: A submission without errors in its files.
        context: Options.
    """
    if submission.source.build is None:
        return DryRun([], [])
    if not context.run_model:
        return DryRun([], ["the model was not built"])
    notes: list[str] = []
    rule = "D01"
    try:
        with _session(submission, context, notes) as session:
            notes += session.notes
            rule = "D02"
            found = list(_answers(submission, session))
            session.finish()
            return DryRun(found, notes)
    except BenchError as error:
        found = list(findings_of(_BY_OUTCOME.get(error.outcome, rule), error, submission.manifest_path))
        return DryRun(found, notes)
    except SystemExit as error:
        message = f"the model ended the program (SystemExit: {error.code})"
        return DryRun([finding(rule, message, submission.manifest_path)], notes)


def _answers(submission: LoadedSubmission, session: ModelSession) -> Iterator[Finding]:
    path, claims = submission.manifest_path, submission.manifest.claims
    size = session.input.img_size
    images_NHWC: Images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, size, size, 3), np.uint8)
    logits_NC = session.logits(images_NHWC)
    if not bool(np.isfinite(logits_NC).all()):
        raise NonFiniteError("the model answered random pixels with NaN or infinity", path=path)
    if claims is not None and claims.num_params not in (None, session.num_params):
        message = f"is {claims.num_params:,}, but the model has {session.num_params:,} parameters"
        yield finding("L06", message, path, key="claims.num_params")
    if submission.source.runs_code:
        if (gap := _gap(session.logits(images_NHWC), logits_NC)) > _TOLERANCE:
            yield finding("D07", f"answers the same images otherwise when asked again (by {gap:.1%})", path)
        elif (gap := _gap(session.logits(images_NHWC[:1]), logits_NC[:1])) > _TOLERANCE:
            yield finding("D07", f"answers an image otherwise alone than in a batch of 4 (by {gap:.1%})", path)


def _gap(found_NC: Logits, expected_NC: Logits) -> float:
    """The largest difference of logits, relative to the largest logit."""
    scale = max(float(np.abs(expected_NC).max()), 1e-12)
    return float(np.abs(found_NC - expected_NC).max()) / scale


def _session(submission: LoadedSubmission, context: Context, notes: list[str]) -> AbstractContextManager[ModelSession]:
    """The model, ready to answer; its weights are random where they do not lie in the folder."""
    spec = RunSpec(
        device="cpu",
        precision="fp32",
        num_classes=class_table(submission.manifest.outputs.classes).num_classes,
        cache_folder=context.cache_folder,
        limits=context.limits,
        with_weights=_has_weights(submission),
    )
    if not spec.with_weights:
        notes.append("the weights were not loaded, the model was tried with random ones")
    if not _only_names(submission):
        chosen = choose_isolation(context.isolation)
        if chosen.note is not None:
            context.on_note(chosen.note)
        what = "Running the code of" if submission.source.runs_code else "Building the model of"
        context.on_note(f"{what} {submission.label} {_WHERE[chosen.level]}.")
        if chosen.level != "none":
            return BACKENDS[BACKEND_OF[chosen.level]]().start(submission, spec)
    from bench.backends.local import LocalBackend

    return LocalBackend().start(submission, spec)


def _only_names(submission: LoadedSubmission) -> bool:
    """Whether the manifest says no more than a short form does: which model of a zoo it is."""
    is_own = submission.source.runs_code or bool(submission.manifest.model.kwargs)
    return not is_own and not _has_weights(submission)


def _has_weights(submission: LoadedSubmission) -> bool:
    """Whether all weights of the model lie in the folder, or there are none."""
    model = submission.manifest.model
    if model.source == "exported":
        return True
    if model.weights is None:
        return submission.source.runs_code  # the factory draws them; a zoo would download them
    if submission.folder is None or "://" in model.weights:
        return False
    return model.source != "torchvision" or is_file_name(model.weights)
