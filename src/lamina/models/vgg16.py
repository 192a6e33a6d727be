"""VGG-16: thirteen 3x3 convolutions in five blocks, each block ended by pooling, and three fully connected layers.

    x ─2 conv─▶ 64@224 ─pool, 2 conv─▶ 128@112 ─pool, 3 conv─▶ 256@56 ─pool, 3 conv─▶ 512@28 ─pool, 3 conv─▶ 512@14
      ─pool─▶ 512@7 ─▶ 4096 ─▶ 4096 ─▶ 1000

Configuration D: two 3x3 windows see what one of 5x5 sees, with fewer weights and one ReLU more. 138,357,544 parameters,
nine in ten of them behind the convolutions; 15,470,264,320 multiply-accumulates, 99 in 100 of them within.

Shapes     x_BCHW [n, 3, size, size], size a multiple of 32; logits [n, classes]
Paper      Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
           https://arxiv.org/abs/1409.1556
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn.dropout import dropout
from lamina.nn.pooling import max_pool

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 224, 224)
COUNTS = (138_357_544, 15_470_264_320)  # published: "138 million", table 2
PAPER = "Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556"
DEPTHS = (2, 2, 3, 3, 3)  # convolutions of the five blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    size: int = 224  # pixels of a side, a multiple of 32
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)  # maps of the five blocks
    hidden: int = 4096
    classes: int = 1000
    dropout: float = 0.5  # behind the first two fully connected layers


SMALL = Config(size=32, widths=(3, 4, 4, 6, 6), hidden=8, classes=10)


class Vgg16(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.size < 32 or config.size % 32:
            raise BadInput(f"pictures of {config.size} x {config.size}: the side must be a multiple of 32")
        if len(config.widths) != len(DEPTHS) or min(config.widths) < 1:
            raise BadInput(f"widths {config.widths}: five numbers of maps, at least 1, are needed")
        self.config, self.shape = config, (3, config.size, config.size)
        self.blocks, c = nn.ModuleList(), 3
        for width, depth in zip(config.widths, DEPTHS, strict=True):
            ins = (c, *[width] * (depth - 1))
            self.blocks.append(nn.ModuleList(nn.Conv2d(into, width, 3, padding=1) for into in ins))
            c = width
        self.fc1 = nn.Linear(c * (config.size // 32) ** 2, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.fc3 = nn.Linear(config.hidden, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        for block in self.blocks:
            for conv in block:
                x = torch.relu(conv(x))
            x = max_pool(x)
        h = x.flatten(1)
        for layer in (self.fc1, self.fc2):
            h = torch.relu(layer(h))
            h = dropout(h, self.config.dropout, training=self.learning, generator=generator)
        return self.fc3(h)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((3, config.size, config.size), config.classes, count, generator)


def vgg16(config: Config = Config(), *, seed: int = 0) -> Vgg16:
    """Simonyan and Zisserman's configuration D, initial weights from `seed`."""
    model = Vgg16(config)
    initialise_he(model, seed, last="fc3")
    return model
