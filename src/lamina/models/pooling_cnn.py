"""A convolutional network whose pooling is chosen, all else equal: what compares the kinds.

    x ─conv 5x5, ReLU, pool─▶ 32@14x14 ─conv 5x5, ReLU, pool─▶ 64@7x7 ─▶ 128 ─ReLU─▶ classes

max, average, overlapping (windows of 3, stride 2), stochastic, or every second place kept (`stride`). These halve the
map, so parameters and products of the layers are the same whatever is chosen: 454,922 and 11,065,088 on 28 x 28 pixels.
`none` keeps the map: the convolutions have the same weights, the classifier sees 16 times as many inputs. Products
inside of stochastic pooling are no multiply-accumulates of a layer.

Shapes     x_BCHW [n, channels, size, size], size a multiple of 4; logits [n, classes]
Paper      Zeiler and Fergus, "Stochastic Pooling for Regularization of Deep Convolutional Neural Networks", ICLR 2013,
           https://arxiv.org/abs/1301.3557
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn import pooling

ROWS = ("M25",)
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    32 * 25 + 32 + 64 * 800 + 64 + 64 * 49 * 128 + 128 + 1280 + 10,  # 454,922
    800 * 28 * 28 + 51_200 * 14 * 14 + 64 * 49 * 128 + 1280,  # 11,065,088
)
PAPER = "Zeiler and Fergus, ICLR 2013, https://arxiv.org/abs/1301.3557"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    pooling: Literal["max", "average", "overlapping", "stochastic", "stride", "none"] = "max"
    channels: int = 1
    size: int = 28  # pixels of a side, a multiple of 4
    widths: tuple[int, int] = (32, 64)  # maps of the two convolutions
    hidden: int = 128
    classes: int = 10


SMALL = Config(size=12, widths=(3, 4), hidden=8)


class PoolingCnn(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.size < 4 or config.size % 4:
            raise BadInput(f"pictures of {config.size} x {config.size}: the side must be a multiple of 4")
        self.config, self.shape = config, (config.channels, config.size, config.size)
        first, second = config.widths
        self.conv1 = nn.Conv2d(config.channels, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, second, 5, padding=2)
        side = config.size if config.pooling == "none" else config.size // 4
        self.fc1 = nn.Linear(second * side**2, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        h = self._pool(torch.relu(self.conv1(x)), generator)
        h = self._pool(torch.relu(self.conv2(h)), generator)
        return self.fc2(torch.relu(self.fc1(h.flatten(1))))

    def _pool(self, h: Tensor, generator: torch.Generator | None) -> Tensor:
        kind = self.config.pooling
        if kind == "stochastic":
            return pooling.stochastic_pool(h, training=self.learning, generator=generator)
        if kind == "overlapping":
            return pooling.overlapping_pool(h, padding=1)
        if kind == "stride":
            return h[:, :, ::2, ::2]
        if kind == "none":
            return h
        return pooling.max_pool(h) if kind == "max" else pooling.average_pool(h)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((config.channels, config.size, config.size), config.classes, count, generator)


def pooling_cnn(config: Config = Config(), *, seed: int = 0) -> PoolingCnn:
    """Two convolutions with the pooling of `config`, initial weights from `seed`."""
    model = PoolingCnn(config)
    initialise(model, seed)
    return model
