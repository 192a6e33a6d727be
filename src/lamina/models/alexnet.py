"""AlexNet: five convolutions in two towers and three fully connected layers, the network that won ImageNet in 2012.

    x ─conv 11x11/4─▶ 96@55 ─LRN, pool─▶ 96@27 ─conv 5x5─▶ 256@27 ─LRN, pool─▶ 256@13 ─3x3─▶ 384 ─3x3─▶ 384 ─3x3─▶
      256@13 ─pool─▶ 256@6 ─▶ 4096 ─▶ 4096 ─▶ 1000        LRN: y = x / (2 + 1e-4 sum x^2)^0.75, 5 channels

Two towers, one for each graphics card of the time, are two groups: conv2, conv4 and conv5 see the maps of their own
tower only, conv3 and the fully connected layers see both. Pooling overlaps (windows of 3, stride 2); dropout before the
first two fully connected layers. The paper's sizes make 60,965,224 parameters (its text says "60 million"; Caffe's
bvlc_alexnet, which follows it, counts the same) and 724,406,816 multiply-accumulates, on pictures of 227 x 227: from
224, as the paper has it, the first convolution's 55 x 55 places do not come out. The sum of LRN runs over the maps of
both towers, as in the formula.

Shapes     x_BCHW [n, 3, size, size], size >= 67; logits [n, classes]
Paper      Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
           NIPS 2012, https://doi.org/10.1145/3065386
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn.dropout import dropout
from lamina.nn.pooling import overlapping_pool

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 227, 227)
COUNTS = (60_965_224, 724_406_816)  # published: of the two-tower form, Caffe's bvlc_alexnet
PAPER = "Krizhevsky et al., NIPS 2012, https://doi.org/10.1145/3065386"
NEIGHBOURS, ALPHA, BETA, K = 5, 1e-4, 0.75, 2.0  # of LRN, section 3.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    size: int = 227  # pixels of a side, at least 67
    widths: tuple[int, ...] = (96, 256, 384, 384, 256)  # maps of the five convolutions, both towers together
    hidden: int = 4096
    classes: int = 1000
    towers: int = 2
    dropout: float = 0.5  # before the first two fully connected layers


SMALL = Config(size=67, widths=(4, 8, 8, 8, 8), hidden=8, classes=10)


class AlexNet(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        a, b, c, d, e = _widths(config)
        self.config, self.shape = config, (3, config.size, config.size)
        places = config.size
        for window, stride in ((11, 4), (3, 2), (3, 2), (3, 2)):
            places = (places - window) // stride + 1
        self.conv1 = nn.Conv2d(3, a, 11, stride=4)
        self.conv2 = nn.Conv2d(a, b, 5, padding=2, groups=config.towers)
        self.conv3 = nn.Conv2d(b, c, 3, padding=1)
        self.conv4 = nn.Conv2d(c, d, 3, padding=1, groups=config.towers)
        self.conv5 = nn.Conv2d(d, e, 3, padding=1, groups=config.towers)
        self.fc6 = nn.Linear(e * places**2, config.hidden)
        self.fc7 = nn.Linear(config.hidden, config.hidden)
        self.fc8 = nn.Linear(config.hidden, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        h = overlapping_pool(response_norm(torch.relu(self.conv1(x))))
        h = overlapping_pool(response_norm(torch.relu(self.conv2(h))))
        h = torch.relu(self.conv4(torch.relu(self.conv3(h))))
        h = overlapping_pool(torch.relu(self.conv5(h))).flatten(1)
        for layer in (self.fc6, self.fc7):
            h = dropout(h, self.config.dropout, training=self.learning, generator=generator)
            h = torch.relu(layer(h))
        return self.fc8(h)


def response_norm(x: Tensor) -> Tensor:
    """Local response normalisation with the paper's constants; torch takes alpha times the number of neighbours."""
    return F.local_response_norm(x, NEIGHBOURS, alpha=ALPHA * NEIGHBOURS, beta=BETA, k=K)


def _widths(config: Config) -> tuple[int, ...]:
    if config.size < 67:
        raise BadInput(f"pictures of {config.size} x {config.size}: AlexNet's pooling needs a side of at least 67")
    if len(config.widths) != 5 or any(width < 1 or width % config.towers for width in config.widths):
        raise BadInput(f"widths {config.widths}: five numbers of maps that {config.towers} towers divide are needed")
    return config.widths


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((3, config.size, config.size), config.classes, count, generator)


def alexnet(config: Config = Config(), *, seed: int = 0) -> AlexNet:
    """Krizhevsky et al. 2012, initial weights from `seed`."""
    model = AlexNet(config)
    initialise_he(model, seed, last="fc8")
    return model
