"""Residual networks of pictures: blocks that add what they compute to what they got.

    y = relu(F(x) + short(x))        short: x itself where the sizes agree, else a 1x1 convolution with the stride

    basic         F = BN 3x3 relu BN 3x3
    bottleneck    F = BN 1x1 relu BN 3x3 relu BN 1x1, the last four times as wide, the stride in the first (the paper's
                  place; later forms have it in the 3x3, which costs 6 % more products)

Stem 7x7/2 and 3x3/2 maximum, four stages, each of half the places and twice the maps, mean over the places, classifier.

Shapes     x_BCHW [n, 3, size, size], size a multiple of 32; logits [n, classes]
Paper      He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, https://arxiv.org/abs/1512.03385
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._pictures import DrawingClassifier


class Sizes(Protocol):
    """What a configuration has."""

    @property
    def size(self) -> int: ...
    @property
    def blocks(self) -> tuple[int, ...]: ...
    @property
    def width(self) -> int: ...
    @property
    def classes(self) -> int: ...


class Joined(nn.Module):
    """Convolution without a bias, which the batch normalisation behind it has."""

    def __init__(self, c: int, k: int, window: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, k, window, stride, window // 2, bias=False)
        self.norm = nn.BatchNorm2d(k)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Basic(nn.Module):
    wider = 1

    def __init__(self, c: int, width: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = Joined(c, width, 3, stride), Joined(width, width, 3)
        self.short = Joined(c, width, 1, stride) if stride > 1 or c != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.short(x))


class Bottleneck(nn.Module):
    wider = 4

    def __init__(self, c: int, width: int, stride: int) -> None:
        super().__init__()
        self.narrow, self.middle = Joined(c, width, 1, stride), Joined(width, width, 3)
        self.wide = Joined(width, 4 * width, 1)
        self.short = Joined(c, 4 * width, 1, stride) if stride > 1 or c != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.middle(torch.relu(self.narrow(x))))
        return torch.relu(self.wide(h) + self.short(x))


class ResNet(DrawingClassifier):
    def __init__(self, config: Sizes, block: type[Basic] | type[Bottleneck]) -> None:
        super().__init__()
        if config.size < 32 or config.size % 32:
            raise BadInput(f"pictures of {config.size} x {config.size}: the side must be a multiple of 32")
        # torch 2.13 on CPUs, channels last: the gradient of a 1x1 convolution of stride 2 and 4 or 6 channels writes
        # outside its memory
        if config.width < 8 or config.width % 8:
            raise BadInput(f"width {config.width}: the first stage needs a multiple of 8 maps")
        self.config, self.shape = config, (3, config.size, config.size)
        self.stem, self.stages, c = Joined(3, config.width, 7, 2), nn.ModuleList(), config.width
        for stage, depth in enumerate(config.blocks):
            for i in range(depth):
                self.stages.append(block(c, config.width << stage, 2 if stage and i == 0 else 1))
                c = (config.width << stage) * block.wider
        self.fc = nn.Linear(c, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        h = F.max_pool2d(torch.relu(self.stem(x)), 3, stride=2, padding=1)
        for block in self.stages:
            h = block(h)
        return self.fc(h.mean((2, 3)))
