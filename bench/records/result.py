"""A result: one immutable record of one run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from bench.files import digest_of
from bench.records.audit import Audit
from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText, Sha256
from bench.records.protocol import Geometry, Precision
from bench.records.submission import Claims, Colour, TrainingOrigin
from bench.records.training import TrainingSummary

__all__ = [
    "Cost",
    "DatasetRef",
    "Estimate",
    "Failure",
    "LedgerRef",
    "PredictionsRef",
    "ProtocolRef",
    "Result",
    "ResultInput",
    "RunId",
    "Scalar",
    "SubmissionRef",
    "Timestamp",
]

RunId = Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{12}$")]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
Scalar = str | int | float | bool | None
_WITH_CODE = frozenset({"exported", "python"})
"""Model sources that run code of the submission."""
_ADDED_LATER = frozenset({"audits", "layers", "limits"})
"""Fields with a default that older records lack: left out where empty, so that a record keeps its text and run id."""


class SubmissionRef(Record):
    """Who was measured."""

    team: Identifier
    """The team's folder name."""
    name: Identifier
    """The submission's folder name."""
    title: FreeText
    """The name that a board shows."""
    team_title: FreeText | None = None
    """The team's name that a board shows."""
    digest: Sha256 | None = None
    """The digest of manifest, code and weights; null for imported numbers."""
    source: str
    """The model source."""
    license: FreeText | None = None
    """The licence of the weights."""
    extra_training_data: FreeText = "none"
    """`none`, or the name of the extra data."""
    paper: str | None = None
    """Link to the paper."""
    code: str | None = None
    """Link to the code."""
    description: LongText | None = None
    """What the team says about it."""
    architecture: FreeText | None = None
    """The network without its weights, where speed is reported by it and not by the weights."""
    claims: Claims | None = None
    """What its authors report."""
    training: TrainingOrigin | None = None
    """How `bench train` made the weights."""


class ProtocolRef(Record):
    """How it was measured."""

    id: Identifier
    """The protocol's id."""
    version: int
    """Its version."""
    digest: Sha256 | None = None
    """Its digest; null for imported numbers."""


class DatasetRef(Record):
    """On which images it was measured."""

    name: Identifier
    """The dataset's name."""
    split: str
    """The split."""
    digest: Sha256 | None = None
    """The digest of sample ids, labels and contents; null for imported numbers."""
    num_samples: Annotated[int, Field(ge=0)]
    """How many images were measured."""
    complete: bool = True
    """All images of the split were measured; partial results are never ranked."""


class ResultInput(Record):
    """What the model saw."""

    geometry: Geometry
    """The input geometry that was used."""
    mean: Colour | None = None
    """RGB mean of the normalisation; null where imported numbers do not say it."""
    std: Colour | None = None
    """RGB standard deviation of the normalisation; null where imported numbers do not say it."""


class Estimate(Record):
    """One measured metric."""

    value: float
    """The value; rates are fractions from 0 to 1."""
    ci_low: float | None = None
    """Lower end of the 95 % interval."""
    ci_high: float | None = None
    """Upper end of the 95 % interval."""
    num_samples: Annotated[int, Field(gt=0)]
    """How many images it is measured on."""
    count: int | None = None
    """For a proportion: how many images, a whole number."""
    num_classes: int | None = None
    """For a mean over classes: how many classes are present in the ground truth."""
    sd: float | None = None
    """For a mean over the attempts of a training: their standard deviation."""


class Cost(Record):
    """Something measured on a machine or counted in a model; the unit also ends the cost's name."""

    value: float
    """The value."""
    ci_low: float | None = None
    """Lower end of the 95 % interval."""
    ci_high: float | None = None
    """Upper end of the 95 % interval."""
    lowest: float | None = None
    """For a median over the attempts of a training: the smallest of them."""
    highest: float | None = None
    """And the largest; missing where an attempt never got there."""
    unit: str
    """The unit, such as `img/s`."""
    device: str | None = None
    """The device that it was measured on; null for what does not depend on one."""


class PredictionsRef(Record):
    """Where the answers to each image lie."""

    sha256: Sha256
    """The content address of the predictions."""
    num_bytes: int
    """The size of the Parquet file."""


class Failure(Record):
    """Why a run gave no numbers."""

    outcome: str
    """The kind of failure, such as `load_error` or `nonfinite`."""
    message: str
    """The sentence that the user saw."""
    log: tuple[str, ...] = ()
    """The last lines of the log or of the traceback."""


