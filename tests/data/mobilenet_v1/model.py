"""MobileNetV1 with batch normalisation folded into the biases and TensorFlow's "SAME" padding.

Howard et al. 2017, https://arxiv.org/abs/1704.04861, table 1. 1001 outputs: output 0 is "background".
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": the smaller half comes first."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = []
        for size in (images.shape[3], images.shape[2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(images, pads))


class Block(nn.Module):
    """A depthwise 3x3 and a pointwise 1x1 convolution, each followed by ReLU6."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = SameConv(num_in, num_in, 3, stride=stride, groups=num_in)
        self.pointwise = nn.Conv2d(num_in, num_out, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, num_in, H, W) to (N, num_out, H', W')."""
        return functional.relu6(self.pointwise(functional.relu6(self.depthwise(images))))


class MobileNetV1(nn.Module):
    """Thirteen separable blocks behind a strided stem."""

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = [int(32 * width), *(int(count * width) for count in _CHANNELS)]
        self.stem = SameConv(3, channels[0], 3, stride=2)
        self.blocks = nn.ModuleList(
            Block(num_in, num_out, stride)
            for num_in, num_out, stride in zip(channels, channels[1:], _STRIDES, strict=False)
        )
        self.classifier = nn.Conv2d(channels[-1], 1001, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W), scaled to -1..1, to logits (N, 1001)."""
        features = functional.relu6(self.stem(images))
        for block in self.blocks:
            features = block(features)
        return self.classifier(features.mean((2, 3), keepdim=True)).flatten(1)


def build_model(width: float) -> nn.Module:
    """The network with channels scaled by `width`."""
    return MobileNetV1(width)
