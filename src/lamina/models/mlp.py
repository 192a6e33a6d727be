"""Multilayer perceptron: any number of hidden layers, of any sizes, trained by back-propagation.

    h[0] = x        h[i] = f(W[i] h[i-1] + b[i]), each unit dropped by chance        logits = W h + b

One hidden layer solves XOR, and with enough units comes near any continuous function (Cybenko 1989). It sees a picture
as a list: with the pixels shuffled it learns as well. 784-800-800-10 by default, the size in which Wan et al. compare
dropout with DropConnect: 1,276,810 parameters, 1,275,200 multiply-accumulates.

Shapes     x [n, *shape], flattened; logits [n, classes]
Paper      Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986,
           https://doi.org/10.1038/323533a0
"""

import itertools
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn.dropout import dropout

ROWS = ("M22", "M23", "M26")
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    784 * 800 + 800 + 800 * 800 + 800 + 8000 + 10,  # 1,276,810
    784 * 800 + 800 * 800 + 8000,  # 1,275,200
)
PAPER = "Rumelhart et al., Nature 323, 1986, https://doi.org/10.1038/323533a0"
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    shape: tuple[int, ...] = (1, 28, 28)  # of one example
    hidden: tuple[int, ...] = (800, 800)  # units of the hidden layers
    classes: int = 10
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    dropout: float = 0.0  # share of the hidden units, in [0, 1)
    input_dropout: float = 0.0  # share of the inputs, in [0, 1)


SMALL = Config(shape=(1, 6, 6), hidden=(12, 8))


class Mlp(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        sizes = (prod(config.shape), *config.hidden, config.classes)
        if min(sizes) < 1:
            raise BadInput(f"an MLP of {'-'.join(map(str, sizes))}: every layer needs a unit")
        self.config, self.shape = config, config.shape
        self.layers = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(sizes)))

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        config = self.config
        h = dropout(x.flatten(1), config.input_dropout, training=self.learning, generator=generator)
        for layer in self.layers[:-1]:
            h = ACTIVATIONS[config.activation](layer(h))
            h = dropout(h, config.dropout, training=self.learning, generator=generator)
        return self.layers[-1](h)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up(config.shape, config.classes, count, generator)


def mlp(config: Config = Config(), *, seed: int = 0) -> Mlp:
    """Layers of `config.hidden` units, initial weights from `seed`."""
    model = Mlp(config)
    initialise(model, seed)
    return model
