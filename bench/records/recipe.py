"""A recipe: how a network is trained, every number that matters, checked for keys that contradict each other."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bench.records.base import Record
from bench.records.names import Identifier

__all__ = ["Augmentation", "Distillation", "Recipe", "Target"]

Fraction = Annotated[float, Field(ge=0, le=1)]
Portion = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Augmentation(Record):
    """What is drawn at random for each training image, in the order of the keys."""

    crop_from: Literal["original", "resized"] = "original"
    """What is cropped: the `original` image, or the image `resized` first to the shorter side of the [geometry]."""
    crop: Literal["random-resized", "random", "center"] = "random-resized"
    """`random-resized`: a part of random area and shape, resized (Szegedy et al. 2014); `random`: a square of the
    final size at a random place (Krizhevsky et al. 2012); `center`: the square in the middle."""
    crop_scale: tuple[Fraction, Fraction] = (0.08, 1.0)
    """The range of the random crop's area, as a fraction of the image (`random-resized`)."""
    crop_ratio: tuple[Positive, Positive] = (0.75, 1.3333333333333333)
    """The range of the random crop's aspect ratio, width by height (`random-resized`)."""
    train_crop: Count | None = None
    """Side of the square that the network sees while training, in pixels; None for the crop of the [geometry]."""
    interpolation: Literal["bilinear", "bicubic", "bilinear-or-bicubic"] = "bilinear"
    """The filter of `random-resized` and of drawn operations; `bilinear-or-bicubic` is drawn for each image, as in
    timm."""
    horizontal_flip: Fraction = 0.5
    """The probability of a mirror image."""
    auto: Literal["none", "randaugment", "trivialaugment"] = "none"
    """Drawn operations: timm's RandAugment (`increasing` operations), or torchvision's TrivialAugmentWide."""
    auto_ops: Annotated[int, Field(ge=0)] = 0
    """How many operations an image gets (`randaugment`; `trivialaugment` always draws one)."""
    auto_magnitude: Annotated[float, Field(ge=0, le=10)] = 0.0
    """How strong they are, 0 to 10 (`randaugment`)."""
    auto_magnitude_sd: NotNegative = 0.0
    """Standard deviation of the strength, drawn for each operation (`randaugment`; timm's `mstd`)."""
    colour_jitter: tuple[Fraction, Fraction, Fraction] = (0.0, 0.0, 0.0)
    """Largest relative change of brightness, contrast and saturation, in a drawn order (torchvision's ColorJitter)."""
    pca_noise: NotNegative = 0.0
    """Standard deviation of the noise along the principal components of colour (Krizhevsky et al. 2012, sec. 4.1)."""
    erase_probability: Fraction = 0.0
    """The probability that a rectangle is erased, after the normalisation (torchvision's RandomErasing: 0.02 to 0.33
    of the area, ratio 0.3 to 3.3, zeros)."""

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        for name in ("crop_scale", "crop_ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} is a range from above 0 up, found [{low}, {high}]")
        if self.crop != "random-resized":
            _refuse(self, ("crop_scale", "crop_ratio"), because=f"crop is {self.crop!r}")
            if self.auto == "none":
                _refuse(self, ("interpolation",), because=f"crop is {self.crop!r}, which resizes nothing")
            if self.crop_from == "original":
                raise ValueError(f"crop = {self.crop!r} needs crop_from = 'resized', found 'original'")
        if self.auto != "randaugment":
            _refuse(self, ("auto_ops", "auto_magnitude", "auto_magnitude_sd"), because=f"auto is {self.auto!r}")
        elif self.auto_ops == 0:
            raise ValueError("auto = 'randaugment' needs auto_ops of 1 or more, found 0")
        return self


class Distillation(Record):
    """What a network learns from a teacher's stored predictions of the training images (Hinton et al. 2015)."""

    teacher: str
    """The submission that made the predictions, as TEAM/NAME."""
    targets: Literal["top10", "hard"]
    """`top10`: the ten probabilities that predictions keep, what is left spread evenly over the other classes; `hard`:
    the teacher's first class (Touvron et al. 2020)."""
    weight: Annotated[float, Field(gt=0, le=1)]
    """Share of the teacher's term in the loss; the labels have the rest."""


class Target(Record):
    """What a training for time has to reach, within the epochs of the recipe."""

    metric: Identifier = "top1"
    """The metric, a fraction."""
    value: Portion
    """What has to be reached."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How far above the value the confirming evaluation has to be."""


