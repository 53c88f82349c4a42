"""Recipes for tests: a shipped one with other keys."""

from __future__ import annotations

from bench.protocols import load_protocol
from bench.records.recipe import Recipe

__all__ = ["made_recipe", "shipped_recipe"]


def shipped_recipe(protocol: str) -> Recipe:
    """The recipe of a shipped protocol."""
    recipe = load_protocol(protocol).recipe
    assert recipe is not None
    return recipe


def made_recipe(**keys: object) -> Recipe:
    """The least that a recipe says, plain SGD on whole batches, with some keys replaced."""
    least = {"epochs": 6, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1, "augmentation": {}}
    return Recipe.parse(least | keys)
