"""WGAN-GP: the discriminator measures a distance, kept honest by a penalty on its slope.

    discriminator   D(x̃) - D(x) + λ (|∇D(x̂)| - 1)²,   x̂ = ε x + (1 - ε) x̃,  ε ~ U[0, 1]        (n_critic steps)
    generator       -D(G(z))                                                                    (one step)

Over all D of slope at most 1, the largest D(x) - D(x̃) is the Wasserstein-1 distance between data and made examples,
which has a slope even where the two do not overlap (Kantorovich, Rubinstein). The penalty is differentiated through:
the gradient of a gradient. No batch norm, for the penalty is of each example alone. Defaults are the paper's points of
the plane: 2-512-512-512-2, ReLU; `shape` and `output` make pictures of them.

Shapes     z_BZ [n, latent], x [n, *shape]; the discriminator (critic) gives one number [n, 1]
Paper      Gulrajani et al., "Improved Training of Wasserstein GANs", NIPS 2017, https://arxiv.org/abs/1704.00028
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._adversarial import Perceptron, Players, frozen, latent
from lamina.models._classifier import Batch
from lamina.models._initial import initialise
from lamina.models._pictures import checked_shape

ROWS = ("M40",)
INPUT_SHAPE = (1, 2)
COUNTS = (
    2 * 512 + 512 + 2 * (512 * 512 + 512) + 512 * 2 + 2,  # 527,874 of the generator
    2 * 512 + 2 * 512 * 512 + 512 * 2,  # 526,336
)
# a constant added to every judgement changes neither loss: D(x̃) - D(x) and the slope do not see it
IDLE = ("discriminator.layers.3.bias",)
PAPER = "Gulrajani et al., NIPS 2017, https://arxiv.org/abs/1704.00028"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    shape: tuple[int, ...] = (2,)  # of one example
    latent: int = 2
    hidden: tuple[int, ...] = (512, 512, 512)  # units of the hidden layers, of both players
    output: Literal["linear", "sigmoid"] = "linear"  # of the generator: points anywhere, pixels in [0, 1]
    penalty: float = 10.0  # λ, above 0
    n_critic: int = 5  # steps of the discriminator for one of the generator


SMALL = Config(hidden=(12, 12, 12))


class WganGp(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if not config.penalty > 0 or config.n_critic < 1:
            raise BadInput(
                f"penalty {config.penalty} and n_critic {config.n_critic}: above 0, and 1 or more, are needed"
            )
        self.config = config
        last = torch.sigmoid if config.output == "sigmoid" else None
        self.generator_net = Perceptron((config.latent,), config.hidden, config.shape, activation=torch.relu, last=last)
        self.discriminator = Perceptron(config.shape, config.hidden, (1,), activation=torch.relu)

    def sample(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """`count` made examples [count, *shape]."""
        made: Tensor = self.generator_net(latent(count, self.config.latent, generator))
        return made

    def judge(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Minus the distance that the discriminator finds, and the penalty; mean over the batch."""
        real = batch["x"]
        checked_shape(real, self.config.shape)
        with torch.no_grad():
            made = self.sample(len(real), generator=generator)
        share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator)
        between = share * real + (1 - share) * made
        penalty = gradient_penalty(self.discriminator, between)
        return self.discriminator(made).mean() - self.discriminator(real).mean() + self.config.penalty * penalty

    def deceive(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Minus the mean judgement of as many made examples as the batch has."""
        return -frozen(self.discriminator, self.sample(len(batch["x"]), generator=generator)).mean()

    def players(self) -> Players:
        return {
            "discriminator": (self.judge, self.discriminator.parameters(), self.config.n_critic),
            "generator_net": (self.deceive, self.generator_net.parameters(), 1),
        }

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums: `loss`, the distance that the discriminator finds against one fixed draw, and `count`."""
        real = batch["x"]
        checked_shape(real, self.config.shape)
        with torch.no_grad():
            made = self.sample(len(real), generator=torch.Generator().manual_seed(0))
            found = (self.discriminator(real) - self.discriminator(made)).sum()
        return {"loss": float(found), "count": len(real)}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Each player alone, on one made-up input."""
        drawn = torch.Generator().manual_seed(0)
        return {
            "generator_net": (self.generator_net, torch.randn(1, self.config.latent, generator=drawn)),
            "discriminator": (self.discriminator, torch.rand(1, *self.config.shape, generator=drawn)),
        }


def gradient_penalty(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """(|∇judge(x)| - 1)², mean over the examples of x [n, ...]; itself differentiable by the weights of `judge`."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return {"x": 2 * torch.randn(count, *config.shape, generator=generator)}


def wgan_gp(config: Config = Config(), *, seed: int = 0) -> WganGp:
    """Gulrajani et al. 2017 on points, initial weights from `seed`."""
    model = WganGp(config)
    initialise(model, seed)
    return model
