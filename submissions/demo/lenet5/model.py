"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, section II.B), fitted to 64 x 64 colour images.

What differs from the paper:
  - The paper's input is one grey plane of 32 x 32. Here the image is averaged over 2 x 2 pixels first, from 64 to 32,
    and the first layer takes three planes.
  - C3 sees all six maps of S2; the paper leaves some connections out to save work (table I).
  - Subsampling is a plain average, without the paper's trainable coefficient and bias per map.
  - Weights are drawn as in Glorot, Bengio 2010, which, like the paper's rule, keeps tanh out of its flat parts.
  - The last layer is linear with cross-entropy, in place of radial basis functions.
"""

from torch import Tensor, nn


class LeNet5(nn.Module):
    """Images (N, 3, 64, 64) to logits (N, num_classes); the layers carry the paper's names."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.input = nn.AvgPool2d(2)  # 64 -> 32
        self.c1 = nn.Conv2d(3, 6, 5)  # 28
        self.s2 = nn.AvgPool2d(2)  # 14
        self.c3 = nn.Conv2d(6, 16, 5)  # 10
        self.s4 = nn.AvgPool2d(2)  # 5
        self.c5 = nn.Conv2d(16, 120, 5)  # 1
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=nn.init.calculate_gain("tanh"))
                nn.init.zeros_(module.bias)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        x = self.s2(self.c1(self.input(images_NCHW)).tanh())
        x = self.s4(self.c3(x).tanh())
        x = self.c5(x).tanh().flatten(1)
        return self.output(self.f6(x).tanh())


def build_model(num_classes: int = 10) -> nn.Module:
    return LeNet5(num_classes)
