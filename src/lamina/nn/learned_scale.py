"""Fake quantisation with a learned scale: integers in the forward pass, straight through in the backward pass.

    q = clip(round(x / s) + z, low, high)        y = s (q - z)

    dy/dx = 1 inside the range, 0 outside
    dy/ds = (q - z) - x/s inside, (q - z) outside; times g = 1 / sqrt(N high), N numbers that share the scale

A scale is learned as s = s0 2^(4e) from e = 0 on: positive by construction, and a step of an optimiser changes it by a
share of itself, whatever its size. A power of two rounds 4e in the forward pass and lets the gradient through.

Shapes    x any; scale [1], or one entry per index of `axis`
Papers    Esser et al., "Learned Step Size Quantization", ICLR 2020, https://arxiv.org/abs/1902.08153 (dy/ds and g)
          Jain et al., "Trained Quantization Thresholds", MLSys 2020, https://arxiv.org/abs/1903.08066 (the exponent)
"""

from math import ldexp, prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from lamina.ir.types import Fixed, Integer

PACE = 4.0  # of an exponent: at a rate that suits weights, a scale can halve within some hundred steps


class _FakeQuantise(torch.autograd.Function):
    """y of x, s broadcast to it, and the numbers z, low, high, g."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero: int, low: int, high: int, factor: float) -> Tensor:
        ratio = x / scale
        q = torch.round(ratio).clamp_(low - zero, high - zero)
        ctx.save_for_backward(ratio, q, scale)
        ctx.ends, ctx.factor = (low - zero, high - zero), factor
        return q * scale

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Any:
        ratio, q, scale = ctx.saved_tensors
        (grad,) = given
        low, high = ctx.ends
        inside = (ratio > low) & (ratio < high)
        to_x = grad * inside if ctx.needs_input_grad[0] else None
        to_scale = None
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, q - ratio, q)
            to_scale = (grad * slope).sum_to_size(scale.shape) * ctx.factor
        return to_x, to_scale, None, None, None, None


def fake_quantise(x: Tensor, scale: Tensor, element: Integer | Fixed, *, shared: int, low: int | None = None) -> Tensor:
    """The real numbers that `x` stands for once stored as `element` with `scale` in place of its own.

    `shared` is N; `low` replaces the element's lowest integer (weights are symmetric).
    """
    low = element.low if low is None else low
    along = [1] * x.ndim
    if element.axis is not None:
        along[element.axis] = -1
    factor = 1 / sqrt(shared * max(element.high - element.zero_point, 1))
    found = _FakeQuantise.apply(x, scale.reshape(along), element.zero_point, low, element.high, factor)
    assert isinstance(found, Tensor)
    return found


def fake_activation(x: Tensor, scale: Tensor, element: Integer | Fixed) -> Tensor:
    """Activations [batch, …]: N is the size of one example."""
    return fake_quantise(x, scale, element, shared=max(1, prod(x.shape[1:])))


def fake_weight(w: Tensor, scale: Tensor, element: Integer) -> Tensor:
    """Stored numbers, symmetric where they are signed around 0: N is how many share a scale."""
    low = -element.high if element.signed and element.zero_point == 0 else element.low
    return fake_quantise(w, scale, element, shared=max(1, w.numel() // scale.numel()), low=low)


class _RoundStraight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Tensor:
        return given[0]


def round_straight(x: Tensor) -> Tensor:
    """round(x), halves to even, with the gradient of x."""
    found = _RoundStraight.apply(x)
    assert isinstance(found, Tensor)
    return found


class LearnedScale(nn.Module):
    """s = s0 2^(4e), e learned; with `power_of_two` 4e is rounded, so that a power of two stays one. All float32."""

    start: Tensor

    def __init__(self, start: tuple[float, ...], *, power_of_two: bool) -> None:
        super().__init__()
        self.power_of_two = power_of_two
        self.register_buffer("start", torch.tensor(start, dtype=torch.float32))
        self.exponent = nn.Parameter(torch.zeros(len(start)))

    def forward(self) -> Tensor:
        exponent = PACE * self.exponent
        if not self.power_of_two:
            return self.start * torch.exp2(exponent)
        whole = round_straight(exponent)
        # 2^0 = 1: the second factor is there for its gradient alone
        return torch.tensor(self.numbers(), dtype=torch.float32) * torch.exp2(whole - whole.detach())

    def numbers(self) -> tuple[float, ...]:
        """The scales as float32 values; powers of two exactly, whatever exp2 of the maths library gives."""
        with torch.no_grad():
            if not self.power_of_two:
                return tuple((self.start * torch.exp2(PACE * self.exponent)).tolist())
            whole = torch.round(PACE * self.exponent).tolist()
            return tuple(ldexp(start, int(e)) for start, e in zip(self.start.tolist(), whole, strict=True))
