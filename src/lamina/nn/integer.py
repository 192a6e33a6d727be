"""Integer layers in torch: fake quantisation that computes the integers themselves.

Values are integer-valued float64 tensors, exact below 2^53 (float32 stops at 2^24), and every function follows
INTERFACE section 5 to the letter; rounding is half to even throughout.

    quantise     q = clip(round(x / s) + z)                            divided in float32
    convolve     y = clip(requantise(sum (q - z_x) w + b) + z_y)
    requantise   power_of_two  round(a 2^-k)
                 float         round(float32(a) m),  m = (s_x s_w) / s_y left to right in float32

The operators are registered in torch's library (namespace `lamina`), so that `torch.export` keeps them whole and
lowering knows them. Scales travel as float32 tensors: one entry, or one per output channel.

Shapes    q [n, c, h, w] or [n, c]; w [k, c, r, s] or [k, c]; b [k]; w_scale [1] or [k]
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.library.custom_op("lamina::quantise", mutates_args=())
def quantise(x: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    """Integers of `x` as float64; `scale` has one entry or one per index of axis 0."""
    divisor = scale if scale.numel() == 1 else scale.reshape(-1, *[1] * (x.ndim - 1))
    return (torch.round(x.to(torch.float32) / divisor).to(torch.float64) + zero_point).clamp(low, high)


@quantise.register_fake
def _(x: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    return torch.empty_like(x, dtype=torch.float64)


@torch.library.custom_op("lamina::dequantise", mutates_args=())
def dequantise(q: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """s (q - z) in float32."""
    return (q - zero_point).to(torch.float32) * scale


@dequantise.register_fake
def _(q: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    return torch.empty_like(q, dtype=torch.float32)


def requantise(a: Tensor, x_scale: Tensor, w_scale: Tensor, y_scale: Tensor, rounding: str, axis: int = 1) -> Tensor:
    """Accumulators `a` (exact integers, channels along `axis`) at the scale of the result, rounded, not yet offset."""
    along = [1] * a.ndim
    along[axis] = -1
    if rounding == "float":
        m = (x_scale * w_scale) / y_scale
        return torch.round(a.to(torch.float32) * m.reshape(along)).to(torch.float64)
    ratio = x_scale.to(torch.float64) * w_scale.to(torch.float64) / y_scale.to(torch.float64)
    return torch.round(a * ratio.reshape(along))


@torch.library.custom_op("lamina::conv2d_integer", mutates_args=())
def conv2d_integer(
    q: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    x_scale: Tensor,
    x_zero: int,
    w_scale: Tensor,
    y_scale: Tensor,
    y_zero: int,
    y_low: int,
    y_high: int,
    rounding: str,
) -> Tensor:
    """Convolution of integers with one requantisation; padding is the zero point."""
    a = F.conv2d(q - x_zero, weight, bias, stride, padding, dilation, groups)
    return (requantise(a, x_scale, w_scale, y_scale, rounding) + y_zero).clamp(y_low, y_high)


@conv2d_integer.register_fake
def _(q, weight, bias, stride, padding, dilation, groups, *rest):
    return F.conv2d(q, weight, bias, stride, padding, dilation, groups)


@torch.library.custom_op("lamina::linear_integer", mutates_args=())
def linear_integer(
    q: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    x_scale: Tensor,
    x_zero: int,
    w_scale: Tensor,
    y_scale: Tensor,
    y_zero: int,
    y_low: int,
    y_high: int,
    rounding: str,
) -> Tensor:
    """Fully connected layer of integers with one requantisation."""
    a = F.linear(q - x_zero, weight, bias)
    return (requantise(a, x_scale, w_scale, y_scale, rounding, axis=-1) + y_zero).clamp(y_low, y_high)


@linear_integer.register_fake
def _(q, weight, bias, *rest):
    return F.linear(q, weight, bias)


@torch.library.custom_op("lamina::average_pool2d_integer", mutates_args=())
def average_pool2d_integer(
    q: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    x_scale: Tensor,
    x_zero: int,
    y_scale: Tensor,
    y_zero: int,
    y_low: int,
    y_high: int,
    rounding: str,
) -> Tensor:
    """Exact sum of each window, then one requantisation; padding is the zero point.

    power_of_two divides the exact integer, so that a tie is a tie: round_half_even(sum s_x / (count s_y)).
    """
    count = kernel[0] * kernel[1]
    total = torch.round(F.avg_pool2d(q - x_zero, kernel, stride, padding, divisor_override=1))
    if rounding == "float":
        m = (x_scale / torch.tensor(float(count))) / y_scale
        scaled = torch.round(total.to(torch.float32) * m).to(torch.float64)
    else:
        # numerator and denominator are integers below 2^53 and the quotient is rounded once: a value that is no tie
        # is at least 1 / (2 count) away from one, far more than the division's error
        scaled = torch.round(total * (x_scale.to(torch.float64) / y_scale.to(torch.float64)) / count)
    return (scaled + y_zero).clamp(y_low, y_high)


@average_pool2d_integer.register_fake
def _(q, kernel, stride, padding, *rest):
    return F.avg_pool2d(q, kernel, stride, padding)


@torch.library.custom_op("lamina::lookup", mutates_args=())
def lookup(q: Tensor, table: Tensor, low: int, y_scale: Tensor, y_zero: int, y_low: int, y_high: int) -> Tensor:
    """table[q - low]: any function of one stored number; the grid of `y` says what the entries mean."""
    return table[(q - low).to(torch.int64)]


@lookup.register_fake
def _(q: Tensor, table: Tensor, *rest):
    return torch.empty_like(q, dtype=table.dtype)
