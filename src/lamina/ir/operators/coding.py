"""Between real numbers and their codes.

    quantise           q = clip(rint(x / s) + z)            float -> integer or fixed point
    dequantise         x = s (q - z)                        and back
    lookup             y = table[q - low]                   any function of one stored number: 2^bits entries, no libm
    piecewise_linear   y = clip(((slope[i] x) >> n) + intercept[i]),  i = number of starts[1:] that are <= x

`piecewise_linear` is what accelerators do for tanh and sigmoid (DianNao: 16 segments, coefficients in a small RAM);
starts, slopes and intercepts are stored in the fixed-point format of the input, n its fraction bits.
"""

from collections.abc import Sequence

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest, same_element, stored
from lamina.ir.types import Fixed, Float


def _same(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    return shapes[0]


def _identity(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return arrays[0]


def _quantise(arrays: Sequence[Array], site: Site) -> Array:
    return rules.quantise(arrays[0], stored(site.outputs[0]))


def _dequantise(arrays: Sequence[Array], site: Site) -> Array:
    return rules.dequantise(arrays[0], stored(site.inputs[0]))


def _quantise_elements(site: Site) -> None:
    if not isinstance(site.inputs[0].element, Float) or isinstance(site.outputs[0].element, Float):
        raise BadInput("quantise goes from float to an integer or fixed-point type")
    if site.outputs[0].element.axis is not None:
        raise BadInput("activations have one scale")


def _dequantise_elements(site: Site) -> None:
    if isinstance(site.inputs[0].element, Float) or not isinstance(site.outputs[0].element, Float):
        raise BadInput("dequantise goes from an integer or fixed-point type to float")
    q = site.inputs[0].element
    if q.axis is not None:
        raise BadInput("activations have one scale")
    if max(q.high - q.zero_point, q.zero_point - q.low) * q.scale[0] > float(np.finfo(np.float32).max):
        raise BadInput(f"{q} holds numbers outside float32")


def _lookup_elements(site: Site) -> None:
    x, table, y = site.inputs[0].element, site.inputs[1].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(y, Float) or x.bits > 16 or table != y or x.axis is not None:
        raise BadInput("lookup takes an integer of at most 16 bits and a table of the result's type")
    if site.inputs[1].shape != (2**x.bits,):
        raise BadInput(f"a table of shape {list(site.inputs[1].shape)}, [{2**x.bits}] is needed")


def _lookup(arrays: Sequence[Array], site: Site) -> Array:
    return np.asarray(arrays[1][arrays[0] - stored(site.inputs[0]).low])


def _segments_elements(site: Site) -> None:
    same_element(site)
    if not isinstance(site.inputs[0].element, Fixed):
        raise BadInput("piecewise_linear is defined on fixed-point numbers")
    if len({(t.element, t.shape) for t in site.inputs[1:]}) != 1 or site.inputs[1].element != site.inputs[0].element:
        raise BadInput("starts, slopes and intercepts have one length and the type of the input")
    if len(site.inputs[1].shape) != 1:
        raise BadInput("starts, slopes and intercepts are lists")


def _segments(arrays: Sequence[Array], site: Site) -> Array:
    element = site.inputs[0].element
    assert isinstance(element, Fixed)
    x, starts, slopes, intercepts = arrays
    segment = np.searchsorted(starts[1:], x, side="right")
    return rules.clip(((slopes[segment] * x) >> element.fraction_bits) + intercepts[segment], element)


def _no_float(arrays: Sequence[Array], attributes: Attributes) -> Array:
    raise BadInput("this operator is defined on integers alone")


OPERATORS = (
    Operator(
        name="quantise",
        summary="real numbers to integers: clip(rint(x / s) + z)",
        arity=(1, 1),
        shape=_same,
        run=_identity,
        integers=_quantise,
        nest=elementwise_nest,
        elements=_quantise_elements,
    ),
    Operator(
        name="dequantise",
        summary="integers to real numbers: s (q - z)",
        arity=(1, 1),
        shape=_same,
        run=_identity,
        integers=_dequantise,
        nest=elementwise_nest,
        elements=_dequantise_elements,
    ),
    Operator(
        name="lookup",
        summary="a stored table gives the result for each integer",
        arity=(2, 2),
        shape=_same,
        run=_no_float,
        integers=_lookup,
        nest=elementwise_nest,
        elements=_lookup_elements,
    ),
    Operator(
        name="piecewise_linear",
        summary="slope and intercept chosen by segment, in fixed point",
        arity=(4, 4),
        shape=_same,
        run=_no_float,
        integers=_segments,
        nest=lambda site: elementwise_nest(site, ops_per_element=2),
        elements=_segments_elements,
    ),
)
