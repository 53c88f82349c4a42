"""A protocol: every choice that can move a number, as data, with a digest."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bench.files import digest_of
from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText, WebLink
from bench.records.recipe import Augmentation, Recipe
from bench.records.throughput import Throughput

__all__ = [
    "Augmentation",
    "CropMode",
    "DatasetSpec",
    "Geometry",
    "Interpolation",
    "MetricsSpec",
    "Precision",
    "PrecisionSpec",
    "Protocol",
    "Recipe",
    "Reference",
    "Views",
]

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
CropMode = Literal["center", "squash", "border"]
Fraction = Annotated[float, Field(ge=0, le=1)]


class DatasetSpec(Record):
    """Which images, and which labels count."""

    name: Identifier
    """The class table that the images belong to: `imagenet-1k`, `cifar10`, `shapesN` for a synthetic set of N classes,
    or `folders` for images of any classes, one a folder; for numbers that are taken over (kind `reported`) any name,
    such as `imagenet-r`."""
    split: Literal["train", "val", "test"]
    """Which part of the dataset."""
    num_samples: Annotated[int, Field(ge=0)]
    """How many images the complete split has; another number is an error unless a partial run was asked for. 0 for
    `folders`, which have as many as they have, and where speed is measured on random pixels."""
    labels: Literal["original", "real"] = "original"
    """Which ground truth counts: `real` are the reassessed labels of Beyer et al. 2020."""


class Geometry(Record):
    """How a decoded image becomes the pixels that a model sees; `bench/data/transforms.py` has the exact steps."""

    resize: Annotated[int, Field(gt=0)]
    """Shorter side after resizing (crop mode `center`), both sides (`squash`), or the longer side (`border`)."""
    crop: Annotated[int, Field(gt=0)]
    """Side of the square centre crop, in pixels."""
    crop_mode: CropMode = "center"
    """`center` keeps the aspect ratio, `squash` does not, `border` fits the whole image and pads."""
    interpolation: Interpolation = "bilinear"
    """The filter of the resize."""
    antialias: Literal[True] = True
    """Pillow's resize always widens its filter when it shrinks; there is no other way here."""
    decoder: Literal["pillow"] = "pillow"
    """Decoders differ by a level or two, so the decoder is part of the protocol."""
    fill: tuple[int, int, int] | None = None
    """The RGB colour of the padding of crop mode `border`, 0 to 255; None for black."""


class PrecisionSpec(Record):
    """In which arithmetic the model may run."""

    allowed: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32", "tf32", "bf16", "fp16")
    """The precisions that an entry may choose from."""
    default: Precision = "fp32"
    """The precision when nothing is said."""

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.default not in self.allowed:
            raise ValueError(f"default {self.default!r} is not among the allowed {list(self.allowed)}")
        return self


class Views(Record):
    """How many crops of one image the model sees."""

    kind: Literal["single", "ten-crop"] = "single"
    """`single`, or `ten-crop`: corners and centre of the central square, and their mirrors (AlexNet, 2012)."""
    average: Literal["softmax"] = "softmax"
    """What is averaged over the views."""


class MetricsSpec(Record):
    """Which metrics are measured, and which one decides the rank."""

    rank_by: Identifier
    """The metric that orders a board."""
    report: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """All metrics that a result holds."""

    @model_validator(mode="after")
    def _rank_is_reported(self) -> Self:
        if self.rank_by not in self.report:
            raise ValueError(f"rank_by {self.rank_by!r} is not among the reported {list(self.report)}")
        return self


class Reference(Record):
    """A known model and its known value under this protocol: the golden check."""

    submission: str
    """The submission, in its short form or as a path in the repository."""
    top1: Fraction
    """Its known top-1 accuracy."""
    tolerance: Annotated[float, Field(gt=0, lt=1)]
    """The largest difference that decoders and kernels explain; of a trained network, that seeds explain."""
    reproduced: str | None = None
    """The run of this program that reached it, or `never` (kind `train`, where it is needed)."""


