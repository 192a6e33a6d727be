"""ResNet-20: the small residual network of the paper's CIFAR experiments, its short cuts without parameters.

    x ─3x3─▶ 16@32 ─3 blocks─▶ 16@32 ─3─▶ 32@16 ─3─▶ 64@8 ─mean─▶ 64 ─▶ 10

Where a stage halves the places and doubles the maps, the short cut keeps every second place and adds maps of zeros
("option A"). 269,722 parameters (the paper's table 6: 0.27 M), 40,551,040 multiply-accumulates; on 28 x 28 grey pixels
269,434 and 30,821,248.

Shapes     x_BCHW [n, channels, size, size], size >= 4; logits [n, classes]
Paper      He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2,
           https://arxiv.org/abs/1512.03385
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.models._residual import Joined

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 32, 32)
# the stem, three stages of six convolutions (16, 32, 64 maps at 1024, 256, 64 places), the classifier; two numbers of
# normalisation for each of the 16 * 7 + 32 * 6 + 64 * 6 maps
STAGES = (6 * 16 * 144, (16 + 5 * 32) * 288, (32 + 5 * 64) * 576)
COUNTS = (
    432 + sum(STAGES) + 2 * 688 + 650,  # 269,722
    (432 + STAGES[0]) * 1024 + STAGES[1] * 256 + STAGES[2] * 64 + 640,  # 40,551,040
)
PAPER = "He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    channels: int = 3
    size: int = 32  # pixels of a side; 28 for the digits
    width: int = 16  # maps of the first stage
    depth: int = 3  # blocks of each stage; 6 depth + 2 layers in all
    classes: int = 10


SMALL = Config(channels=1, size=12, width=4, depth=1)


class Block(nn.Module):
    """Two 3x3 convolutions beside a short cut without parameters."""

    def __init__(self, c: int, width: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = Joined(c, width, 3, stride), Joined(width, width, 3)
        self.stride, self.more = stride, width - c  # maps of zeros

    def forward(self, x: Tensor) -> Tensor:
        short = x
        if self.stride > 1:
            before = self.more // 2
            short = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.more - before))
        return torch.relu(self.second(torch.relu(self.first(x))) + short)


class ResNet20(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if min(config.channels, config.width, config.depth, config.classes) < 1 or config.size < 4:
            raise BadInput(f"{config}: sizes of at least 1, and pictures of at least 4 x 4, are needed")
        self.config, self.shape = config, (config.channels, config.size, config.size)
        self.stem, self.blocks, c = Joined(config.channels, config.width, 3), nn.ModuleList(), config.width
        for stage in range(3):
            for i in range(config.depth):
                self.blocks.append(Block(c, config.width << stage, 2 if stage and i == 0 else 1))
                c = config.width << stage
        self.fc = nn.Linear(c, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        h = torch.relu(self.stem(x))
        for block in self.blocks:
            h = block(h)
        return self.fc(h.mean((2, 3)))


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((config.channels, config.size, config.size), config.classes, count, generator)


def resnet20(config: Config = Config(), *, seed: int = 0) -> ResNet20:
    """He et al. 2016 for small pictures, initial weights from `seed`."""
    model = ResNet20(config)
    initialise_he(model, seed, last="fc")
    return model
