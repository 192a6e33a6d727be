"""Layers that multiply: conv2d, linear, matmul, conv_transpose2d.

    floats     torch's own functions; padding that differs from side to side is laid around first
    integers   exact sums of (q - z) w + b, one requantisation; padding is the zero point, which is 0 behind q - z

Sums that may pass 2^52, and truncated products (every product loses its low bits before it is added), are computed in
int64 from windows, as `ir.operators.multiply` defines them.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.ir.operators._table import Attributes, Site
from lamina.ir.operators.multiply import fraction_bits
from lamina.nn.network_rules._exact import carried, reach, requantise
from lamina.nn.network_rules._rule import Rule, integer

Product = Callable[[Tensor, Tensor], Tensor]


def padded(x: Tensor, attributes: Attributes, fill: float = 0.0) -> Tensor:
    """x [n, c, h, w] with its padding (top, bottom, left, right) around it."""
    top, bottom, left, right = attributes["padding"]
    if top == bottom == left == right == 0:
        return x
    return F.pad(x, (left, right, top, bottom), value=fill)


def windows(x: Tensor, kernel: Sequence[int], attributes: Attributes, fill: float = 0.0) -> Tensor:
    """Every window of x [n, c, h, w] as a view [n, c, p, q, r, s]."""
    (dr, ds), (sp, sq) = attributes["dilation"], attributes["stride"]
    x = padded(x, attributes, fill)
    x = x.unfold(2, dr * (kernel[0] - 1) + 1, sp).unfold(3, ds * (kernel[1] - 1) + 1, sq)
    return x[..., ::dr, ::ds]


def _conv(x: Tensor, w: Tensor, bias: Tensor | None, a: Attributes) -> Tensor:
    top, bottom, left, right = a["padding"]
    if top == bottom and left == right:
        return F.conv2d(x, w, bias, a["stride"], (top, left), a["dilation"], a["groups"])
    return F.conv2d(padded(x, a), w, bias, a["stride"], 0, a["dilation"], a["groups"])


def _conv_floats(tensors: Sequence[Tensor], site: Site) -> Tensor:
    return _conv(tensors[0], tensors[1], tensors[2] if len(tensors) > 2 else None, site.attributes)


def _conv_by(x: Tensor, w: Tensor, a: Attributes, product: Product) -> Tensor:
    view, groups = windows(x, w.shape[2:], a), a["groups"]
    n, c, p, q, r, s = view.shape
    rows = view.reshape(n, groups, c // groups, p, q, r, s).permute(1, 0, 3, 4, 2, 5, 6)
    rows, columns = rows.reshape(groups, n * p * q, -1), w.reshape(groups, w.shape[0] // groups, -1)
    sums = torch.stack([product(rows[g], columns[g].T) for g in range(groups)])
    return sums.reshape(groups, n, p, q, -1).permute(1, 0, 4, 2, 3).reshape(n, w.shape[0], p, q)


def _linear_floats(tensors: Sequence[Tensor], site: Site) -> Tensor:
    return F.linear(tensors[0], tensors[1], tensors[2] if len(tensors) > 2 else None)


def _linear_by(x: Tensor, w: Tensor, a: Attributes, product: Product) -> Tensor:
    return product(x.reshape(-1, x.shape[-1]), w.T).reshape(*x.shape[:-1], w.shape[0])


def _cut(y: Tensor, a: Attributes) -> Tensor:
    """A transposed convolution's canvas with its output padding, without its padding."""
    top, bottom, left, right = a["padding"]
    return F.pad(y, (-left, a["output_padding"][1] - right, -top, a["output_padding"][0] - bottom))


def _transposed(x: Tensor, w: Tensor, a: Attributes) -> Tensor:
    return _cut(F.conv_transpose2d(x, w, None, a["stride"], 0, 0, a["groups"], a["dilation"]), a)


def _transposed_floats(tensors: Sequence[Tensor], site: Site) -> Tensor:
    y = _transposed(tensors[0], tensors[1], site.attributes)
    return y if len(tensors) < 3 else y + tensors[2].reshape(-1, 1, 1)


