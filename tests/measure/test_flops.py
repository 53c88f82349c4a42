"""Operations of models against published and independent counts."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from bench.measure.flops import count_flops
from bench.measure.parameters import count_gmacs

GOLDEN = [
    # of torch 2.15.0, torchvision 0.29.2 and timm 1.0.31 on the device "meta": forward, forward and backward
    ("torchvision", "resnet50", 8_178_368_512, 24_299_077_632),
    ("torchvision", "vit_b_16", 35_127_656_448, 105_151_758_336),
    ("torchvision", "swin_t", 8_981_133_312, 26_914_498_560),
    ("timm", "deit_tiny_patch16_224", 2_507_366_400, 7_464_296_448),
]


@pytest.mark.parametrize(("zoo", "name", "forward", "both"), GOLDEN)
def test_operations_of_known_networks(zoo: str, name: str, forward: int, both: int) -> None:
    """Two operations a multiply-add, attention included, also in evaluation."""
    with torch.device("meta"):
        network = (torchvision.models.get_model if zoo == "torchvision" else timm.create_model)(name).eval()

    assert count_flops(network, 224) == forward
    assert count_flops(network, 224, backward=True) == both


def test_attention_with_weights_counts_like_attention_without() -> None:
    """A model on a CPU in evaluation would take the fused path, which the counter does not know."""
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval().requires_grad_(False)

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layer(images.flatten(2).transpose(1, 2)[..., :1].expand(-1, -1, 8))

    tokens = 16
    projections = tokens * 8 * (24 + 8) + 2 * tokens * 8 * 16
    attention = 2 * 2 * tokens * tokens * 4
    assert count_gmacs(Wrapped(), 4) * 1e9 == pytest.approx(projections + attention)


def test_shapes_that_depend_on_the_data_are_counted_on_the_model_itself() -> None:
    """Such a model cannot run without data; it is left as it was."""

    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            num = int((images.sum() == 0).item())  # not possible on meta
            return self.head(images.mean((2, 3)))[:num]

    network = Picky().requires_grad_(False)

    assert count_flops(network, 8) == 2 * 3 * 5
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert torch.backends.mha.get_fastpath_enabled()
