"""What a training result holds: every attempt with its seed, its course and what it reached and cost."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from bench.files import canonical_json, digest_of
from bench.records.base import FileRecord, Record
from bench.records.names import Sha256

__all__ = ["Attempt", "Attempts", "CurvePoint", "Final", "Reached", "TrainingSummary"]

Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class CurvePoint(Record):
    """A training after some epochs."""

    epoch: Count
    """Passes over the training images that are done."""
    images: Count
    """Training images that were seen, each as often as it was."""
    train_s: Seconds | None = None
    """The training clock: steps and waiting for data, without start-up, compiling and evaluation."""
    loss: float | None = None
    """Mean training loss over the epoch."""
    train_top1: Fraction | None = None
    """Accuracy over the epoch on the training images as they were augmented; missing where they are mixed."""
    learning_rate: float | None = None
    """The learning rate of the epoch's last step."""
    top1: Fraction | None = None
    """Accuracy of the weights that are ranked, on the images of the protocol's `evaluate_with`, evaluated meanwhile."""
    nll: float | None = None
    """Their plain cross-entropy in float32."""
    other_top1: Fraction | None = None
    """Accuracy of the weights that are not ranked: the last ones where their average is, or the average."""


class Reached(Record):
    """When an attempt reached the target of its protocol, and what that took."""

    epoch: Number
    """After which epoch."""
    images: Number
    """Training images until then."""
    train_s: Seconds
    """The training clock until then."""
    value: Fraction
    """What the evaluation that stopped the clock found."""
    confirmed: Fraction
    """What a fresh evaluation of the exported weights found."""
    pflop: float | None = None
    """Operations of forward and backward passes until then, in 10^15, two a multiply-add."""
    energy_j: float | None = None
    """Energy of the devices until then, in joules, where they tell it."""


class Final(Record):
    """One metric of the exported weights, under the protocol that `evaluate_with` names."""

    value: float
    """The value; rates are fractions."""
    num_samples: Number
    """How many images."""
    count: Count | None = None
    """For a proportion: how many of them."""


class Attempt(Record):
    """One training from its first step to its end."""

    number: Number
    """From 1; none is left out."""
    seed: Count
    """Drawn by bench from the round's key, the submission's digest and this number."""
    outcome: str = "ok"
    """`ok`, or the kind of failure, such as `nonfinite`."""
    message: str | None = None
    """What the failure said."""
    created_at: str
    """When it began, UTC."""
    epochs: Count
    """Epochs that were run."""
    steps: Count
    """Optimizer steps."""
    images: Count
    """Training images that were seen."""
    world_size: Number = 1
    """Processes that trained together."""
    device: str | None = None
    """The device's name."""
    start_s: Seconds | None = None
    """From the start to the first step: data, model, processes."""
    compile_s: Seconds | None = None
    """What the first step took beyond an ordinary one."""
    train_s: Seconds
    """The training clock, lost work included."""
    wait_s: Seconds | None = None
    """How much of it was spent waiting for data."""
    evaluate_s: Seconds | None = None
    """Evaluations, on their own clock."""
    pflop: float | None = None
    """Operations of all forward and backward passes, in 10^15, two a multiply-add."""
    energy_j: float | None = None
    """Energy of the devices, in joules, where they tell it."""
    peak_memory_mib: float | None = None
    """Most memory: of the device, else of the process."""
    num_skipped: Count = 0
    """Training images that could not be decoded, where the protocol allows to leave them out."""
    num_restarts: Count = 0
    """How often it was interrupted and went on."""
    weights_sha256: Sha256 | None = None
    """The exported weights."""
    predictions_sha256: Sha256 | None = None
    """Their answers to the images of the evaluation."""
    final: dict[str, Final] = {}
    """What the exported weights reach, by metric."""
    reached: Reached | None = None
    """The target, where the protocol has one and the attempt did not miss it."""
    curve: tuple[CurvePoint, ...] = ()
    """Its course; long ones are thinned."""

    @model_validator(mode="after")
    def _outcome_fits(self) -> Self:
        if (self.outcome == "ok") != (self.message is None):
            raise ValueError("a failed attempt needs a message, and only a failed one has it")
        if self.outcome != "ok" and (self.final or self.reached):
            raise ValueError("a failed attempt has reached nothing")
        return self


class Attempts(FileRecord):
    """All attempts of a submission under a training protocol, beside the result that sums them up."""

    recipe_digest: Sha256
    """The digest of the recipe."""
    evaluated_with: str
    """The protocol that the exported weights were evaluated under."""
    evaluated_with_digest: Sha256 | None = None
    """The digest of that protocol; missing in files from before it was kept."""
    evaluated_on_digest: Sha256 | None = None
    """The digest of the images that they were evaluated on; missing in files from before it was kept."""
    round: str
    """Whose key drew the seeds: `public`, or digits of the sha256 of a round's key."""
    attempts: Annotated[tuple[Attempt, ...], Field(min_length=1)]
    """Every attempt, in order of its number."""

    @model_validator(mode="after")
    def _none_is_left_out(self) -> Self:
        numbers = [attempt.number for attempt in self.attempts]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"attempts are numbered 1, 2, 3 ... without a gap, found {numbers}")
        return self

    def to_text(self) -> str:
        """The record on one line: curves that nobody reads as numbers."""
        return canonical_json(self.as_json()) + "\n"

    def sha256(self) -> str:
        """The digest that the result names."""
        return digest_of(self.as_json())


class TrainingSummary(Record):
    """What a result says of the attempts that lie beside it in `<run>.attempts.json`."""

    attempts: Sha256
    """The digest of that file."""
    recipe_digest: Sha256
    """The digest of the recipe."""
    round: str
    """Whose key drew the seeds."""
    num_attempts: Number
    """All attempts, failed ones too."""
    num_failed: Count = 0
    """Attempts that ended without weights."""
    num_missed: Count | None = None
    """Attempts that did not reach the target; missing where the protocol has none."""
