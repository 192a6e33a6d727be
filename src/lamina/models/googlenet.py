"""GoogLeNet: nine inception modules, in each of which a map goes four ways side by side; two helpers while it learns.

    inception(x) = [1x1(x), 3x3(1x1(x)), 5x5(1x1(x)), 1x1(pool(x))]        loss = L + 0.3 (L_4a + L_4d)

A 1x1 convolution before each wide one makes it cheap. Two small classifiers behind modules 4a and 4d bring gradients to
the depth; they add to the loss in training mode alone and are no part of `forward`. Without them, as the Caffe form is
counted at inference, 6,998,552 parameters (the paper's table says 6.8 M) and 1,582,671,872 multiply-accumulates; with
them `parameters()` has 13,378,280.

Shapes     x_BCHW [n, 3, size, size], size a multiple of 16 from 80 on; logits [n, classes]
Paper      Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, https://arxiv.org/abs/1409.4842
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._he import initialise_he
from lamina.models._initial import initialise
from lamina.models._pictures import Drawing, checked_labels, checked_shape, made_up
from lamina.nn.dropout import dropout

ROWS = ("M24",)
INPUT_SHAPE = (1, 3, 224, 224)
COUNTS = (6_998_552, 1_582_671_872)  # at inference, without the auxiliary heads: the Caffe form's count
PAPER = "Szegedy et al., CVPR 2015, https://arxiv.org/abs/1409.4842"
# table 1: 1x1; before 3x3, 3x3; before 5x5, 5x5; behind the pooling
PATHS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
HEADS = ("4a", "4d")
HEAD_WEIGHT, HEAD_MAPS, HEAD_HIDDEN, HEAD_DROPOUT = 0.3, 128, 1024, 0.7  # section 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    size: int = 224  # pixels of a side, a multiple of 16 from 80 on
    narrower: int = 1  # every width is divided by it: 1, 2, 4, 8 or 16
    classes: int = 1000
    dropout: float = 0.4  # before the last layer


SMALL = Config(size=80, narrower=8, classes=10)


class Inception(nn.Module):
    def __init__(self, c: int, one: int, before3: int, three: int, before5: int, five: int, pooled: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(c, one, 1)
        self.before3, self.three = nn.Conv2d(c, before3, 1), nn.Conv2d(before3, three, 3, padding=1)
        self.before5, self.five = nn.Conv2d(c, before5, 1), nn.Conv2d(before5, five, 5, padding=2)
        self.pooled = nn.Conv2d(c, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.three(torch.relu(self.before3(x)))
        five = self.five(torch.relu(self.before5(x)))
        pooled = self.pooled(F.max_pool2d(x, 3, stride=1, padding=1))
        return torch.relu(torch.cat([self.one(x), three, five, pooled], dim=1))


class Head(nn.Module):
    """An auxiliary classifier: average of 5 x 5 windows, 1x1 convolution, two fully connected layers."""

    def __init__(self, c: int, side: int, maps: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, maps, 1)
        self.fc1 = nn.Linear(maps * ((side - 5) // 3 + 1) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor, training: bool, generator: torch.Generator | None) -> Tensor:
        h = torch.relu(self.conv(F.avg_pool2d(x, 5, stride=3))).flatten(1)
        h = dropout(torch.relu(self.fc1(h)), HEAD_DROPOUT, training=training, generator=generator)
        return self.fc2(h)


class GoogLeNet(Drawing):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.size < 80 or config.size % 16:
            raise BadInput(f"pictures of {config.size} x {config.size}: a multiple of 16 from 80 on is needed")
        if config.narrower not in (1, 2, 4, 8, 16):
            raise BadInput(f"narrower={config.narrower}: 1, 2, 4, 8 or 16 divides every width")
        self.config, self.shape, less = config, (3, config.size, config.size), config.narrower
        self.conv1 = nn.Conv2d(3, 64 // less, 7, stride=2, padding=3)
        self.reduce = nn.Conv2d(64 // less, 64 // less, 1)
        self.conv2 = nn.Conv2d(64 // less, 192 // less, 3, padding=1)
        self.inception, self.heads, c = nn.ModuleDict(), nn.ModuleDict(), 192 // less
        for name, path in PATHS.items():
            widths = [width // less for width in path]
            self.inception[name] = Inception(c, *widths)
            c = widths[0] + widths[2] + widths[4] + widths[5]
            if name in HEADS:
                sizes = (HEAD_MAPS // less, HEAD_HIDDEN // less)
                self.heads[name] = Head(c, config.size // 16, *sizes, config.classes)
        self.fc = nn.Linear(c, config.classes)

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return self._run(x, generator)[0]

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy, mean over the batch, in nats; in training mode with 0.3 of each auxiliary head's."""
        checked_shape(batch["x"], self.shape)
        checked_labels(batch["y"], self.config.classes)
        logits, seen = self._run(batch["x"], generator)
        loss = F.cross_entropy(logits, batch["y"])
        if not self.training:
            return loss
        for name, head in self.heads.items():
            loss = loss + HEAD_WEIGHT * F.cross_entropy(head(seen[name], True, generator), batch["y"])
        return loss

    def _run(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and the maps that the heads see."""
        h = F.max_pool2d(torch.relu(self.conv1(x)), 3, stride=2, ceil_mode=True)
        h = F.local_response_norm(h, 5)
        h = F.local_response_norm(torch.relu(self.conv2(torch.relu(self.reduce(h)))), 5)
        h = F.max_pool2d(h, 3, stride=2, ceil_mode=True)
        seen = {}
        for name, module in self.inception.items():
            if name in ("4a", "5a"):
                h = F.max_pool2d(h, 3, stride=2, ceil_mode=True)
            h = module(h)
            if name in HEADS:
                seen[name] = h
        h = dropout(h.mean((2, 3)), self.config.dropout, training=self.learning, generator=generator)
        return self.fc(h), seen


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((3, config.size, config.size), config.classes, count, generator)


def googlenet(config: Config = Config(), *, seed: int = 0) -> GoogLeNet:
    """Szegedy et al. 2015, initial weights from `seed`."""
    model = GoogLeNet(config)
    initialise_he(model, seed, last="fc")
    for module in model.modules():  # as Caffe's form starts: a path of few maps is not dead from the first step on
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.bias, 0.2)
    for head in model.heads.values():
        initialise(head.fc2, seed)
    return model
