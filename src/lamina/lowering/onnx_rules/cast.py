"""Casts. Real numbers become integers by truncation, anything becomes a truth value by comparing with zero."""

from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_coding import saturated_integers
from lamina.lowering._onnx_node import BOOLEAN, Node, Tensor, element_of, known
from lamina.lowering.onnx_rules._rule import rule


def converted(node: Node, x: Tensor, dtype: np.dtype[Any], *, last: bool = False) -> Tensor:
    """`x` in ONNX's type `dtype`; numbers that fit it stay what they are."""
    if x.dtype == dtype:
        return x
    if x.array is not None and x.value is None and dtype.kind in "fiub" and x.dtype.kind in "fiub":
        with np.errstate(all="ignore"):
            return known(x.name, x.array.astype(dtype))
    x = node.plain(x)
    element = element_of(dtype)
    if node.value(x).type.element == element:
        made = Tensor(x.name, dtype, x.shape, None, node.value(x))
        return made if _holds(dtype, x.dtype) else node.wrapped(made)
    make = node.emit if last else node.step
    found: Tensor = make("cast", x, dtype=dtype, element=element)
    return found


def _holds(wide: np.dtype[Any], narrow: np.dtype[Any]) -> bool:
    """Whether integers of type `narrow` all exist in `wide`."""
    return wide == BOOLEAN or (wide.kind in "iu" and narrow.kind in "iub" and np.can_cast(narrow, wide))


@rule("Cast")
def cast(node: Node) -> Tensor:
    to = model.kind(node.integer("to"))
    if to.kind in "iu" and to.itemsize == 1 and (found := saturated_integers(node)) is not None:
        return found
    return _to(node, to)


@rule("CastLike")
def cast_like(node: Node) -> Tensor:
    return _to(node, node.x(1).dtype)


def _to(node: Node, to: np.dtype[Any]) -> Tensor:
    if to.kind not in "fiub":
        raise BadInput(f"a cast to {to}: four-bit integers come from QuantizeLinear alone")
    return converted(node, node.x(), to, last=True)
