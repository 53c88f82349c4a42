"""Counting parameters and multiply-adds."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from bench.measure.parameters import count_gmacs, count_parameters


def test_shared_parameters_count_once_and_buffers_not_at_all() -> None:
    """A tied layer is one set of parameters; running statistics are none."""
    layer = nn.Linear(3, 2)
    assert count_parameters(nn.Sequential(layer, layer, nn.BatchNorm1d(2))) == (3 * 2 + 2) + 2 * 2


def test_multiply_adds_of_a_convolution_are_its_definition() -> None:
    """Each output element is a sum over kernel and input channels."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16 * 16, 10)
    )
    expected = 8 * 16 * 16 * (3 * 3 * 3) + 8 * 16 * 16 * 10
    assert count_gmacs(network.eval(), 32) * 1e9 == pytest.approx(expected)


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_published_costs_are_reproduced(name: str) -> None:
    """Torchvision states parameters and multiply-adds of its weights (rounded to 10^6)."""
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    network = torchvision.models.get_model(name).eval()
    assert count_parameters(network) == meta["num_params"]
    assert count_gmacs(network, 224) == pytest.approx(meta["_ops"], abs=6e-4)


def test_counting_changes_nothing() -> None:
    """It works inside inference mode and leaves no gradient."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    with torch.inference_mode():
        assert count_gmacs(network, 8) > 0
    assert all(parameter.grad is None for parameter in network.parameters())
