"""Operators that multiply weights: convolution and the fully connected layer.

    conv2d   y[n, k, p, q] = b[k] + sum_{c, r, s} w[k, c, r, s] x[n, c, p·stride + r·dilation - pad, …]
    linear   y[…, k]       = b[k] + sum_c w[k, c] x[…, c]

Shapes    x [n, c, h, w] or […, c], w [k, c/groups, r, s] or [k, c], b [k] optional; padding: top, bottom, left, right
Integers  exact accumulation, one requantisation (`ir.integers`); zero padding is the input's zero point.
          `products="truncated"` drops the fraction bits of the weights from every product, as DianNao's multipliers do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.gradients import multiply as gradients
from lamina.ir.network import Array, Attribute
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, stored
from lamina.ir.types import Fixed, Float, Integer

MOST_PADDED = 2**40  # numbers of a padded input
INTEGER_ATTRIBUTES: Mapping[str, Attribute | type] = {
    "rounding": "power_of_two",  # power_of_two | float | truncate
    "products": "exact",  # exact | truncated
    "accumulator": 32,  # bits
}


def output_size(size: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    """Positions of a window along one axis; raises when it does not fit once."""
    reach = dilation * (kernel - 1) + 1
    if size + before + after < reach:
        raise BadInput(f"a window of {reach} does not fit an input of {size} padded by {before} and {after}")
    return (size + before + after - reach) // stride + 1


def windows(x: Array, kernel: Sequence[int], attributes: Attributes, fill: Any) -> Array:
    """Every window of x [n, c, h, w] as a view [n, c, p, q, r, s] of the array padded with `fill`."""
    top, bottom, left, right = attributes["padding"]
    if any(attributes["padding"]):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    (dr, ds), (sp, sq) = attributes["dilation"], attributes["stride"]
    reach = (dr * (kernel[0] - 1) + 1, ds * (kernel[1] - 1) + 1)
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, ::sp, ::sq, ::dr, ::ds]


def _conv_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, w = shapes[0], shapes[1]
    if len(x) != 4 or len(w) != 4:
        raise BadInput(f"conv2d takes x [n,c,h,w] and w [k,c,r,s], not {list(x)} and {list(w)}")
    groups = attributes["groups"]
    if groups < 1 or x[1] != w[1] * groups or w[0] % groups:
        raise BadInput(f"{x[1]} input and {w[0]} output channels do not fit weights {list(w)} in {groups} groups")
    bias_shape(shapes, w[0])
    top, bottom, left, right = attributes["padding"]
    if x[0] * x[1] * (x[2] + top + bottom) * (x[3] + left + right) > MOST_PADDED:
        raise BadInput(f"padding {attributes['padding']} makes more than 2^40 numbers of {list(x)}")
    p = output_size(x[2], top, bottom, w[2], attributes["stride"][0], attributes["dilation"][0])
    q = output_size(x[3], left, right, w[3], attributes["stride"][1], attributes["dilation"][1])
    return (x[0], w[0], p, q)


def bias_shape(shapes: Sequence[Shape], k: int) -> None:
    """Raise unless the third operand, where there is one, has `k` entries."""
    if len(shapes) > 2 and shapes[2] != (k,):
        raise BadInput(f"the bias has shape {list(shapes[2])}, [{k}] is needed")


def _accumulate_conv(
    x: Array, w: Array, attributes: Attributes, fill: Any, product: Callable[[Array, Array], Array]
) -> Array:
    """Sums over c, r, s of product(windows, weights), group by group."""
    view = windows(x, w.shape[2:], attributes, fill)
    n, c, p, q, r, s = view.shape
    groups = attributes["groups"]
    rows = (
        view.reshape(n, groups, c // groups, p, q, r, s).transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * p * q, -1)
    )
    columns = w.reshape(groups, w.shape[0] // groups, -1)
    sums = np.stack([product(rows[g], columns[g].T) for g in range(groups)])  # [groups, n·p·q, k/groups]
    return sums.reshape(groups, n, p, q, -1).transpose(1, 0, 4, 2, 3).reshape(n, w.shape[0], p, q)


def _run_conv(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x, w = arrays[0], arrays[1]
    y = _accumulate_conv(x, w, attributes, x.dtype.type(0), np.matmul)
    return y if len(arrays) < 3 else np.asarray(y + arrays[2].reshape(1, -1, 1, 1), y.dtype)


def _linear_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, w = shapes[0], shapes[1]
    if not x or len(w) != 2 or x[-1] != w[1]:
        raise BadInput(f"linear takes x [..., c] and w [k, c], not {list(x)} and {list(w)}")
    bias_shape(shapes, w[0])
    return (*x[:-1], w[0])


def _run_linear(arrays: Sequence[Array], attributes: Attributes) -> Array:
    y = np.matmul(arrays[0], arrays[1].T)
    return np.asarray(y if len(arrays) < 3 else y + arrays[2], y.dtype)


def exact_product(a: Array, b: Array) -> Array:
    """a @ b on int64, exactly.

    Float64 products and sums of integers are exact below 2^53 in any order, and then BLAS may do the work.
    """
    bound = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0)) * a.shape[-1]
    if bound < 2**53:
        return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64)), np.int64)
    return np.asarray(np.matmul(a, b))


def truncated_product(shift: int) -> Callable[[Array, Array], Array]:
    """sum over c of floor(a[i, c] b[c, j] / 2^shift): every product loses its low bits before it is added."""

    def product(a: Array, b: Array) -> Array:
        result = np.zeros((a.shape[0], b.shape[1]), np.int64)
        for c in range(a.shape[1]):
            result += (a[:, c, None] * b[None, c, :]) >> shift
        return result

    return product


def fraction_bits(w: Fixed | Integer) -> int:
    """Low bits of a product that are below the input's own scale: those of the weight's fraction."""
    return -rules.exponent(w.scale[0])


def bias_scale(x: Fixed | Integer, w: Fixed | Integer, products: str = "exact") -> tuple[float, ...]:
    """The accumulator's scale, which the bias has: s_x s_w in float32; truncated products leave the input's scale."""
    kept = 2.0 ** fraction_bits(w) if products == "truncated" else 1.0
    with np.errstate(over="ignore", under="ignore"):
        return tuple(float(s) * kept for s in np.float32(x.scale[0]) * np.array(w.scale, np.float32))


def shifts(site: Site) -> list[int]:
    """The right shift of the accumulators, one entry or one per channel; raises where a scale is no power of two."""
    x, w, y = (stored(t) for t in (site.inputs[0], site.inputs[1], site.outputs[0]))
    dropped = fraction_bits(w) if site.attributes.get("products") == "truncated" else 0
    return [int(shift) - dropped for shift in rules.accumulator_exponents(x, w, y)]


def weighted_integers(accumulate: Callable[..., Array], axis: int) -> Callable[[Sequence[Array], Site], Array]:
    """The integer meaning of sums by `accumulate(arrays, attributes, zero point, product)`, channels along `axis`."""

    def meaning(arrays: Sequence[Array], site: Site) -> Array:
        x, w, y = (stored(t) for t in (site.inputs[0], site.inputs[1], site.outputs[0]))
        truncated = site.attributes["products"] == "truncated"
        shifted = fraction_bits(w) if truncated else 0
        sums = accumulate(
            arrays, site.attributes, x.zero_point, truncated_product(shifted) if truncated else exact_product
        )
        if len(arrays) > 2:
            shape = [1] * sums.ndim
            shape[axis] = -1
            sums = sums + arrays[2].reshape(shape)
        return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis, shifted=shifted)

    return meaning


def _accumulate_conv_integers(arrays: Sequence[Array], attributes: Attributes, zero: int, product: Any) -> Array:
    return _accumulate_conv(arrays[0] - zero, arrays[1], attributes, 0, product)


def _accumulate_linear_integers(arrays: Sequence[Array], attributes: Attributes, zero: int, product: Any) -> Array:
    x, w = arrays[0] - zero, arrays[1]
    return np.asarray(product(x.reshape(-1, x.shape[-1]), w.T)).reshape(*x.shape[:-1], w.shape[0])


def weighted_elements(site: Site, *, channels: int = 0) -> None:
    """Operands of one kind; integer weights symmetric, `channels` their axis; the bias at the accumulator's scale."""
    x, w, y = site.inputs[0].element, site.inputs[1].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(w, Float) or isinstance(y, Float):
        if len({x, w, y, *(t.element for t in site.inputs[2:])}) > 1:
            raise BadInput(f"operands of different types meet: {x}, {w} and {y}")
        return
    rounding, products = site.attributes["rounding"], site.attributes["products"]
    if rounding not in rules.ROUNDINGS or products not in ("exact", "truncated"):
        raise BadInput(
            f"rounding {rounding!r} and products {products!r}: {rules.ROUNDINGS} and exact, truncated are allowed"
        )
    if w.zero_point or y.axis is not None or x.axis is not None or w.axis not in (None, channels):
        raise BadInput("weights are symmetric with scales per output channel at most, activations have one scale")
    if w.axis is not None and len(w.scale) != site.inputs[1].shape[channels]:
        raise BadInput(f"{len(w.scale)} weight scales for {site.inputs[1].shape[channels]} output channels")
    if rounding == "truncate" and (x.zero_point or y.zero_point):
        raise BadInput("truncation is defined for zero points of 0")
    if products == "truncated" and (rounding == "float" or w.axis is not None or not 0 <= fraction_bits(w) <= 62):
        raise BadInput("truncated products need shifts, not rounding 'float', and one weight scale in 2^-62 to 1")
    if rounding == "float":
        rules.check_multipliers(rules.multipliers(x, w, y))
    else:
        for shift in {int(shift) for shift in shifts(site)}:
            rules.check_shift(shift)
    if site.attributes["accumulator"] not in (32, 64):
        raise BadInput(f"an accumulator of {site.attributes['accumulator']} bits: 32 or 64 are allowed")
    if len(site.inputs) > 2:
        _bias_element(site, x, w)


