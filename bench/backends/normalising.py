"""From uint8 pixels to what a network sees.

Shape letters: N images, H and W pixels, C = 3 colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["normalised"]


def normalised(
    pixels_NHWC: torch.Tensor, mean_C: torch.Tensor, std_C: torch.Tensor, memory_format: torch.memory_format
) -> torch.Tensor:
    """Float32, order "unit": divide by 255, subtract the mean, divide by the standard deviation.

    Whole rows of W x 3 numbers at a time: an inner dimension of three would leave vector units idle.

    Args:
        pixels_NHWC: uint8, 0 to 255.
        mean_C: float32, on the same device.
        std_C: float32, on the same device.
        memory_format: How the answer lies in memory.

    Returns:
        Float32, shape (N, C, H, W).
    """
    import torch

    num_images, height, width, num_colours = pixels_NHWC.shape
    mean, std = mean_C.repeat(width), std_C.repeat(width)
    rows = pixels_NHWC.reshape(num_images * height, width * num_colours).to(torch.float32)
    rows.div_(255).sub_(mean).div_(std)
    inputs_NCHW = rows.view(num_images, height, width, num_colours).permute(0, 3, 1, 2)
    return inputs_NCHW.contiguous(memory_format=memory_format)
