"""Between kinds of numbers that need no scale: floats, plain integers (scale 1, zero point 0), truth values.

    float -> float      rounded to the nearest
    float -> integer    truncated towards zero, held inside the type's range; NaN becomes 0
    integer -> integer  the low bits, as machines keep them
    integer -> float    rounded to the nearest
    anything -> truth   whether it is not 0 (NaN is not)

`quantise` and `dequantise` are the conversions that have a scale.
"""

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.gradients import move as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import plain
from lamina.ir.operators._table import Operator, Site, elementwise_nest
from lamina.ir.types import BOOL, Element, Float, Integer


def cast(x: Array, to: Element) -> Array:
    """`x`, stored floats or plain integers, as stored numbers of `to`."""
    if isinstance(to, Float):
        return x.astype(to.storage)
    if to == BOOL:
        return np.asarray(x != 0, np.uint8)
    assert isinstance(to, Integer)
    if x.dtype.kind == "f":
        return _truncated(x, to)
    low = x.astype(np.int64) & ((1 << to.bits) - 1) if to.bits < 64 else x.astype(np.int64)
    return np.where(low > to.high, low - (1 << to.bits), low) if to.signed and to.bits < 64 else low


def _truncated(x: Array, to: Integer) -> Array:
    """Towards zero and inside the range; float64 has no 2^63 - 1, so the ends are set, not cast."""
    whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    inside = (whole >= to.low) & (whole < to.high)
    kept = np.where(inside, whole, 0.0).astype(np.int64)
    return np.where(inside, kept, np.where(whole < 0, to.low, to.high))


def _elements(site: Site) -> None:
    for type_ in (*site.inputs, *site.outputs):
        if not isinstance(type_.element, Float) and not plain(type_.element):
            raise BadInput(f"cast takes floats and plain integers, not {type_.element}: quantise or dequantise it")


OPERATORS = (
    Operator(
        name="cast",
        summary="the number as another type",
        arity=(1, 1),
        shape=lambda shapes, attributes: shapes[0],
        moves=lambda arrays, site: cast(arrays[0], site.outputs[0].element),
        nest=elementwise_nest,
        elements=_elements,
        gradient=gradients.cast,
    ),
)
