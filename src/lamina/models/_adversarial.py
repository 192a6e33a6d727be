"""What adversarial pairs share: the two losses, latent vectors, a multilayer perceptron, and who steps when.

    discriminator   -log D(x) - log(1 - D(G(z)))          D = sigmoid of the discriminator's one output
    generator       -log D(G(z))                          non-saturating: a gradient also where D is sure

The generator descends -log D, not log(1 - D), whose slope is nothing where the discriminator wins (Goodfellow et al.,
section 3). Both are means over the batch, in nats: at D = 1/2 everywhere 2 log 2 and log 2.

Shapes    z_BZ [n, latent], x [n, *shape]; judged [n, 1]
Errors    `BadInput` for real examples of another shape, and for fewer than one sample
Paper     Goodfellow et al., "Generative Adversarial Nets", NIPS 2014, https://arxiv.org/abs/1406.2661
"""

import itertools
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._pictures import checked_shape

Players = dict[str, tuple[Callable[..., Tensor], Iterator[nn.Parameter], int]]


def discriminator_loss(real_B1: Tensor, fake_B1: Tensor) -> Tensor:
    """Cross-entropy of telling real from made, both halves added, mean over the batch."""
    return F.softplus(-real_B1).mean() + F.softplus(fake_B1).mean()


def generator_loss(fake_B1: Tensor) -> Tensor:
    """Cross-entropy of passing for real, mean over the batch."""
    return F.softplus(-fake_B1).mean()


def latent(count: int, size: int, generator: torch.Generator | None) -> Tensor:
    """`count` standard normal vectors; raises `BadInput` for fewer than one."""
    if count < 1:
        raise BadInput(f"{count} samples: at least 1 is needed")
    return torch.randn(count, size, generator=generator)


def frozen(module: nn.Module, *inputs: Tensor) -> Tensor:
    """`module` on `inputs`, its weights taken for constants: half the work of a step that trains the other player."""
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    judged: Tensor = functional_call(module, weights, inputs)
    return judged


class Perceptron(nn.Module):
    """x [n, *shape of inputs] to [n, *outputs] through hidden layers, each with `activation` behind it."""

    def __init__(
        self,
        inputs: tuple[int, ...],
        hidden: tuple[int, ...],
        outputs: tuple[int, ...],
        *,
        activation: Callable[[Tensor], Tensor],
        last: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        sizes = (prod(inputs), *hidden, prod(outputs))
        if min(sizes) < 1:
            raise BadInput(f"a network of {'-'.join(map(str, sizes))}: every layer needs a unit")
        self.inputs, self.outputs, self.activation, self.last = inputs, outputs, activation, last
        self.layers = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(sizes)))

    def forward(self, x: Tensor) -> Tensor:
        checked_shape(x, self.inputs)
        h = x.flatten(1)
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        h = self.layers[-1](h).unflatten(1, self.outputs)
        return h if self.last is None else self.last(h)


def leaky(x: Tensor) -> Tensor:
    """ReLU that leaves a fifth below zero, so that the generator has a gradient from every unit it is judged by."""
    return F.leaky_relu(x, 0.2)


class Pair(nn.Module):
    """A pair with the losses above, stepping in turn; a subclass sets `config.latent`, `shape` and the two nets."""

    config: Any
    shape: tuple[int, ...]
    generator_net: nn.Module
    discriminator: nn.Module

    def sample(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """`count` made examples [count, *shape]."""
        made: Tensor = self.generator_net(latent(count, self.config.latent, generator))
        return made

    def judge(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The discriminator's loss on a batch and as many made examples."""
        checked_shape(batch["x"], self.shape)
        with torch.no_grad():
            made = self.sample(len(batch["x"]), generator=generator)
        return discriminator_loss(self.discriminator(batch["x"]), self.discriminator(made))

    def deceive(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The generator's loss, on as many made examples as the batch has."""
        return generator_loss(frozen(self.discriminator, self.sample(len(batch["x"]), generator=generator)))

    def players(self) -> Players:
        return {
            "discriminator": (self.judge, self.discriminator.parameters(), 1),
            "generator_net": (self.deceive, self.generator_net.parameters(), 1),
        }

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums: `loss` of the discriminator against one fixed draw, in nats, and `count`."""
        count = len(batch["x"])
        with torch.no_grad():
            found = self.judge(batch, generator=torch.Generator().manual_seed(0))
        return {"loss": float(found) * count, "count": count}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Each player alone, on one made-up input."""
        drawn = torch.Generator().manual_seed(0)
        return {
            "generator_net": (self.generator_net, torch.randn(1, self.config.latent, generator=drawn)),
            "discriminator": (self.discriminator, torch.rand(1, *self.shape, generator=drawn)),
        }