class Protocol(FileRecord):
    """A fixed way to measure a submission."""

    id: Identifier
    """The protocol's name; the file has the same name."""
    version: Annotated[int, Field(gt=0)] = 1
    """Raised by every change that can move a number; a published version is never edited."""
    kind: Literal["evaluate", "train", "throughput", "reported"]
    """What is done: `reported` means that numbers are taken over from elsewhere and nothing is run."""
    title: FreeText
    """What a person reads."""
    description: LongText | None = None
    """A paragraph for the board's page."""
    division: Literal["closed", "open"] | None = None
    """`closed`: the protocol fixes the input geometry; `open`: the submission brings its own."""
    sources: tuple[WebLink, ...] = ()
    """Papers and pages that it follows."""
    dataset: DatasetSpec
    """Which images."""
    geometry: Geometry | None = None
    """The input geometry of the closed division; of a training that of `evaluate_with`, while the recipe's augmentation
    says what happens to training images."""
    normalise_order: Literal["unit"] = "unit"
    """Divide by 255 in float32, then subtract the mean and divide by the standard deviation."""
    precision: PrecisionSpec | None = None
    """In which arithmetic the model may run; None where nothing is run."""
    views: Views | None = None
    """How many crops of one image the model sees; None where nothing is run."""
    tie_rule: Literal["logit-descending-then-class-ascending"] = "logit-descending-then-class-ascending"
    """How equal logits are ordered."""
    metrics: MetricsSpec | None = None
    """Which metrics are measured; None where only costs are reported."""
    recipe: Recipe | None = None
    """How a network is trained (kind `train`)."""
    evaluate_with: Identifier | None = None
    """The protocol that measures what was trained (kind `train`)."""
    throughput: Throughput | None = None
    """How speed is measured (kind `throughput`)."""
    reference: Reference | None = None
    """A known model and its known value."""
    hidden: Literal[True] | None = None
    """The labels are hidden: only a challenge evaluates it, and of a result only the rounded score, the number of
    images and the rank are published."""

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if (self.division == "closed" or self.kind == "train") and self.geometry is None:
            raise ValueError("the closed division and training need a [geometry]")
        if self.division == "open" and self.geometry is not None:
            raise ValueError("the open division takes the geometry from the submission; remove [geometry]")
        if self.kind == "evaluate" and (self.division is None or self.precision is None or self.views is None):
            raise ValueError("a protocol of kind 'evaluate' needs division, [precision] and [views]")
        if (self.kind == "train") != (self.recipe is not None):
            raise ValueError("a [recipe] belongs to kind 'train', and kind 'train' needs one")
        if self.kind == "train" and self.reference is not None and self.reference.reproduced is None:
            raise ValueError('the [reference] of a training says whether it was reached here: reproduced = "never"')
        if (self.kind == "throughput") != (self.throughput is not None):
            raise ValueError("a [throughput] belongs to kind 'throughput', and kind 'throughput' needs one")
        if self.throughput is not None and self.precision is None:
            raise ValueError("a protocol of kind 'throughput' needs [precision]")
        if self.throughput is not None and (self.throughput.num_images or 0) > self.dataset.num_samples:
            raise ValueError(f"num_images is more than the {self.dataset.num_samples:,} images of the dataset")
        has_images = self.dataset.num_samples > 0 or self.dataset.name == "folders"
        if self.kind in ("evaluate", "train") and (self.metrics is None or not has_images):
            raise ValueError(f"a protocol of kind {self.kind!r} needs [metrics] and images")
        if self.hidden and self.kind != "evaluate":
            raise ValueError("only a protocol of kind 'evaluate' can have hidden labels")
        if self.kind != "reported" and self.dataset.labels != "original":
            raise ValueError(f"only the original labels can be scored here, found {self.dataset.labels!r}")
        return self

    def digest(self) -> str:
        """The sha256 of the canonical JSON of all that can move a number (titles and references cannot)."""
        words = {"title", "description", "sources", "reference", "format_version"}
        return digest_of({key: value for key, value in self.as_json().items() if key not in words})
