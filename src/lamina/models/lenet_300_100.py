"""LeNet-300-100: two hidden layers on the raw pixels, the multilayer perceptron that pruning papers report.

    x ─flatten─▶ 784 ─fc1, ReLU─▶ 300 ─fc2, ReLU─▶ 100 ─fc3─▶ 10

266,610 parameters, 266,200 multiply-accumulates. It drops the geometry of the picture, which is why a convolutional
network of a quarter of its parameters beats it.

Shapes     x_BCHW [n, 1, 28, 28], pixels in [0, 1]; logits [n, 10]
Paper      LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998,
           https://doi.org/10.1109/5.726791
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from lamina.models._classifier import Classifier
from lamina.models._initial import initialise

ROWS = ("M23", "O6")
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    784 * 300 + 300 + 300 * 100 + 100 + 1000 + 10,  # 266,610: Deep Compression's "267K"
    784 * 300 + 300 * 100 + 1000,  # 266,200
)
PAPER = "LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    hidden: tuple[int, int] = (300, 100)  # units of the two hidden layers


class LeNet300100(Classifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.fc1 = nn.Linear(prod(INPUT_SHAPE), config.hidden[0])
        self.fc2 = nn.Linear(config.hidden[0], config.hidden[1])
        self.fc3 = nn.Linear(config.hidden[1], 10)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        h = torch.relu(self.fc1(x_BCHW.flatten(1)))
        return self.fc3(torch.relu(self.fc2(h)))


def lenet_300_100(config: Config = Config(), *, seed: int = 0) -> LeNet300100:
    """784-300-100-10, initial weights from `seed`."""
    model = LeNet300100(config)
    initialise(model, seed)
    return model
