"""Thin modules that carry a quantisation: each holds its scales and calls one operator of `nn.integer`.

    Grid               what a tensor's integers mean: scale, zero point, lowest and highest integer
    Quantise, Dequantise, Conv2d, Linear, AveragePool2d, Lookup

Weights stay float parameters and are quantised in `forward`, so that they can be trained further; the bias is quantised
to 32 bits at the accumulator's scale s_x s_w.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lamina.nn import integer


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """real = scale * (stored - zero_point), low <= stored <= high; `scale` may have one entry per output channel."""

    scale: tuple[float, ...]  # float32 values
    zero_point: int = 0
    low: int = -128
    high: int = 127

    def tensor(self) -> Tensor:
        return torch.tensor(self.scale, dtype=torch.float32)


class Quantise(nn.Module):
    """Float to integers."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("scale", grid.tensor())

    def forward(self, x: Tensor) -> Tensor:
        return integer.quantise(x, self.scale, self.grid.zero_point, self.grid.low, self.grid.high)


class Dequantise(nn.Module):
    """Integers to float."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("scale", grid.tensor())

    def forward(self, q: Tensor) -> Tensor:
        return integer.dequantise(q, self.scale, self.grid.zero_point)


class _Weighted(nn.Module):
    """Weights, bias and the grids of input, weights and result."""

    def __init__(self, weight: Tensor, bias: Tensor | None, x: Grid, w: Grid, y: Grid, rounding: str) -> None:
        super().__init__()
        self.x, self.w, self.y, self.rounding = x, w, y, rounding
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        for name, grid in (("x_scale", x), ("w_scale", w), ("y_scale", y)):
            self.register_buffer(name, grid.tensor())
        self.register_buffer("b_scale", x.tensor() * w.tensor())

    def codes(self) -> tuple[Tensor, Tensor | None]:
        """Weights and bias as integers."""
        weight = integer.quantise(self.weight, self.w_scale, 0, self.w.low, self.w.high)
        if self.bias is None:
            return weight, None
        return weight, integer.quantise(self.bias, self.b_scale, 0, -(2**31), 2**31 - 1)


class Conv2d(_Weighted):
    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        window: tuple[list[int], list[int], list[int], int],
        x: Grid,
        w: Grid,
        y: Grid,
        rounding: str,
    ) -> None:
        super().__init__(weight, bias, x, w, y, rounding)
        self.window = window  # stride, padding, dilation, groups

    def forward(self, q: Tensor) -> Tensor:
        weight, bias = self.codes()
        scales = (self.x_scale, self.x.zero_point, self.w_scale, self.y_scale)
        return integer.conv2d_integer(
            q, weight, bias, *self.window, *scales, self.y.zero_point, self.y.low, self.y.high, self.rounding
        )


class Linear(_Weighted):
    def forward(self, q: Tensor) -> Tensor:
        weight, bias = self.codes()
        scales = (self.x_scale, self.x.zero_point, self.w_scale, self.y_scale)
        return integer.linear_integer(
            q, weight, bias, *scales, self.y.zero_point, self.y.low, self.y.high, self.rounding
        )


class AveragePool2d(nn.Module):
    def __init__(
        self, kernel: list[int], stride: list[int], padding: list[int], *, x: Grid, y: Grid, rounding: str
    ) -> None:
        super().__init__()
        self.window = (kernel, stride, padding)
        self.x, self.y, self.rounding = x, y, rounding
        self.register_buffer("x_scale", x.tensor())
        self.register_buffer("y_scale", y.tensor())

    def forward(self, q: Tensor) -> Tensor:
        return integer.average_pool2d_integer(
            q,
            *self.window,
            self.x_scale,
            self.x.zero_point,
            self.y_scale,
            self.y.zero_point,
            self.y.low,
            self.y.high,
            self.rounding,
        )


class Lookup(nn.Module):
    """A stored table of one entry per integer of `x`, in the integers of `y`."""

    def __init__(self, table: Tensor, *, x: Grid, y: Grid) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.register_buffer("table", table.to(torch.float64))
        self.register_buffer("y_scale", y.tensor())

    def forward(self, q: Tensor) -> Tensor:
        return integer.lookup(q, self.table, self.x.low, self.y_scale, self.y.zero_point, self.y.low, self.y.high)