class LedgerRef(Record):
    """Where a challenge's ledger accounts for a run; `bench ledger verify` holds the ledger against it."""

    challenge: Identifier
    """The challenge."""
    phase: Identifier
    """The phase."""
    division: Literal["closed", "open"]
    """The division."""
    rank: Annotated[int, Field(gt=0)] | None = None
    """The place among all that were scored in phase and division up to this run, by numbers that are not rounded."""
    sequence: Annotated[int, Field(gt=0)]
    """The number of the entry that ended the run: `score`, `refund` or `reject`."""
    head: Sha256
    """The hash of that entry, which was the ledger's head when this record was written."""


class Result(FileRecord):
    """One run of one submission under one protocol."""

    run: RunId
    """UTC time and 12 hex digits of the sha256 of the record without this field."""
    created_at: Timestamp
    """When the record was written, UTC."""
    bench_version: str
    """The version of bench that wrote it."""
    status: Literal["verified", "self-reported", "imported", "failed"]
    """Who stands for the numbers."""
    submission: SubmissionRef
    """Who was measured."""
    protocol: ProtocolRef
    """How it was measured."""
    dataset: DatasetRef
    """On which images."""
    metrics: dict[Identifier, Estimate] = {}
    """The metrics, by name."""
    costs: dict[Identifier, Cost] = {}
    """What it costs, by name; units end the names."""
    predictions: PredictionsRef | None = None
    """Where the answers lie."""
    blocks: Sha256 | None = None
    """The digest of the raw times in `<run>.blocks.json`, beside the result."""
    training: TrainingSummary | None = None
    """The attempts of a training, which lie in `<run>.attempts.json`, beside the result."""
    precision: Precision | None = None
    """The arithmetic that the model ran in."""
    device_type: Literal["cpu", "cuda", "mps"] | None = None
    """The kind of device that it ran on."""
    input: ResultInput | None = None
    """What the model saw."""
    isolation: Literal["none", "process", "sandbox"] | None = None
    """How far the submission's code was kept from labels and results."""
    layers: tuple[str, ...] = ()
    """What kept it there, such as `seccomp` or `memory:cgroup2`; see `docs/security.md`."""
    limits: dict[str, int | float] = {}
    """What its process might take; sizes end in `_bytes`, times in `_s`."""
    audits: tuple[Audit, ...] = ()
    """What was asked of the model while it was evaluated; see `docs/verification.md`."""
    environment: dict[str, Scalar] = {}
    """The machine and the library versions; see `bench/measure/environment.py`."""
    seeds: dict[str, int] = {}
    """The seeds that were used."""
    timing: dict[str, float] = {}
    """Wall times of the run's parts, in seconds."""
    failure: Failure | None = None
    """Why there are no numbers (status `failed`)."""
    ledger: LedgerRef | None = None
    """Where the challenge's ledger accounts for the run."""
    origin: str | None = None
    """Where imported numbers come from."""
    notes: tuple[str, ...] = ()
    """Sentences for a reader."""

    @model_validator(mode="after")
    def _status_fits(self) -> Self:
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError("a failed result needs a failure, and only a failed one has it")
        return self

    @classmethod
    def create(cls, *, now: datetime, **fields: Any) -> Self:
        """A new record with its run id.

        Args:
            now: The time of the run, with a time zone.
            fields: All fields but `run` and `created_at`.
        """
        moment = now.astimezone(UTC).replace(microsecond=0)
        draft = cls(run="00000000T000000Z-000000000000", created_at=moment.strftime("%Y-%m-%dT%H:%M:%SZ"), **fields)
        return draft.model_copy(update={"run": f"{moment:%Y%m%dT%H%M%SZ}-{draft.content_digest()[:12]}"})

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON values; keys that are None, and later ones that are empty, are left out."""
        return {key: value for key, value in super().as_json().items() if value or key not in _ADDED_LATER}

    def content_digest(self) -> str:
        """The sha256 of the record without its run id."""
        return digest_of({key: value for key, value in self.as_json().items() if key != "run"})

    @property
    def declares_costs(self) -> bool:
        """Whether parameters and multiply-adds are what the submission says: counted beside its code, which may lie."""
        return self.submission.source in _WITH_CODE

    @property
    def entry(self) -> str:
        """`team/name`: what the runs of one submission share."""
        return f"{self.submission.team}/{self.submission.name}"
