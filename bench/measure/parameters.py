"""What a model costs by its definition alone: parameters and multiply-adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure.flops import count_flops

if TYPE_CHECKING:
    import torch

__all__ = ["count_gmacs", "count_parameters", "weights_digest"]


def count_parameters(module: torch.nn.Module) -> int:
    """How many parameters a model has, shared ones counted once; buffers are not parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_gmacs(module: torch.nn.Module, img_size: int) -> float:
    """Multiply-adds of one forward pass at batch 1, in units of 10^9.

    Half of what `count_flops` counts, which says how; normalisation, activation and pooling count nothing.

    Args:
        module: A model in evaluation mode on any device.
        img_size: Side of the square input, in pixels.
    """
    return count_flops(module, img_size) / 2e9


def weights_digest(module: torch.nn.Module) -> str:
    """A digest of the names and bytes of a model's parameters and persistent buffers, 32 hex digits.

    Buffers that no checkpoint holds are left out: honest models fill some of them when they are first called.
    """
    import torch
    from xxhash import xxh3_128

    found = xxh3_128()
    for name, tensor in module.state_dict().items():
        found.update(name.encode())
        if isinstance(tensor, torch.Tensor):
            host = tensor.detach().to("cpu").contiguous().reshape(-1)
            found.update(host.view(torch.uint8).numpy().data)
    return found.hexdigest()
