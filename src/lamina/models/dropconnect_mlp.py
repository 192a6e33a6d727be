"""Multilayer perceptron with DropConnect: connections of the hidden layers fall out, inference matches Gaussians.

    training     h[i] = relu((M[i] o W[i]) h[i-1] + m[i] o b[i])
    inference    h[i] = E[relu(u)], u ~ N(p (W h + b), p (1 - p) (W^2 h^2 + b^2))        logits = W h + b

The paper draws u a thousand times and averages; of a ReLU that average has a closed form (`nn/drop_connect.py`), which
is what `forward` computes and what is lowered. `sampled` draws as the paper does. `inference="mean"` is the shortcut
that dropout takes, relu of the mean. Every hidden layer drops, the last layer is plain. 784-800-800-10 by default,
as `mlp`: 1,276,810 parameters. Inference has two products per hidden layer, with the weights and with their squares,
which a network stores: 2,545,610 numbers and 2,542,400 multiply-accumulates.

Shapes     x [n, *shape], flattened; logits [n, classes]
Paper      Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013,
           https://proceedings.mlr.press/v28/wan13.html
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import DrawingClassifier, made_up
from lamina.nn.drop_connect import drop_connect, expected_relu, moments, sampled_relu

ROWS = ("M26",)
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    2 * (784 * 800 + 800 + 800 * 800 + 800) + 8000 + 10,  # 2,545,610: 1,276,810 that are learnt, and squares
    2 * (784 * 800 + 800 * 800) + 8000,  # 2,542,400: means and variances
)
PAPER = "Wan et al., ICML 2013, https://proceedings.mlr.press/v28/wan13.html"
REFUSED = {"sampled": "the paper's inference draws from a normal distribution; `main` is its limit of many draws"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    shape: tuple[int, ...] = (1, 28, 28)  # of one example
    hidden: tuple[int, ...] = (800, 800)  # units of the hidden layers
    classes: int = 10
    share: float = 0.5  # of the connections that are cut, in [0, 1)
    masks: Literal["example", "batch"] = "example"  # one for each example, as in the paper, or one for the batch
    inference: Literal["gaussian", "mean"] = "gaussian"


SMALL = Config(shape=(1, 6, 6), hidden=(12, 8))


class DropConnectMlp(DrawingClassifier):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        sizes = (prod(config.shape), *config.hidden, config.classes)
        if min(sizes) < 1:
            raise BadInput(f"an MLP of {'-'.join(map(str, sizes))}: every layer needs a unit")
        self.config, self.shape = config, config.shape
        self.layers = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(sizes)))

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return self._through(x, lambda h, layer: self._hidden(h, layer, generator))

    def sampled(self, x: Tensor, samples: int = 1000, *, generator: torch.Generator | None = None) -> Tensor:
        """Logits by the paper's inference, `samples` draws for each unit of each hidden layer."""

        def hidden(h: Tensor, layer: nn.Linear) -> Tensor:
            mean, variance = moments(h, layer.weight, layer.bias, self.config.share)
            return sampled_relu(mean, variance, samples, generator=generator)

        return self._through(x, hidden)

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        return {**super().entries(), "sampled": (self.sampled, torch.zeros(1, *self.shape))}

    def _through(self, x: Tensor, hidden: Callable[[Tensor, nn.Linear], Tensor]) -> Tensor:
        h = x.flatten(1)
        for layer in self.layers[:-1]:
            h = hidden(h, layer)
        return self.layers[-1](h)

    def _hidden(self, h: Tensor, layer: nn.Linear, generator: torch.Generator | None) -> Tensor:
        share = self.config.share
        if self.learning:
            each = self.config.masks == "example"
            return torch.relu(drop_connect(h, layer.weight, layer.bias, share, each_example=each, generator=generator))
        if self.config.inference == "mean":
            return torch.relu((1 - share) * layer(h))
        return expected_relu(*moments(h, layer.weight, layer.bias, share))


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up(config.shape, config.classes, count, generator)


def dropconnect_mlp(config: Config = Config(), *, seed: int = 0) -> DropConnectMlp:
    """Wan et al. 2013 on fully connected layers, initial weights from `seed`."""
    model = DropConnectMlp(config)
    initialise(model, seed)
    return model
