"""A small network in the manner of AlexNet (Krizhevsky, Sutskever, Hinton 2012), for 64 x 64 images.

Kept: five convolutions, the first of 11 x 11 with a stride of 4; ReLU; overlapping max pooling (3 x 3, stride 2) after
the first, second and fifth; dropout.
Left out: two columns for two GPUs, local response normalisation, and most of the width (0.3 million parameters in
place of 60 million; one hidden layer in place of two).
Weights are drawn as in He et al. 2015 (https://arxiv.org/abs/1502.01852): the paper's took many more epochs to start.
"""

from torch import Tensor, nn


class SmallAlexNet(nn.Module):
    """Images (N, 3, 64, 64) to logits (N, num_classes)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 11, stride=4, padding=5),  # 64 -> 16
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),  # 8
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),  # 4
            nn.Conv2d(64, 96, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 96, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),  # 2
        )
        self.classifier = nn.Sequential(
            nn.Linear(64 * 2 * 2, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self.classifier(self.features(images_NCHW).flatten(1))


def build_model(num_classes: int = 10) -> nn.Module:
    return SmallAlexNet(num_classes)
