"""Functions of one number in integers: a table with an entry for each integer, or straight segments in fixed point.

    table      y[q] = clip(rint(f(s_x (q - z_x)) / s_y) + z_y), f in float64 by the operator table, rounded half to even
    segments   tanh and sigmoid as `ir.segments` fits them, on 16 bits of fixed point; what chips do

Beside the activations, an operator with one operand and one stored number is such a function: x^2, 1 / x. Where f
has no value (the root of -1) the entry is that of 0: no number that was measured came there.
"""

import numpy as np

from lamina.ir import integers, segments
from lamina.ir.network import Array, Operation
from lamina.ir.operators import TABLE
from lamina.ir.quantise.scopes import Scope
from lamina.ir.quantise.settings import Form
from lamina.ir.quantise.write import Writer
from lamina.ir.types import Fixed, Integer, Type

UNARY = (
    "tanh", "sigmoid", "exp", "log", "sqrt", "reciprocal", "floor", "ceil", "round", "sign", "erf", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "softplus", "softsign", "silu", "gelu", "elu",
    "selu", "leaky_relu", "hard_sigmoid",
)  # fmt: skip
BINARY = ("divide", "power", "remainder")  # with one stored number


def values(scope: Scope, operation: Operation, x: Array) -> Array:
    """The function of an operation at `x`, in float64."""
    entry = TABLE[operation.operator]
    assert entry.run is not None
    operands = []
    for name in operation.inputs:
        constant = scope.constant(name)
        operands.append(
            x if constant is None or constant.data is None else constant.data.astype(np.float64).reshape(())
        )
    with np.errstate(all="ignore"):
        found = entry.run([np.broadcast_to(o, x.shape) for o in operands], scope.site(operation).attributes)
    return np.asarray(found, np.float64)


def entries(scope: Scope, operation: Operation, x: Integer | Fixed, y: Integer | Fixed) -> Array:
    """The table of an operation from integers of `x` to integers of `y`."""
    real = (np.arange(x.low, x.high + 1) - x.zero_point) * np.float64(x.scale[0])
    units = np.nan_to_num(
        values(scope, operation, real) / np.float64(y.scale[0]), nan=0.0, posinf=2.0**40, neginf=-(2.0**40)
    )
    whole = np.rint(np.clip(units, -(2.0**40), 2.0**40)).astype(np.int64) + y.zero_point
    return integers.clip(whole, y)


def _lookup(w: Writer, operation: Operation) -> None:
    name = next(n for n in operation.inputs if w.scope.constant(n) is None)
    kind = w.element(name)
    if isinstance(kind, Fixed) and operation.operator in segments.FUNCTIONS:
        _segments(w, operation, kind)
        return
    x = w.operand(name)
    assert isinstance(x.type.element, Integer | Fixed)
    y = w.element(operation.name)
    data = entries(w.scope, operation, x.type.element, y)
    table = w.shared(f"{operation.operator}.table", data, Type(shape=data.shape, element=y))
    w.put(operation.name, w.builder.emit("lookup", [x, table], name=operation.name, element=y))


def _segments(w: Writer, operation: Operation, kind: Fixed) -> None:
    found = segments.fit(operation.operator, kind)
    tables = [
        w.shared(f"{operation.operator}.{part}", data, Type(shape=data.shape, element=kind))
        for part, data in (("starts", found.starts), ("slopes", found.slopes), ("intercepts", found.intercepts))
    ]
    made = w.builder.emit("piecewise_linear", [w.stored(operation.inputs[0]), *tables], name=f"{operation.name}.fixed")
    w.put(operation.name, w.requantised(made, w.element(operation.name)))


def _one_number(scope: Scope, operation: Operation) -> bool:
    """One operand is a value, the other a stored number."""
    constants = [scope.constant(name) for name in operation.inputs]
    stored = [c for c in constants if c is not None and c.data is not None and c.type.size == 1]
    value = [n for n, c in zip(operation.inputs, constants, strict=True) if c is None]
    return len(stored) == len(value) == 1 and scope.types[value[0]].shape == scope.types[operation.name].shape


TABLES: dict[str, Form] = {
    **{name: Form(write=_lookup) for name in UNARY},
    **{name: Form(write=_lookup, fits=_one_number) for name in BINARY},
}
