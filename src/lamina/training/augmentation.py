"""Augmentation: each example of a batch moved, bent and tinted by a draw of its own, the whole batch at once.

    x'(u) = x(M (u + d(u)) + s)     M = rotation · shear · scale · mirror about the middle, s a shift, d an elastic
                                    displacement
    x'    = x' + Σ_i α_i √λ_i e_i   colours along the principal axes of their covariance, λ_i its values, e_i its axes

One bilinear look-up does all geometry; what lies outside the picture is 0. An elastic displacement is uniform noise,
smoothed by a Gaussian. An amount of 0 leaves its kind out, all of them 0 leave the batch as it is. Draws come from the
step's generator: a resumed run sees the same pictures. For `fit(augment=Augmentation(...))`; only `x` changes.

Shapes     x [n, c, h, w]; maps [n, 2, 3] and displacements [n, 2, h, w] in pixels, x before y; axes [c, c]
Errors     `BadInput` for amounts out of range, batches without pictures, other numbers of colours
Paper      Simard et al., ICDAR 2003, https://doi.org/10.1109/ICDAR.2003.1227801 (elastic); Krizhevsky et al., NIPS
           2012, https://papers.nips.cc/paper/4824 (colours, there with α_i λ_i; the root gives a tint of their spread)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.core.errors import BadInput

Axes = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """How far at most, or (elastic, colour) how strong; a call gives the batch with other pictures."""

    translate: float = 0.0  # pixels along each axis, at most
    whole: bool = False  # shifts of whole pixels, each as likely: a fraction of a pixel blurs
    flip: float = 0.0  # the share of pictures that are mirrored, left for right
    rotate: float = 0.0  # radians, at most, to either side
    scale: float = 0.0  # each axis is longer or shorter by this share, at most
    shear: float = 0.0  # pixels to the side per pixel up, at most
    elastic: float = 0.0  # pixels: standard deviation of the displacement along each axis
    smoothness: float = 4.0  # pixels: standard deviation of the Gaussian that smooths the displacement
    colour: float = 0.0  # standard deviation of a tint, as a share of the colours' own
    axes: Axes = ()  # of the colours, as `colour_axes` finds them: one row √λ e for each

    def __post_init__(self) -> None:
        for name in ("translate", "rotate", "shear", "elastic", "colour"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)}: 0 or more is needed")
        if not 0 <= self.flip <= 1:
            raise BadInput(f"flip is {self.flip}: a share of the pictures in [0, 1] is needed")
        if self.whole and self.translate != int(self.translate):
            raise BadInput(f"translate is {self.translate} with whole=True: a whole number of pixels is needed")
        if not 0 <= self.scale < 1:
            raise BadInput(f"scale is {self.scale}: [0, 1) is allowed")
        if not 0 < self.smoothness < math.inf:
            raise BadInput(f"smoothness is {self.smoothness}: a positive number of pixels is needed")
        if self.colour and not self.axes:
            raise BadInput("colour without axes: give axes=colour_axes(pictures)")

    def __call__(self, batch: Mapping[str, Tensor], *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """`batch` with each picture in `x` under its own draw."""
        x = batch.get("x")
        if x is None or x.dim() != 4 or not x.is_floating_point():
            given = "nothing" if x is None else f"{x.dtype} {list(x.shape)}"
            raise BadInput(f"x is {given}: pictures [n, c, h, w] of floating point are needed")
        moves = self.translate or self.flip or self.rotate or self.scale or self.shear
        moved = self.maps(len(x), generator) if moves else None
        bent = displacements(x.shape, self.elastic, self.smoothness, generator) if self.elastic else None
        if moved is not None or bent is not None:
            x = warp(x, moved, bent)
        if self.colour:
            x = tint(x, self.axes, self.colour, generator)
        return {**batch, "x": x}

    def maps(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Affine maps [count, 2, 3], each a draw: from a place of the new picture to the place of the old."""
        draws = torch.rand(6, count, generator=generator) * 2 - 1
        angle, shear = draws[0] * self.rotate, draws[1] * self.shear
        wide, high = 1 + draws[2:4] * self.scale
        cos, sin = angle.cos(), angle.sin()
        across, down = (draws[4:] * (self.translate + 0.5)).round() if self.whole else draws[4:] * self.translate
        if self.flip:
            wide = torch.where(torch.rand(count, generator=generator) < self.flip, -wide, wide)
        # rotation [[c, -s], [s, c]] of shear [[1, k], [0, 1]] of scale and mirror
        first = torch.stack([cos * wide, (cos * shear - sin) * high, across], dim=1)
        second = torch.stack([sin * wide, (sin * shear + cos) * high, down], dim=1)
        return torch.stack([first, second], dim=1)


