"""Convolutional net with DropConnect: features that all see, behind them one hidden layer whose connections fall out.

    x ─conv1 5x5, ReLU─▶ 32@24x24 ─max─▶ 32@12x12 ─conv2 5x5, ReLU─▶ 64@8x8 ─max─▶ 64@4x4 = v
    training     h = relu((M o W) v + m o b)                                                      logits = W' h + b'
    inference    h = E[relu(u)], u ~ N(p (W v + b), p (1 - p) (W^2 v^2 + b^2))

The maps, 32 and 64, and the 150 hidden units are those with which the paper reads MNIST: five such nets, their votes
counted, had 0.21 % test error. The paper learns on crops and draws u often; here pictures stay whole and the average of
a ReLU has its closed form (`nn/drop_connect.py`). One mask a batch by default: one an example takes n times the memory.
207,356 parameters are learnt; inference also has the squares of the hidden layer's, which a network stores: 361,106
numbers, 4,046,300 multiply-accumulates.

Shapes     x_BCHW [n, 1, 28, 28], pixels in [0, 1]; logits [n, classes]
Paper      Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013,
           https://proceedings.mlr.press/v28/wan13.html
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn.drop_connect import drop_connect, expected_relu, moments

ROWS = ("M26",)
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    32 * 25 + 32 + 64 * 800 + 64 + 2 * (1024 * 150 + 150) + 1500 + 10,  # 361,106: 207,356 that are learnt, and squares
    32 * 25 * 24 * 24 + 64 * 800 * 8 * 8 + 2 * 1024 * 150 + 1500,  # 4,046,300
)
PAPER = "Wan et al., ICML 2013, https://proceedings.mlr.press/v28/wan13.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    maps: tuple[int, int] = (32, 64)  # of the two convolutions
    hidden: int = 150  # units behind them, whose connections are cut
    classes: int = 10
    share: float = 0.5  # of the connections that are cut, in [0, 1)
    masks: Literal["example", "batch"] = "batch"  # one for the batch, or one for each example, as in the paper


SMALL = Config(maps=(4, 6), hidden=12)


class DropConnectCnn(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if min(*config.maps, config.hidden, config.classes) < 1:
            raise BadInput(f"maps {config.maps}, hidden {config.hidden}, classes {config.classes}: at least 1 of each")
        first, second = config.maps
        self.config, self.shape = config, INPUT_SHAPE[1:]
        self.conv1 = nn.Conv2d(1, first, 5)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.hidden = nn.Linear(second * 4 * 4, config.hidden)
        self.output = nn.Linear(config.hidden, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        # max and ReLU change places: a quarter of the work
        h = torch.relu(F.max_pool2d(self.conv1(x), 2))
        v = torch.relu(F.max_pool2d(self.conv2(h), 2)).flatten(1)
        return self.output(self._hidden(v, generator))

    def _hidden(self, v: Tensor, generator: torch.Generator | None) -> Tensor:
        weight, bias, share = self.hidden.weight, self.hidden.bias, self.config.share
        if self.learning:
            each = self.config.masks == "example"
            return torch.relu(drop_connect(v, weight, bias, share, each_example=each, generator=generator))
        return expected_relu(*moments(v, weight, bias, share))


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up(INPUT_SHAPE[1:], config.classes, count, generator)


def dropconnect_cnn(config: Config = Config(), *, seed: int = 0) -> DropConnectCnn:
    """Wan et al. 2013 behind two convolutions, initial weights from `seed`."""
    model = DropConnectCnn(config)
    initialise(model, seed)
    return model
