"""ResNet-50: sixteen bottleneck blocks; the wide layers are 1x1, the 3x3 between them is narrow.

    x ─7x7/2, max 3x3/2─▶ 64@56 ─3 blocks─▶ 256@56 ─4─▶ 512@28 ─6─▶ 1024@14 ─3─▶ 2048@7 ─mean─▶ 2048 ─▶ 1000

Blocks as in `_residual.py`, the stride in the first 1x1 of a stage as in the paper: 25,557,032 parameters and
3,857,973,248 multiply-accumulates (the paper's table 1: 3.8e9; with the stride in the 3x3, as torchvision has it,
4,089,184,256).

Shapes     x_BCHW [n, 3, size, size], size a multiple of 32; logits [n, classes]
Paper      He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, https://arxiv.org/abs/1512.03385
"""

from dataclasses import dataclass

import torch

from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._pictures import made_up
from lamina.models._residual import Bottleneck, ResNet

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 224, 224)
COUNTS = (25_557_032, 3_857_973_248)
PAPER = "He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    size: int = 224  # pixels of a side, a multiple of 32
    blocks: tuple[int, ...] = (3, 4, 6, 3)  # of each stage
    width: int = 64  # maps of the first stage's 3x3, a multiple of 8
    classes: int = 1000


SMALL = Config(size=32, blocks=(1, 1), width=8, classes=10)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((3, config.size, config.size), config.classes, count, generator)


def resnet50(config: Config = Config(), *, seed: int = 0) -> ResNet:
    """He et al. 2016, initial weights from `seed`."""
    model = ResNet(config, Bottleneck)
    initialise_he(model, seed, last="fc")
    return model