class Recipe(Record):
    """How a network is trained; every number that matters stands here and nowhere else."""

    epochs: Count
    """Passes over the training images."""
    batch_size: Count
    """Images an optimizer step, over all devices and accumulated parts together."""
    drop_last: bool = True
    """What is left of a shuffled epoch after the last whole batch is not used in it (timm), or is a smaller batch
    (torchvision)."""
    repeated_augmentation: Count = 1
    """How often an image is drawn in a batch, differently augmented, in an equally long epoch (Hoffer et al. 2019)."""
    skip_corrupt: bool = False
    """Images that cannot be decoded are left out and counted, instead of ending the run."""
    optimizer: Literal["sgd", "nesterov", "adamw", "lamb", "rmsprop"]
    """torch's SGD, with Nesterov's momentum or without, AdamW or RMSprop, or timm's LAMB."""
    learning_rate: Positive
    """The peak learning rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD and RMSprop, beta1 of AdamW and LAMB."""
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Decay of the squared gradients (AdamW, LAMB, and RMSprop's alpha)."""
    epsilon: Positive = 1e-8
    """What is added to the denominator (AdamW, LAMB, RMSprop)."""
    weight_decay: NotNegative = 1e-4
    """Weight decay of the parameters that `decay_rule` names."""
    decay_rule: Literal["matrices", "all"] = "matrices"
    """`matrices`: parameters of two or more dimensions only (He et al. 2018, timm); `all`: every parameter."""
    norm_weight_decay: NotNegative | None = None
    """Weight decay of normalisation layers where it differs (`all`; torchvision's `norm_weight_decay`)."""
    schedule: Literal["constant", "cosine", "step", "poly"] = "cosine"
    """How the learning rate falls after its peak; `poly` with power 1 is linear."""
    schedule_unit: Literal["step", "epoch"] = "step"
    """Whether the learning rate moves with every optimizer step or once an epoch."""
    step_epochs: tuple[Count, ...] = ()
    """The epochs after which the learning rate is multiplied with `step_gamma` (`step`)."""
    step_gamma: Portion = 0.1
    """What it is multiplied with (`step`)."""
    poly_power: Positive = 1.0
    """The power of what is left of the epochs (`poly`)."""
    min_learning_rate: NotNegative = 0.0
    """Where the learning rate ends (`cosine`)."""
    warmup_epochs: NotNegative = 0.0
    """Epochs of linear warm-up."""
    warmup_start: Annotated[float, Field(gt=0, le=1)] = 0.01
    """The learning rate of the warm-up's first step (or epoch), as a fraction of the peak."""
    warmup_prefix: bool = True
    """The schedule starts after the warm-up (torchvision), or with it and hidden by it (timm's default, `cosine`)."""
    loss: Literal["cross-entropy", "bce"] = "cross-entropy"
    """Cross-entropy over the classes, or binary cross-entropy, one a class, a mean over all (Wightman et al. 2021)."""
    bce_threshold: Portion | None = None
    """Targets above it count as 1 and the others as 0 (`bce`); None keeps them as they are."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Weight of the uniform distribution in the training target."""
    mixup_alpha: NotNegative = 0.0
    """Mixup's Beta parameter (Zhang et al. 2017); 0 for none."""
    cutmix_alpha: NotNegative = 0.0
    """CutMix's Beta parameter (Yun et al. 2019); 0 for none."""
    mix_probability: Fraction = 1.0
    """The probability that a batch is mixed."""
    switch_probability: Fraction = 0.5
    """The probability of CutMix where both are on."""
    mixing: Literal["torchvision", "timm"] = "torchvision"
    """Whose mixing: torchvision pairs an image with its neighbour in the batch, timm the first with the last."""
    clip_grad_norm: Positive | None = None
    """The largest norm of all gradients together; None for no limit."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights; 0 for none."""
    ema_every: Count = 1
    """Optimizer steps between two updates of the average."""
    ema_rule: Literal["plain", "torchvision"] = "plain"
    """`torchvision`: 1 - decay is multiplied with batch_size * ema_every / epochs, and the average starts again at each
    update in the warm-up."""
    bn: Literal["local", "sync"] = "local"
    """Whether batch statistics are those of a device's part of the batch, or of all devices together."""
    start: Literal["drawn", "pretrained"] = "drawn"
    """The weights at the start: drawn from the seed, or those that the submission brings."""
    head_reset: bool = False
    """The last layer is drawn anew, with as many outputs as the dataset has classes (`pretrained`)."""
    trainable: Literal["all", "head"] = "all"
    """What is trained; with `head` the rest is frozen and in evaluation mode (a linear probe)."""
    evaluate_every_epochs: Annotated[int, Field(ge=0)] = 0
    """How often the network is evaluated while it trains, untimed; 0 for at the end alone."""
    ranked_weights: Literal["last", "ema"] = "last"
    """Which weights are exported, evaluated and ranked."""
    num_seeds: Count = 1
    """How many attempts make a ranked score; the harness draws a seed for each."""
    augmentation: Augmentation
    """What is drawn at random for each image."""
    distillation: Distillation | None = None
    """What is learned from a teacher; None for labels alone."""
    target: Target | None = None
    """What has to be reached where time is measured; None for a fixed budget."""

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed."""
        return self.mix_probability > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)

    @model_validator(mode="after")
    def _optimizer_fits_together(self) -> Self:
        if self.optimizer in ("sgd", "nesterov"):
            _refuse(self, ("beta2", "epsilon"), because=f"optimizer is {self.optimizer!r}")
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise ValueError("optimizer = 'nesterov' needs momentum above 0, found 0.0")
        if self.decay_rule != "all":
            _refuse(self, ("norm_weight_decay",), because=f"decay_rule is {self.decay_rule!r}")
        return self

    @model_validator(mode="after")
    def _schedule_fits_together(self) -> Self:
        if self.schedule == "step":
            if not self.step_epochs:
                raise ValueError("schedule = 'step' needs step_epochs, found none")
            ordered = sorted(set(self.step_epochs))
            if list(self.step_epochs) != ordered or ordered[-1] >= self.epochs:
                raise ValueError(
                    f"step_epochs rise and stay below the {self.epochs} epochs, found {list(self.step_epochs)}"
                )
        else:
            _refuse(self, ("step_epochs", "step_gamma"), because=f"schedule is {self.schedule!r}")
        if self.schedule != "poly":
            _refuse(self, ("poly_power",), because=f"schedule is {self.schedule!r}")
        if self.schedule != "cosine":
            _refuse(self, ("min_learning_rate", "warmup_prefix"), because=f"schedule is {self.schedule!r}")
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate is above the learning_rate {self.learning_rate}, found {self.min_learning_rate}"
            )
        if self.warmup_epochs == 0:
            _refuse(self, ("warmup_start", "warmup_prefix"), because="warmup_epochs is 0")
        elif self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs is above the {self.epochs} epochs, found {self.warmup_epochs}")
        if self.schedule_unit == "epoch" and not self.warmup_epochs.is_integer():
            raise ValueError(f"schedule_unit = 'epoch' needs whole warmup_epochs, found {self.warmup_epochs}")
        return self

    @model_validator(mode="after")
    def _targets_fit_together(self) -> Self:
        if self.loss != "bce":
            _refuse(self, ("bce_threshold",), because=f"loss is {self.loss!r}")
        if self.bce_threshold is not None:
            _refuse(self, ("label_smoothing",), because="bce_threshold makes the targets 0 or 1 again")
        if not (self.mixup_alpha or self.cutmix_alpha):
            _refuse(self, ("mix_probability", "mixing"), because="mixup_alpha and cutmix_alpha are 0")
        if not (self.mixup_alpha and self.cutmix_alpha):
            _refuse(self, ("switch_probability",), because="mixup_alpha or cutmix_alpha is 0")
        if self.distillation is not None and self.mixes:
            raise ValueError("a distillation from stored predictions cannot follow mixed images; remove the mixing")
        if self.distillation is not None and self.loss != "cross-entropy":
            raise ValueError(f"a distillation needs loss = 'cross-entropy', found {self.loss!r}")
        return self

    @model_validator(mode="after")
    def _weights_fit_together(self) -> Self:
        if self.ema_decay == 0:
            _refuse(self, ("ema_every", "ema_rule"), because="ema_decay is 0")
            if self.ranked_weights == "ema":
                raise ValueError("ranked_weights = 'ema' needs ema_decay above 0, found 0.0")
        if self.start == "drawn":
            _refuse(self, ("head_reset", "trainable"), because="start is 'drawn'")
        if self.evaluate_every_epochs > self.epochs:
            raise ValueError(
                f"evaluate_every_epochs is above the {self.epochs} epochs, found {self.evaluate_every_epochs}"
            )
        if self.target is not None and self.evaluate_every_epochs == 0:
            raise ValueError("a [target] needs evaluate_every_epochs of 1 or more, found 0")
        return self


def _refuse(record: Record, names: tuple[str, ...], *, because: str) -> None:
    """Refuses keys that have no effect beside another key; a key at its default counts as not given."""
    fields: dict[str, Any] = dict(type(record).model_fields)
    for name in names:
        value = getattr(record, name)
        if value != fields[name].default:
            raise ValueError(f"{name} has no effect, since {because}; remove it, found {value!r}")
