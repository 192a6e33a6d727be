"""ResNet-18: eight basic residual blocks, so that eighteen layers learn as easily as a few.

    x ─7x7/2, max 3x3/2─▶ 64@56 ─2 blocks─▶ 64@56 ─2─▶ 128@28 ─2─▶ 256@14 ─2─▶ 512@7 ─mean─▶ 512 ─▶ 1000

A block adds what it computes to what it got (`_residual.py`). 11,689,512 parameters, 1,814,073,344 multiply-accumulates
(the paper's table 1: 1.8e9).

Shapes     x_BCHW [n, 3, size, size], size a multiple of 32; logits [n, classes]
Paper      He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, https://arxiv.org/abs/1512.03385
"""

from dataclasses import dataclass

import torch

from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._pictures import made_up
from lamina.models._residual import Basic, ResNet

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 224, 224)
COUNTS = (11_689_512, 1_814_073_344)
PAPER = "He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    size: int = 224  # pixels of a side, a multiple of 32
    blocks: tuple[int, ...] = (2, 2, 2, 2)  # of each stage
    width: int = 64  # maps of the first stage, a multiple of 8
    classes: int = 1000


SMALL = Config(size=32, blocks=(1, 1), width=8, classes=10)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((3, config.size, config.size), config.classes, count, generator)


def resnet18(config: Config = Config(), *, seed: int = 0) -> ResNet:
    """He et al. 2016, initial weights from `seed`."""
    model = ResNet(config, Basic)
    initialise_he(model, seed, last="fc")
    return model
