"""Normalised pixels: the same bits as the definition, in the layout that is asked for."""

from __future__ import annotations

import pytest
import torch

from bench.backends.normalising import normalised


@pytest.mark.parametrize("shape", [(3, 33, 29, 3), (1, 1, 1, 3), (0, 8, 8, 3)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_rows_at_a_time_give_the_bits_of_the_definition(
    shape: tuple[int, ...], memory_format: torch.memory_format
) -> None:
    """Divide by 255, subtract the mean, divide by the standard deviation, in float32 and in this order."""
    generator = torch.Generator().manual_seed(0)
    pixels_NHWC = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    mean_C, std_C = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    found_NCHW = normalised(pixels_NHWC, mean_C, std_C, memory_format)

    wanted_NHWC = (pixels_NHWC.to(torch.float32) / 255 - mean_C) / std_C
    assert torch.equal(found_NCHW, wanted_NHWC.permute(0, 3, 1, 2))
    assert found_NCHW.is_contiguous(memory_format=memory_format)
