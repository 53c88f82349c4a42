"""What a model costs by its definition alone: parameters and multiply-adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["count_gmacs", "count_parameters"]


def count_parameters(module: torch.nn.Module) -> int:
    """How many parameters a model has, shared ones counted once; buffers are not parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_gmacs(module: torch.nn.Module, img_size: int) -> float:
    """Multiply-adds of one forward pass at batch 1, in units of 10^9.

    Counted by `torch.utils.flop_counter`, which knows convolutions, matrix products and attention and counts two
    operations a multiply-add; all else (normalisation, activation, pooling) counts nothing, as in published tables.

    Args:
        module: A model in evaluation mode on any device.
        img_size: Side of the square input, in pixels.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    parameter = next(module.parameters(), torch.zeros(1))
    images_NCHW = torch.zeros(1, 3, img_size, img_size, device=parameter.device, dtype=parameter.dtype)
    with torch.inference_mode(False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(images_NCHW)
    return float(counter.get_total_flops()) / 2e9