def _bias_element(site: Site, x: Integer | Fixed, w: Integer | Fixed) -> None:
    bias = site.inputs[2].element
    if isinstance(bias, Float) or bias.zero_point:
        raise BadInput(f"an integer layer has an integer bias with zero point 0, not {bias}")
    wanted = bias_scale(x, w, str(site.attributes["products"]))
    if bias.scale != wanted:
        given, right = next(
            ((a, b) for a, b in zip(bias.scale, wanted, strict=False) if a != b), (bias.scale[0], wanted[0])
        )
        raise BadInput(
            f"the bias has {len(bias.scale)} scales with {given!r} where the accumulator's "
            f"(input's times weights') has {len(wanted)} with {right!r}"
        )


def _conv_nest(site: Site) -> dict[str, Any]:
    x, w = site.inputs[0].shape, site.inputs[1].shape
    n, k, p, q = site.outputs[0].shape
    groups = site.attributes["groups"]
    return {
        "n": n,
        "k": k // groups,
        "c": w[1],
        "p": p,
        "q": q,
        "r": w[2],
        "s": w[3],
        "groups": groups,
        "stride": site.attributes["stride"],
        "dilation": site.attributes["dilation"],
        "padding": site.attributes["padding"],
        "height": x[2],
        "width": x[3],
        "has_bias": len(site.inputs) > 2,
    }


def _linear_nest(site: Site) -> dict[str, Any]:
    w = site.inputs[1].shape
    return {"n": site.outputs[0].size // w[0], "k": w[0], "c": w[1], "has_bias": len(site.inputs) > 2}


OPERATORS = (
    Operator(
        name="conv2d",
        summary="2-d convolution (cross-correlation), grouped, dilated, padded with zeros",
        arity=(2, 3),
        attributes={"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1, **INTEGER_ATTRIBUTES},
        shape=_conv_shape,
        run=_run_conv,
        integers=weighted_integers(_accumulate_conv_integers, axis=1),
        nest=_conv_nest,
        elements=weighted_elements,
        gradient=gradients.conv2d,
    ),
    Operator(
        name="linear",
        summary="fully connected layer over the last axis",
        arity=(2, 3),
        attributes=INTEGER_ATTRIBUTES,
        shape=_linear_shape,
        run=_run_linear,
        integers=weighted_integers(_accumulate_linear_integers, axis=-1),
        nest=_linear_nest,
        elements=weighted_elements,
        gradient=gradients.linear,
    ),
)