def warp(x: Tensor, maps: Tensor | None, displacement: Tensor | None = None) -> Tensor:
    """Pictures whose pixel at u is that of x at M (u + d(u)) + s, places counted in pixels from the middle."""
    n, _, high, wide = x.shape
    # grid_sample counts from -1 to 1 between the outer edges of the outer pixels
    half = x.new_tensor([wide / 2, high / 2])
    if maps is None:
        maps = x.new_tensor([[1, 0, 0], [0, 1, 0]]).expand(n, 2, 3)
    across = torch.arange(wide, dtype=x.dtype) - (wide - 1) / 2
    down = torch.arange(high, dtype=x.dtype) - (high - 1) / 2
    scaled = maps / half[:, None]
    if displacement is None:
        places = scaled[:, :, 0, None] * across  # n 2 w
        rows = scaled[:, :, 1, None] * down + scaled[:, :, 2, None]  # n 2 h
        grid = rows.transpose(1, 2)[:, :, None] + places.transpose(1, 2)[:, None]
    else:
        u = torch.stack([across.expand(high, wide), down[:, None].expand(high, wide)]) + displacement
        grid = x.new_empty(n, high, wide, 2)
        for axis in (0, 1):
            a, b, c = scaled[:, axis, :, None, None].unbind(1)
            torch.add(torch.addcmul(a * u[:, 0], b, u[:, 1]), c, out=grid[..., axis])
    return F.grid_sample(x, grid, align_corners=False)


def displacements(
    shape: tuple[int, ...], spread: float, smoothness: float, generator: torch.Generator | None
) -> Tensor:
    """Smooth noise [n, 2, h, w] of zero mean; its standard deviation is `spread` pixels at every place."""
    n, _, high, wide = shape
    # uniform over the 256 values of a byte, eight of them from one draw
    count = n * 2 * wide * high
    drawn = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    noise = (drawn.view(torch.int8)[:count].float() + 0.5).view(n, 2, wide, high)
    across = _smoothing(wide, smoothness) * (spread / math.sqrt((256**2 - 1) / 12))
    return (noise @ _smoothing(high, smoothness).T).transpose(2, 3) @ across.T


def _smoothing(size: int, smoothness: float) -> Tensor:
    """Gaussian weights [size, size]; each row has the norm 1, so that white noise keeps its spread."""
    places = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / smoothness) ** 2)
    return weights / weights.norm(dim=1, keepdim=True)


def tint(x: Tensor, axes: Axes, strength: float, generator: torch.Generator | None) -> Tensor:
    """Pictures, each with one colour added: normal along the rows of `axes`, `strength` of their length."""
    if len({len(axes), *map(len, axes), x.shape[1]}) != 1:
        raise BadInput(f"axes of {len(axes)} colours for pictures {list(x.shape)}: as many as the pictures have")
    draws = torch.randn(len(x), len(axes), generator=generator) * strength
    return x + (draws @ x.new_tensor(axes))[:, :, None, None]


def colour_axes(x: Tensor) -> Axes:
    """Rows √λ_i e_i: the principal axes of the colours of all pixels of x [n, c, h, w], the longest first."""
    if x.dim() != 4 or x[:, 0].numel() < 2 or not x.isfinite().all():
        raise BadInput(f"pictures {list(x.shape)}: finite ones, [n, c, h, w] of 2 pixels at least are needed")
    pixels = x.transpose(0, 1).flatten(1).double()
    values, vectors = torch.linalg.eigh(torch.atleast_2d(torch.cov(pixels)))
    rows = (vectors * values.clamp(min=0).sqrt()).T.flip(0)
    return tuple(tuple(row) for row in rows.tolist())
