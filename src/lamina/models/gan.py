"""Generative adversarial net: one network makes examples, another learns to tell them from real ones.

    z ~ N(0, I) ──generator_net──▶ x̃          x or x̃ ──discriminator──▶ real or made?

Each trains against the other as it is. With a perfect discriminator the generator would descend twice the
Jensen-Shannon divergence to the data less log 4; what it does in fact may leave modes out (`recipes/gan_mixture`
counts them). Both are multilayer perceptrons: 64-256-256-784 by default, for pictures of 28 x 28 in [0, 1]; with
`shape` (2,) and `output` "linear" the same pair makes points of the plane. The paper's discriminator has maxout units
and dropout, this one leaky ReLU.

Shapes     z_BZ [n, latent], x [n, *shape]; the discriminator gives one logit [n, 1]
Paper      Goodfellow et al., "Generative Adversarial Nets", NIPS 2014, https://arxiv.org/abs/1406.2661
"""

from dataclasses import dataclass
from typing import Literal

import torch

from lamina.models._adversarial import Pair, Perceptron, leaky
from lamina.models._classifier import Batch
from lamina.models._initial import initialise

ROWS = ("M40",)
INPUT_SHAPE = (1, 64)
COUNTS = (
    64 * 256 + 256 + 256 * 256 + 256 + 256 * 784 + 784,  # 283,920 of the generator
    64 * 256 + 256 * 256 + 256 * 784,  # 282,624
)
PAPER = "Goodfellow et al., NIPS 2014, https://arxiv.org/abs/1406.2661"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    shape: tuple[int, ...] = (1, 28, 28)  # of one example; (2,): points of the plane
    latent: int = 64
    hidden: tuple[int, ...] = (256, 256)  # units of the hidden layers, of both players
    output: Literal["sigmoid", "linear"] = "sigmoid"  # of the generator: pixels lie in [0, 1], points anywhere


SMALL = Config(shape=(1, 4, 4), latent=3, hidden=(8, 6))


class Gan(Pair):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config, self.shape = config, config.shape
        last = torch.sigmoid if config.output == "sigmoid" else None
        self.generator_net = Perceptron((config.latent,), config.hidden, config.shape, activation=torch.relu, last=last)
        self.discriminator = Perceptron(config.shape, config.hidden, (1,), activation=leaky)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return {"x": torch.rand(count, *config.shape, generator=generator)}


def gan(config: Config = Config(), *, seed: int = 0) -> Gan:
    """Two perceptrons against each other, initial weights from `seed`."""
    model = Gan(config)
    initialise(model, seed)
    return model
