"""A submission's manifest, `submission.toml`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText, Sha256, VisibleText, WebLink
from bench.records.protocol import CropMode, Interpolation, Precision

__all__ = ["Claims", "InputSpec", "ModelSpec", "OutputSpec", "Submission", "TrainingOrigin"]

Colour = tuple[float, float, float]
Fraction = Annotated[float, Field(ge=0, le=1)]


class ModelSpec(Record):
    """Where the model comes from; `docs/formats.md` says which keys each source takes."""

    source: str
    """One of the model sources: python, timm, torchvision, exported, predictions."""
    file: VisibleText | None = None
    """A file in the submission's folder: Python code, a `.pt2` archive, or predictions."""
    factory: VisibleText | None = None
    """The function in `file` that returns the model (source `python`)."""
    name: VisibleText | None = None
    """The model's name in its zoo (sources `timm` and `torchvision`)."""
    kwargs: dict[str, Any] = {}
    """Keyword arguments for the factory or the zoo."""
    weights: VisibleText | None = None
    """A file in the folder, an https URL, or for torchvision a name of the weights enum."""
    sha256: Sha256 | None = None
    """The sha256 of the file that `weights` names, or of `file` where there are no weights."""


class OutputSpec(Record):
    """What the model's outputs mean."""

    classes: Identifier = "imagenet-1k"
    """The class table that names the order of the outputs."""
    background: bool = False
    """Output 0 is the extra background class of the 1001-class convention."""


MAX_IMG_SIZE = 4096
"""No network of the field sees more; the parent holds a batch of these pixels in memory, whoever asks for them."""
MAX_RESIZE = 2 * MAX_IMG_SIZE


class InputSpec(Record):
    """What the model wants to see: its geometry in the open division, its normalisation in both."""

    img_size: Annotated[int, Field(gt=0, le=MAX_IMG_SIZE)] = 224
    """Side of the square input, in pixels."""
    crop_pct: Annotated[float, Field(gt=0, le=1)] = 0.875
    """The image is resized to floor(img_size / crop_pct) before the crop."""
    crop_mode: CropMode = "center"
    """See `Geometry.crop_mode`."""
    interpolation: Interpolation = "bilinear"
    """The filter of the resize."""
    resize: Annotated[int, Field(gt=0, le=MAX_RESIZE)] | None = None
    """The resized side itself, for presets that no crop_pct gives; overrides crop_pct."""
    mean: Colour = (0.485, 0.456, 0.406)
    """RGB mean, after scaling to 0..1."""
    std: Colour = (0.229, 0.224, 0.225)
    """RGB standard deviation, after scaling to 0..1."""

    @model_validator(mode="after")
    def _fits(self) -> InputSpec:
        if min(self.std) <= 0:
            raise ValueError("std must be greater than zero in every channel")
        if self.resize is None and self.img_size / self.crop_pct > MAX_RESIZE:
            raise ValueError(f"crop_pct {self.crop_pct:g} makes the resized side larger than {MAX_RESIZE:,} pixels")
        return self


class Claims(Record):
    """What the authors report; a gap larger than the interval is flagged."""

    top1: Fraction | None = None
    """Top-1 accuracy, a fraction."""
    top5: Fraction | None = None
    """Top-5 accuracy, a fraction."""
    num_params: Annotated[int, Field(gt=0)] | None = None
    """Number of parameters."""
    precision: Precision | None = None
    """The arithmetic that the claim was measured in."""


class TrainingOrigin(Record):
    """How `bench train` made these weights."""

    protocol: Identifier
    """The training protocol."""
    protocol_digest: Sha256
    """Its digest."""
    dataset_digest: Sha256
    """The digest of the training images."""
    trained_from: Sha256
    """The digest of the submission that was trained."""
    seed: int
    """The seed of weights, order and augmentation."""
    epochs: int
    """Epochs that were run."""
    seconds: float
    """Wall time of the training, in seconds."""
    bench_version: str
    """The version of bench that trained it."""
    attempt: int | None = None
    """Which of the attempts that make a score, from 1; missing where there was one."""
    precision: Precision | None = None
    """The arithmetic; missing for fp32."""
    teacher: str | None = None
    """The run whose predictions were learned too; missing where the recipe has no teacher."""


class Submission(FileRecord):
    """What a team hands in."""

    team: Identifier | None = None
    """Optional; must equal the name of the folder above the submission's folder."""
    name: Identifier | None = None
    """Optional; must equal the name of the submission's folder."""
    title: FreeText
    """The name that a board shows."""
    team_title: FreeText | None = None
    """The team's name that a board shows."""
    description: LongText | None = None
    """A paragraph for the submission's page."""
    contact: FreeText | None = None
    """Whom to ask: an address or a link."""
    license: FreeText | None = None
    """The licence of the weights, best as an SPDX identifier."""
    extra_training_data: FreeText = "none"
    """`none`, or the name of the data beyond ILSVRC-2012 that it was trained on."""
    paper: WebLink | None = None
    """Link to the paper."""
    code: WebLink | None = None
    """Link to the code."""
    model: ModelSpec
    """Where the model comes from."""
    outputs: OutputSpec = OutputSpec()
    """What its outputs mean."""
    input: InputSpec | None = None
    """What it wants to see; for timm and torchvision the zoo knows when this is left out."""
    claims: Claims | None = None
    """What the authors report."""
    training: TrainingOrigin | None = None
    """How `bench train` made these weights; written by it, not by hand."""
