"""Recipes: unknown keys and keys that contradict each other are errors that name the key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.protocols import load_protocol, protocol_ids
from bench.records.recipe import Recipe
from tests.training.made_recipes import made_recipe

TRAININGS = [name for name in protocol_ids() if load_protocol(name).kind == "train"]
WARM = {"warmup_epochs": 2.0}
MIXED = {"mixup_alpha": 0.2}
PRETRAINED = {"start": "pretrained"}
TEACHER = {"distillation": {"teacher": "acme/wise", "targets": "top10", "weight": 0.5}}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"weight_dacay": 1e-4}, "weight_dacay: unknown key; did you mean weight_decay"),
        ({"augmentation": {"flip": 0.5}}, "augmentation.flip: unknown key"),
        ({"learning_rate": 0.0}, "learning_rate: input should be greater than 0, found 0.0"),
        ({"optimizer": "adam"}, "optimizer: input should be 'sgd'"),
        ({"epsilon": 1e-6}, "epsilon has no effect, since optimizer is 'sgd'; remove it, found 1e-06"),
        ({"optimizer": "nesterov", "beta2": 0.9}, "beta2 has no effect, since optimizer is 'nesterov'"),
        ({"optimizer": "nesterov", "momentum": 0.0}, "'nesterov' needs momentum above 0"),
        ({"norm_weight_decay": 0.0}, "norm_weight_decay has no effect, since decay_rule is 'matrices'"),
        ({"schedule": "step"}, "schedule = 'step' needs step_epochs, found none"),
        ({"schedule": "step", "step_epochs": [4, 2]}, r"step_epochs rise and stay below the 6 epochs, found \[4, 2\]"),
        ({"schedule": "step", "step_epochs": [6]}, "step_epochs rise and stay below the 6 epochs"),
        ({"step_gamma": 0.5}, "step_gamma has no effect, since schedule is 'cosine'"),
        ({"poly_power": 2.0}, "poly_power has no effect, since schedule is 'cosine'"),
        ({"schedule": "poly", "min_learning_rate": 1e-6}, "min_learning_rate has no effect, since schedule is 'poly'"),
        ({"min_learning_rate": 0.2}, "min_learning_rate is above the learning_rate 0.1, found 0.2"),
        ({"warmup_start": 0.5}, "warmup_start has no effect, since warmup_epochs is 0; remove it, found 0.5$"),
        ({"warmup_epochs": 7.0}, "warmup_epochs is above the 6 epochs, found 7.0"),
        ({"warmup_epochs": 0.5, "schedule_unit": "epoch"}, "schedule_unit = 'epoch' needs whole warmup_epochs"),
        (WARM | {"schedule": "poly", "warmup_prefix": False}, "warmup_prefix has no effect, since schedule is 'poly'"),
        ({"bce_threshold": 0.2}, "bce_threshold has no effect, since loss is 'cross-entropy'"),
        ({"loss": "bce", "bce_threshold": 0.2, "label_smoothing": 0.1}, "label_smoothing has no effect, since bce_"),
        ({"mix_probability": 0.5}, "mix_probability has no effect, since mixup_alpha and cutmix_alpha are 0"),
        (MIXED | {"switch_probability": 0.2}, "switch_probability has no effect, since mixup_alpha or cutmix_alpha is"),
        (MIXED | TEACHER, "cannot follow mixed images"),
        (TEACHER | {"loss": "bce"}, "a distillation needs loss = 'cross-entropy'"),
        ({"ema_every": 4}, "ema_every has no effect, since ema_decay is 0"),
        ({"ranked_weights": "ema"}, "ranked_weights = 'ema' needs ema_decay above 0"),
        ({"head_reset": True}, "head_reset has no effect, since start is 'drawn'"),
        ({"trainable": "head"}, "trainable has no effect, since start is 'drawn'"),
        ({"evaluate_every_epochs": 9}, "evaluate_every_epochs is above the 6 epochs, found 9"),
        ({"target": {"value": 0.7}}, r"a \[target\] needs evaluate_every_epochs of 1 or more"),
        ({"augmentation": {"crop": "random", "crop_from": "resized", "crop_scale": [0.5, 1.0]}}, "crop_scale has no"),
        (
            {"augmentation": {"crop": "center", "crop_from": "resized", "interpolation": "bicubic"}},
            "interpolation has no effect, since crop is 'center', which resizes nothing",
        ),
        ({"augmentation": {"crop": "center"}}, "crop = 'center' needs crop_from = 'resized', found 'original'"),
        ({"augmentation": {"crop_scale": [0.5, 0.2]}}, r"crop_scale is a range .*, found \[0.5, 0.2\]"),
        ({"augmentation": {"auto": "randaugment"}}, "auto = 'randaugment' needs auto_ops of 1 or more"),
        ({"augmentation": {"auto": "trivialaugment", "auto_magnitude": 5.0}}, "auto_magnitude has no effect"),
    ],
)
def test_faults_name_their_key(keys: dict[str, Any], words: str) -> None:
    """And the value found, and what to do."""
    with pytest.raises(RecordError, match=words):
        made_recipe(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        WARM | {"warmup_prefix": False},
        MIXED | {"mix_probability": 0.5, "mixing": "timm"},
        {"loss": "bce", "label_smoothing": 0.1},
        PRETRAINED | {"head_reset": True, "trainable": "head"},
        {"ema_decay": 0.99, "ranked_weights": "ema"},
        {"decay_rule": "all", "norm_weight_decay": 0.0},
        TEACHER,
        {"target": {"value": 0.7, "margin": 0.001}, "evaluate_every_epochs": 1},
    ],
)
def test_what_belongs_together_is_taken(keys: dict[str, Any]) -> None:
    """And is the same again after writing and reading, defaults and all."""
    recipe = made_recipe(**keys)

    assert Recipe.parse(recipe.as_json()) == recipe


@given(st.floats(0, 1), st.floats(0, 1))
def test_recipes_tell_whether_they_mix(alpha: float, probability: float) -> None:
    """Only with an alpha and a probability above zero."""
    recipe = made_recipe(mixup_alpha=alpha, **({"mix_probability": probability} if alpha else {}))

    assert recipe.mixes == (alpha > 0 and (probability > 0))


@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_end_where_their_evaluation_begins(name: str) -> None:
    """A training protocol has the geometry and the classes of the protocol that measures what was trained."""
    protocol = load_protocol(name)
    assert protocol.evaluate_with is not None
    measured_by = load_protocol(protocol.evaluate_with)

    assert measured_by.kind == "evaluate"
    assert protocol.geometry == measured_by.geometry
    assert protocol.dataset.name == measured_by.dataset.name
    assert protocol.dataset.split == "train"
    assert measured_by.dataset.split != "train"


@pytest.mark.parametrize("name", TRAININGS)
def test_nobody_can_miss_whether_a_reference_was_reached_here(name: str) -> None:
    """A value of a paper says `never` until a run of this program reached it."""
    reference = load_protocol(name).reference

    assert reference is None or reference.reproduced is not None
