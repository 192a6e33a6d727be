"""Mixtures of Gaussians in the plane, and how many of their modes a generator covers.

    ring    8 centres on a circle of radius 2, deviation 0.02         grid    5 x 5 centres 2 apart, deviation 0.05

A sample is good within 3 deviations of its nearest centre (true samples are: 1 - exp(-9/2) = 98.9 %); a mode is covered
by one good sample or more. Divergence is KL(q || uniform), q the shares of all samples by nearest centre: 0 for equal
shares, log of the number of modes where all lie in one. Of n true samples it is (modes - 1) / 2n on average, and not 0.

Shapes    centres [modes, 2], samples [n, 2]
Errors    `BadInput` for samples of another shape, none at all, or not finite
Papers    ring: Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, https://arxiv.org/abs/1611.02163;
          grid and measures: Srivastava et al., "VEEGAN", NIPS 2017, https://arxiv.org/abs/1705.07761, and
          Lin et al., "PacGAN", NeurIPS 2018, https://arxiv.org/abs/1712.04086
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.core.errors import BadInput

GOOD = 3.0  # deviations


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixture:
    """Equal Gaussians, round."""

    name: str
    centres: Tensor
    deviation: float

    def samples(self, count: int, *, generator: torch.Generator) -> Tensor:
        """`count` draws [count, 2]."""
        which = torch.randint(len(self.centres), (count,), generator=generator)
        return self.centres[which] + self.deviation * torch.randn(count, 2, generator=generator)


def ring(*, modes: int = 8, radius: float = 2.0, deviation: float = 0.02) -> Mixture:
    """`modes` Gaussians at equal angles."""
    _positive(modes=modes, radius=radius, deviation=deviation)
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return Mixture(name="ring", centres=radius * torch.stack([angle.cos(), angle.sin()], dim=1), deviation=deviation)


def grid(*, side: int = 5, spacing: float = 2.0, deviation: float = 0.05) -> Mixture:
    """`side` x `side` Gaussians around the origin."""
    _positive(side=side, spacing=spacing, deviation=deviation)
    place = (torch.arange(side) - (side - 1) / 2) * spacing
    return Mixture(name="grid", centres=torch.cartesian_prod(place, place).view(-1, 2), deviation=deviation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    covered: int  # modes with a good sample
    modes: int
    good: float  # share of the samples within 3 deviations of a centre
    divergence: float  # KL of the shares of the modes from equal ones, in nats


def coverage(mixture: Mixture, samples: Tensor) -> Coverage:
    """How `samples` spread over the modes of `mixture`."""
    if samples.dim() != 2 or samples.shape[1] != 2 or len(samples) == 0:
        raise BadInput(f"samples are {list(samples.shape)}: [n, 2] with n >= 1 is needed")
    if not bool(torch.isfinite(samples).all()):
        raise BadInput("samples hold numbers that are not finite: has the training diverged?")
    far, nearest = torch.cdist(samples.double(), mixture.centres.double()).min(dim=1)
    good, modes = far <= GOOD * mixture.deviation, len(mixture.centres)
    shares = torch.bincount(nearest, minlength=modes).double() / len(samples)
    return Coverage(
        covered=len(nearest[good].unique()),
        modes=modes,
        good=float(good.double().mean()),
        divergence=float(torch.special.xlogy(shares, shares * modes).sum()),
    )


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise BadInput(f"{name} is {value}: a number above 0 is needed")