def _transposed_by(x: Tensor, w: Tensor, a: Attributes, product: Product) -> Tensor:
    (n, c, height, width), (_, k, r, s), groups = x.shape, w.shape, a["groups"]
    (sp, sq), (dr, ds) = a["stride"], a["dilation"]
    rows = x.reshape(n, groups, c // groups, height, width).permute(1, 0, 3, 4, 2).reshape(groups, -1, c // groups)
    columns = w.reshape(groups, c // groups, k * r * s)
    taps = torch.stack([product(rows[g], columns[g]) for g in range(groups)])
    taps = taps.reshape(groups, n, height, width, k, r, s).permute(1, 0, 4, 5, 6, 2, 3)
    taps = taps.reshape(n, groups * k, r, s, height, width)
    size = ((height - 1) * sp + dr * (r - 1) + 1, (width - 1) * sq + ds * (s - 1) + 1)
    canvas = taps.new_zeros((n, groups * k, *size))
    for i in range(r):
        for j in range(s):
            canvas[:, :, i * dr :: sp, j * ds :: sq][:, :, :height, :width] += taps[:, :, i, j]
    return _cut(canvas, a)


def _truncated(shift: int) -> Product:
    """sum over c of floor(a b / 2^shift), on int64."""

    def product(a: Tensor, b: Tensor) -> Tensor:
        result = a.new_zeros((a.shape[0], b.shape[1]))
        for c in range(a.shape[1]):
            result += (a[:, c, None] * b[None, c, :]) >> shift
        return result

    return product


def _integers(
    fast: Callable[[Tensor, Tensor, Attributes], Tensor],
    by: Callable[[Tensor, Tensor, Attributes, Product], Tensor],
    axis: int,
    channels: int = 0,
) -> Callable[[Sequence[Tensor], Site], Tensor]:
    """`fast` in float64 where that is exact, else `by` a product of int64 matrices.

    Channels lie along `axis` of the result and along `channels` of the weights.
    """

    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        x, w, y = (integer(t.element) for t in (site.inputs[0], site.inputs[1], site.outputs[0]))
        a, truncated = site.attributes, site.attributes["products"] == "truncated"
        bound = reach(x) * reach(w) * (tensors[1].numel() // tensors[1].shape[channels])
        biases = [tensors[2]] if len(tensors) > 2 else []
        bound += reach(integer(site.inputs[2].element)) if biases else 0
        shifted = fraction_bits(w) if truncated else 0
        q, weight, *biases = carried(2**62 if truncated else bound, tensors[0], tensors[1], *biases)
        q = q - x.zero_point
        if q.dtype == torch.float64:
            sums = fast(q, weight, a)
        else:
            sums = by(q, weight, a, _truncated(shifted) if truncated else torch.matmul)
        if biases:
            sums = sums + biases[0].reshape(-1, *[1] * (sums.ndim - 1 - axis % sums.ndim))
        return requantise(sums, x, w, y, a["rounding"], axis=axis, shifted=shifted)

    return meaning


def _matmul_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    a, b, y = (integer(t.element) for t in (*site.inputs, *site.outputs))
    first, second = carried(reach(a) * reach(b) * tensors[0].shape[-1], *tensors)
    sums = torch.matmul(first - a.zero_point, second - b.zero_point)
    return requantise(sums, a, b, y, site.attributes["rounding"], axis=-1)


RULES = {
    "conv2d": Rule(floats=_conv_floats, integers=_integers(lambda x, w, a: _conv(x, w, None, a), _conv_by, axis=1)),
    "linear": Rule(floats=_linear_floats, integers=_integers(lambda x, w, a: F.linear(x, w), _linear_by, axis=-1)),
    "matmul": Rule(floats=lambda tensors, site: torch.matmul(*tensors), integers=_matmul_integers),
    "conv_transpose2d": Rule(
        floats=_transposed_floats, integers=_integers(_transposed, _transposed_by, axis=1, channels=1)
    ),
}
