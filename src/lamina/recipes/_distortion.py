"""Small affine distortions: the same digit as another hand would write it.

    x'(u) = x(A u + t)      A = rotation and stretch near the identity, t a shift; each example draws its own

Drawn from the generator of the step, so that step 700 sees the same pictures in any process. Training only: validation
and test pictures stay as they are.

Shapes     x_BCHW [n, c, h, w]; angles in radians, stretch and shift as shares of the picture's half side
Paper      Simard et al., "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR
           2003, https://doi.org/10.1109/ICDAR.2003.1227801 (there with elastic distortions)
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True, slots=True)
class Distortion:
    angle: float = 0.25  # radians, at most
    stretch: float = 0.15  # of each axis and of the shear, at most
    shift: float = 0.12  # of the half side, at most


def distort(x_BCHW: Tensor, distortion: Distortion, generator: torch.Generator | None) -> Tensor:
    """Each example of `x_BCHW` under its own affine map; outside the picture is black."""
    batch = len(x_BCHW)

    def within(most: float) -> Tensor:
        return (torch.rand(batch, generator=generator) * 2 - 1) * most

    angle, shear = within(distortion.angle), within(distortion.stretch)
    wide, high = 1 + within(distortion.stretch), 1 + within(distortion.stretch)
    first = torch.stack([wide * angle.cos(), shear - angle.sin(), within(distortion.shift)], dim=1)
    second = torch.stack([angle.sin(), high * angle.cos(), within(distortion.shift)], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), list(x_BCHW.shape), align_corners=False)
    return F.grid_sample(x_BCHW, grid, align_corners=False)


def loss(distortion: Distortion) -> Any:
    """A loss for `fit`: the model's own, on distorted examples."""

    def distorted(model: nn.Module, batch: dict[str, Tensor], *, generator: torch.Generator | None = None) -> Tensor:
        seen = {**batch, "x": distort(batch["x"], distortion, generator)}
        value: Tensor = model.loss(seen, generator=generator)
        return value

    return distorted
