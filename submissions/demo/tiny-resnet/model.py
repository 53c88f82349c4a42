"""A tiny residual network (He, Zhang, Ren, Sun 2015), for 64 x 64 images.

The three stages and the parameter-free shortcuts are those of the paper's CIFAR-10 networks (section 4.2, option A),
with one block a stage; the stem has a stride of 2, because these images have twice the side.
"""

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut; where the stride is 2 the shortcut drops pixels and adds empty channels."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.num_new_channels = channels - in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, (N, channels, H / stride, W / stride)."""
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.num_new_channels))
        x = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(x)) + shortcut).relu()


class TinyResNet(nn.Module):
    """Images (N, 3, 64, 64) to logits (N, num_classes)."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),  # 64 -> 32
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(
            BasicBlock(width, width, stride=1),  # 32
            BasicBlock(width, 2 * width, stride=2),  # 16
            BasicBlock(2 * width, 4 * width, stride=2),  # 8
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self.head(self.stages(self.stem(images_NCHW)).mean(dim=(2, 3)))


def build_model(num_classes: int = 10, width: int = 16) -> nn.Module:
    return TinyResNet(num_classes, width)
