"""LeNet-5, the convolutional network that read digits in banks.

    x ─conv1 5x5─▶ 6@28x28 ─pool─▶ 6@14x14 ─conv2 5x5─▶ 16@10x10 ─pool─▶ 16@5x5 ─▶ 120 ─▶ 84 ─▶ 10

The published sizes on 28 x 28 pixels padded by 2; every map of the second convolution sees all six of the first (the
paper connects them by a table), pooling has no coefficients and the output is a plain layer: 61,706 parameters, 416,520
multiply-accumulates. The paper averages and squashes (`pooling="average"`, `activation="tanh"`); today people mean the
default.

Shapes     x_BCHW [n, 1, 28, 28], pixels in [0, 1]; logits [n, 10]
Paper      LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998,
           https://doi.org/10.1109/5.726791
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.models._classifier import Classifier
from lamina.models._initial import initialise

ROWS = ("A2", "M24")
INPUT_SHAPE = (1, 1, 28, 28)
# parameters, multiply-accumulates: k c r s weights and k biases, the weights used at p q places
COUNTS = (
    6 * 25 + 6 + 16 * 6 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 840 + 10,  # 61,706
    6 * 25 * 28 * 28 + 16 * 150 * 10 * 10 + 400 * 120 + 120 * 84 + 840,  # 416,520
)
PAPER = "LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    activation: Literal["relu", "tanh"] = "relu"
    pooling: Literal["max", "average"] = "max"


class LeNet5(Classifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        activate = torch.relu if self.config.activation == "relu" else torch.tanh
        pool = F.max_pool2d if self.config.pooling == "max" else F.avg_pool2d
        h = pool(activate(self.conv1(x_BCHW)), 2)
        h = pool(activate(self.conv2(h)), 2).flatten(1)
        return self.fc3(activate(self.fc2(activate(self.fc1(h)))))


def lenet5(config: Config = Config(), *, seed: int = 0) -> LeNet5:
    """LeCun et al. 1998, initial weights from `seed`."""
    model = LeNet5(config)
    initialise(model, seed)
    return model
