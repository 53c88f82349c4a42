"""From a recipe to torch's or timm's own optimizer, with the parameters in groups of equal weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.errors import ModelError
from bench.records.recipe import Recipe

if TYPE_CHECKING:
    import torch

__all__ = ["make_optimizer", "parameter_groups"]


def make_optimizer(module: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the parameters that get gradients.

    Args:
        module: The network, frozen where the recipe says so.
        recipe: Optimizer, learning rate, momentum and weight decay.

    Raises:
        ModelError: There is nothing to train.
    """
    import torch

    groups = parameter_groups(module, recipe)
    if not groups:
        raise ModelError("the model has no parameters to train")
    if recipe.optimizer in ("sgd", "nesterov"):
        nesterov = recipe.optimizer == "nesterov"
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            groups, lr=recipe.learning_rate, alpha=recipe.beta2, eps=recipe.epsilon, momentum=recipe.momentum
        )
    betas = (recipe.momentum, recipe.beta2)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas, eps=recipe.epsilon)
    from timm.optim import Lamb

    # LAMB scales gradients down to a norm of 1 before anything else (You et al. 2019, as NVIDIA and timm do it): a
    # part of the method here, apart from the recipe's own clipping.
    lamb: torch.optim.Optimizer = Lamb(
        groups, lr=recipe.learning_rate, betas=betas, eps=recipe.epsilon, max_grad_norm=1.0
    )
    return lamb


def parameter_groups(module: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The parameters that get gradients, each once, in at most two groups of equal weight decay.

    With `matrices` a parameter of two or more dimensions is decayed and another is not: biases and the scales of
    normalisation layers (He et al. 2018, https://arxiv.org/abs/1812.01187, section 3.1, and timm). timm also asks the
    network which of its parameters to spare; here nobody but the recipe decides.
    With `all` every parameter is decayed, those of normalisation layers by `norm_weight_decay` where it is given.

    Args:
        module: The network.
        recipe: Its `weight_decay`, `decay_rule` and `norm_weight_decay`.

    Returns:
        Groups as torch's optimizers take them, none of them empty, in the order of timm and torchvision.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if recipe.decay_rule == "matrices":
        apart, decay_apart = {id(parameter) for parameter in trained if parameter.ndim < 2}, 0.0
    elif recipe.norm_weight_decay is not None:
        apart, decay_apart = _normalisation(module), recipe.norm_weight_decay
    else:
        apart, decay_apart = set(), 0.0
    groups = [
        {"params": [p for p in trained if id(p) in apart], "weight_decay": decay_apart},
        {"params": [p for p in trained if id(p) not in apart], "weight_decay": recipe.weight_decay},
    ]
    return [group for group in groups if group["params"]]


def _normalisation(module: torch.nn.Module) -> set[int]:
    """The identities of the parameters that normalisation layers own, as torchvision's reference tells them."""
    from torch import nn
    from torch.nn.modules.batchnorm import _NormBase

    kinds = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    return {id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)}
