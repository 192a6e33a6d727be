"""Operators that only move, compare or choose numbers: on integers they are what they are, on operands of one element.

clipping     a relu or clip whose operand has its element is nothing where the element's own ends do the same
constants    among the operands are stored in the common element; they do not widen it (a gather's table does)
"""

from collections.abc import Callable, Sequence

import numpy as np

from lamina.ir import integers
from lamina.ir.build import Value
from lamina.ir.network import Operation
from lamina.ir.quantise.scopes import Scope
from lamina.ir.quantise.settings import Form
from lamina.ir.quantise.write import Writer
from lamina.ir.types import Element, Fixed, Integer

Names = Callable[[Scope, Operation], Sequence[str]]


def _first(scope: Scope, operation: Operation) -> Sequence[str]:
    return [operation.inputs[0], operation.name]


def _all(scope: Scope, operation: Operation) -> Sequence[str]:
    return [*operation.inputs, operation.name]


def _operands(scope: Scope, operation: Operation) -> Sequence[str]:
    return [*operation.inputs]


def _scattered(scope: Scope, operation: Operation) -> Sequence[str]:
    return [operation.inputs[0], operation.inputs[2], operation.name]


def _some_float(scope: Scope, operation: Operation) -> bool:
    """A value of `same` that is no constant: there is an element to have."""
    return any(scope.is_float(n) and scope.constant(n) is None for n in operation.inputs)


def _moved(w: Writer, operation: Operation) -> None:
    element = common(w, operation)
    inputs = [w.stored(n, element) if w.scope.is_float(n) else w.real(n) for n in operation.inputs]
    _put(w, operation, inputs, element)


def common(w: Writer, operation: Operation) -> Integer | Fixed:
    """The element of the operands that must be alike: that of the first one which is no constant."""
    floats = [n for n in operation.inputs if w.scope.is_float(n)]
    name = next((n for n in floats if w.scope.constant(n) is None), None)
    return w.plan.element(w.key(name if name is not None else floats[0]))


def _put(w: Writer, operation: Operation, inputs: Sequence[Value], element: Element) -> None:
    """Emit the operation as it is; results that were floats have `element`."""
    kinds = [element if w.scope.is_float(n) else t.element for n, t in operation.outputs.items()]
    made = w.builder.emit(
        operation.operator, inputs, name=operation.name, element=kinds if len(kinds) > 1 else kinds[0],
        **operation.attributes,
    )  # fmt: skip
    for name, value in zip(operation.outputs, made if isinstance(made, list) else [made], strict=True):
        w.put(name, value)


def _clipped(w: Writer, operation: Operation) -> None:
    element = common(w, operation)
    x = w.stored(operation.inputs[0], element)
    low, high = _ends(w, operation, element)
    if low <= element.low and high >= element.high:
        w.put(operation.name, x)
    else:
        _put(w, operation, [x], element)


def _ends(w: Writer, operation: Operation, element: Integer | Fixed) -> tuple[int, int]:
    if operation.operator == "relu":
        return element.zero_point, element.high
    attributes = w.scope.site(operation).attributes
    low, high = (int(integers.quantise(np.asarray(attributes[end]), element)) for end in ("low", "high"))
    return low, high


def _nearest(scope: Scope, operation: Operation) -> bool:
    return bool(scope.site(operation).attributes["mode"] == "nearest")


def _combines(scope: Scope, operation: Operation) -> bool:
    return scope.site(operation).attributes["reduction"] != "mul" and _some_float(scope, operation)


VIEWS = ("flatten", "reshape", "transpose", "slice", "pad", "expand", "tile", "max_pool2d", "max_pool2d_switches")
CHOSEN = ("gather_elements", "gather_nd", "max_unpool2d", "reduce_max", "reduce_min", "top_k")
COMPARED = ("equal", "less", "less_or_equal", "greater", "greater_or_equal", "argmax", "argmin")
MOVING: dict[str, Form] = {
    **{name: Form(write=_moved, same=_first, fits=_some_float) for name in (*VIEWS, *CHOSEN)},
    **{
        name: Form(write=_moved, same=_all, fits=_some_float) for name in ("concatenate", "minimum", "maximum", "where")
    },
    **{name: Form(write=_moved, same=_operands, fits=_some_float) for name in COMPARED},
    **{name: Form(write=_moved, same=_scattered, fits=_combines) for name in ("scatter_elements", "scatter_nd")},
    **{name: Form(write=_clipped, same=_first, fits=_some_float) for name in ("relu", "clip")},
    "gather": Form(write=_moved, same=_first, table=True),
    "resize": Form(write=_moved, same=_first, fits=_nearest),
}
