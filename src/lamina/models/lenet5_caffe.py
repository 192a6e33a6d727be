"""LeNet-5 as Caffe's examples have it, and as Deep Compression reports it: 20-50-500-10.

    x ─conv1 5x5─▶ 20@24x24 ─max─▶ 20@12x12 ─conv2 5x5─▶ 50@8x8 ─max─▶ 50@4x4 ─fc1─▶ 500 ─ReLU─▶ 10

No padding, no activation behind the convolutions but the pooling: the one ReLU follows the first fully connected layer.
431,080 parameters, of which 400,500 are in that layer; 2,293,000 multiply-accumulates.

Shapes     x_BCHW [n, 1, 28, 28], pixels in [0, 1]; logits [n, 10]
Paper      Jia et al., "Caffe", 2014, https://arxiv.org/abs/1408.5093 (examples/mnist); used by Han et al., "Deep
           Compression", ICLR 2016, https://arxiv.org/abs/1510.00149
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.models._classifier import Classifier
from lamina.models._initial import initialise

ROWS = ("M24", "O6")
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    20 * 25 + 20 + 50 * 500 + 50 + 800 * 500 + 500 + 5000 + 10,  # 431,080: Deep Compression's "431K"
    500 * 24 * 24 + 25_000 * 8 * 8 + 800 * 500 + 5000,  # 2,293,000
)
PAPER = "Jia et al., 2014, https://arxiv.org/abs/1408.5093"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    hidden: int = 500  # units of the first fully connected layer


class LeNet5Caffe(Classifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * 4 * 4, config.hidden)
        self.fc2 = nn.Linear(config.hidden, 10)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        h = F.max_pool2d(self.conv1(x_BCHW), 2)
        h = F.max_pool2d(self.conv2(h), 2).flatten(1)
        return self.fc2(torch.relu(self.fc1(h)))


def lenet5_caffe(config: Config = Config(), *, seed: int = 0) -> LeNet5Caffe:
    """Caffe's LeNet, initial weights from `seed`."""
    model = LeNet5Caffe(config)
    initialise(model, seed)
    return model
