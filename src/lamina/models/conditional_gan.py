"""Conditional GAN: an adversarial pair that both know the class, so that a picture of it can be ordered.

    (z, y) ──generator_net──▶ x̃                (x, y) or (x̃, y) ──discriminator──▶ real, and of class y?

A picture that is real but of another class than told is as wrong as a made one, for no real example is like that; so
the generator has to heed y. Each player has a table of its own, one row a class, set beside its input; both are
perceptrons, as in the paper, whose discriminator has maxout units.

Shapes     z_BZ [n, latent], y [n] int64 in 0..classes-1, x [n, *shape]; the discriminator gives one logit [n, 1]
Paper      Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014, https://arxiv.org/abs/1411.1784
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.models._adversarial import Perceptron, Players, discriminator_loss, frozen, generator_loss, latent, leaky
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import checked_labels, checked_shape, made_up

ROWS = ("M40",)
INPUT_SHAPE = (1, 64)
COUNTS = (
    10 * 16 + 80 * 256 + 256 + 256 * 256 + 256 + 256 * 784 + 784,  # 288,176 of the generator, with its table
    80 * 256 + 256 * 256 + 256 * 784,  # 286,720; looking up a row multiplies nothing
)
PAPER = "Mirza and Osindero, 2014, https://arxiv.org/abs/1411.1784"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    shape: tuple[int, ...] = (1, 28, 28)  # of one picture
    classes: int = 10
    latent: int = 64
    embedding: int = 16  # numbers that stand for a class
    hidden: tuple[int, ...] = (256, 256)  # units of the hidden layers, of both players


SMALL = Config(shape=(1, 4, 4), latent=3, embedding=2, hidden=(8, 6))


class Told(nn.Module):
    """A perceptron whose input is set beside the row of a class."""

    def __init__(self, config: Config, inputs: tuple[int, ...], outputs: tuple[int, ...], **settings: Any) -> None:
        super().__init__()
        self.inputs = inputs
        self.table = nn.Embedding(config.classes, config.embedding)
        self.net = Perceptron((prod(inputs) + config.embedding,), config.hidden, outputs, **settings)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        checked_shape(x, self.inputs)
        made: Tensor = self.net(torch.cat([x.flatten(1), self.table(y)], dim=1))
        return made


class ConditionalGan(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.generator_net = Told(config, (config.latent,), config.shape, activation=torch.relu, last=torch.sigmoid)
        self.discriminator = Told(config, config.shape, (1,), activation=leaky)

    def sample(self, y: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One made picture for each class in y [n], [n, *shape]; raises `BadInput` for labels that are no classes."""
        checked_labels(y, self.config.classes)
        made: Tensor = self.generator_net(latent(len(y), self.config.latent, generator), y)
        return made

    def judge(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The discriminator's loss on a batch and as many made pictures of the same classes."""
        x, y = batch["x"], batch["y"]
        checked_shape(x, self.config.shape)
        if y.shape != x.shape[:1]:
            raise BadInput(f"{len(x)} pictures with labels {list(y.shape)}: one label a picture is needed")
        with torch.no_grad():
            made = self.sample(y, generator=generator)
        return discriminator_loss(self.discriminator(x, y), self.discriminator(made, y))

    def deceive(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The generator's loss on pictures of the batch's classes."""
        y = batch["y"]
        return generator_loss(frozen(self.discriminator, self.sample(y, generator=generator), y))

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
        """Each player alone, on one made-up input and class 1."""
        drawn, y = torch.Generator().manual_seed(0), torch.tensor([1])
        return {
            "generator_net": (self.generator_net, (torch.randn(1, self.config.latent, generator=drawn), y)),
            "discriminator": (self.discriminator, (torch.rand(1, *self.config.shape, generator=drawn), y)),
        }


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up(config.shape, config.classes, count, generator)


def conditional_gan(config: Config = Config(), *, seed: int = 0) -> ConditionalGan:
    """Mirza and Osindero 2014; initial weights from `seed`, tables from N(0, 1)."""
    model = ConditionalGan(config)
    initialise(model, seed)
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            generator = torch.Generator().manual_seed(derive(seed, "initial", name))
            with torch.no_grad():
                module.weight.normal_(generator=generator)
    return model
