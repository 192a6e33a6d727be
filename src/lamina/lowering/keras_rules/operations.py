"""Functions of `keras.ops` between the layers of a functional model, such as x * 2 + y.

They are no layers: they have no weights, and their arguments are tensors and numbers as the call wrote them. A rule is
a function (layer, arguments) -> tensor, where the layer stands for the call.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Value
from lamina.ir.types import Float
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Tensor, plain
from lamina.lowering.keras_rules.arrange import filled_in

Operation = Callable[[Layer, list[Any]], Tensor]


def _pointwise(operator: str, **attributes: Any) -> Operation:
    def operation(layer: Layer, arguments: list[Any]) -> Tensor:
        x = layer.real(tensor(arguments))
        return Tensor(layer.emit(operator, [x.value], **attributes), x.order)

    return operation


def _binary(operator: str) -> Operation:
    """Two operands, one of which may be a number."""

    def operation(layer: Layer, arguments: list[Any]) -> Tensor:
        if len(arguments) != 2:
            raise BadInput(f"{len(arguments)} arguments where two are needed")
        like = next((a for a in arguments if isinstance(a, Tensor)), None)
        if like is None:
            raise BadInput("no argument is a tensor")
        if operator in ("divide", "power") or not all(_is_whole(a) for a in arguments):
            arguments = [layer.real(a) if isinstance(a, Tensor) else a for a in arguments]
            like = next(a for a in arguments if isinstance(a, Tensor))
        tensors = [_operand(layer, a, like) for a in arguments]
        scalars = any(not t.order for t in tensors)
        values, order = ([t.value for t in tensors], like.order) if scalars else layer.aligned(tensors)
        return Tensor(layer.emit(operator, values), order)

    return operation


def _is_whole(argument: Any) -> bool:
    """Whether whole numbers stay whole beside `argument`."""
    if isinstance(argument, Tensor):
        return not isinstance(argument.value.type.element, Float)
    return isinstance(argument, int) or (isinstance(argument, np.ndarray) and argument.dtype.kind in "iu")


def _operand(layer: Layer, argument: Any, like: Tensor) -> Tensor:
    if isinstance(argument, Tensor):
        return argument
    if isinstance(argument, int | float) and not isinstance(argument, bool):
        return Tensor(layer.builder.scalar(float(argument), like.value), ())
    if isinstance(argument, np.ndarray) and argument.dtype.kind in "fiu" and not np.isnan(argument).any():
        return plain(layer.constant(f"operand_{argument.shape}", argument.astype(np.float64), like))
    raise Unsupported(f"an operand {one_line(argument, 40)}")


def tensor(arguments: list[Any]) -> Tensor:
    if not arguments or not isinstance(arguments[0], Tensor):
        raise BadInput("the first argument is no tensor")
    return arguments[0]


def not_equal(layer: Layer, arguments: list[Any]) -> Tensor:
    same = _binary("equal")(replace(layer, name=f"{layer.name}.equal"), arguments)
    return Tensor(layer.emit("logical_not", [same.value]), same.order)


def square(layer: Layer, arguments: list[Any]) -> Tensor:
    x = tensor(arguments)
    return Tensor(layer.emit("multiply", [x.value, x.value]), x.order)


def _setting(layer: Layer, arguments: list[Any], place: int, name: str, default: Any = None) -> Any:
    """An argument by its place, by its keyword, or of the operation's own settings."""
    if len(arguments) > place:
        return arguments[place]
    return layer.arguments.get(name, layer.config.get(name, default))


def _reduced(operator: str) -> Operation:
    def operation(layer: Layer, arguments: list[Any]) -> Tensor:
        x = tensor(arguments)
        given = _setting(layer, arguments, 1, "axis")
        axes = list(range(len(x.order))) if given is None else given if isinstance(given, list) else [given]
        places = tuple(sorted(x.order[x.axis(axis)] for axis in axes))
        keep = bool(_setting(layer, arguments, 2, "keepdims", False))
        x = layer.real(x) if operator == "reduce_mean" else x
        y = layer.emit(operator, [x.value], axes=places, keep=keep)
        if keep:
            return Tensor(y, x.order)
        left = [axis for axis in range(len(x.order)) if axis not in places]
        return Tensor(y, tuple(left.index(place) for place in x.order if place in left))

    return operation


def reshape(layer: Layer, arguments: list[Any]) -> Tensor:
    x = tensor(arguments)
    wanted = _setting(layer, arguments, 1, "newshape")
    if isinstance(wanted, list) and wanted and wanted[0] in (None, -1) and all(type(s) is int for s in wanted[1:]):
        batch = x.shape[0] if x.shape else 1
        wanted = [batch if -1 in wanted[1:] else -1, *wanted[1:]]
    return plain(parts.reshape(layer.builder, layer.name, layer.plain(x), filled_in(wanted, x.value.type.size)))


def transpose(layer: Layer, arguments: list[Any]) -> Tensor:
    x = tensor(arguments)
    axes = _setting(layer, arguments, 1, "axes") or list(range(len(x.order)))[::-1]
    if not isinstance(axes, list) or sorted(x.axis(axis) for axis in axes) != list(range(len(x.order))):
        raise BadInput(f"axes {one_line(axes, 40)} of a value of shape {list(x.shape)}")
    return Tensor(x.value, tuple(x.order[x.axis(axis)] for axis in axes))


def concatenate(layer: Layer, arguments: list[Any]) -> Tensor:
    tensors = arguments[0] if arguments and isinstance(arguments[0], list) else []
    if not tensors or not all(isinstance(t, Tensor) for t in tensors):
        raise BadInput("nothing to join")
    values, order = layer.aligned(tensors)
    axis = Tensor(values[0], order).axis(_setting(layer, arguments, 1, "axis", 0))
    return Tensor(layer.emit("concatenate", values, axis=order[axis]) if len(values) > 1 else values[0], order)


def expand_dims(layer: Layer, arguments: list[Any]) -> Tensor:
    x = layer.plain(tensor(arguments))
    axis = _setting(layer, arguments, 1, "axis", 0)
    rank = len(x.shape) + 1
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise BadInput(f"axis {one_line(axis, 40)} of a value of shape {list(x.shape)}")
    axis %= rank
    return plain(parts.reshape(layer.builder, layer.name, x, (*x.shape[:axis], 1, *x.shape[axis:])))


def squeeze(layer: Layer, arguments: list[Any]) -> Tensor:
    given = tensor(arguments)
    x, axis = layer.plain(given), _setting(layer, arguments, 1, "axis")
    axes = range(len(x.shape)) if axis is None else axis if isinstance(axis, list) else [axis]
    gone = {given.axis(a) for a in axes if x.shape[given.axis(a)] == 1}
    return plain(parts.reshape(layer.builder, layer.name, x, tuple(s for i, s in enumerate(x.shape) if i not in gone)))


def matmul(layer: Layer, arguments: list[Any]) -> Tensor:
    if len(arguments) != 2 or not all(isinstance(a, Tensor) and len(a.order) > 1 for a in arguments):
        raise Unsupported("a matrix product of anything but two tensors of two axes or more")
    values: list[Value] = [layer.plain(layer.real(a)) for a in arguments]
    return plain(layer.emit("matmul", values))


def softmax(layer: Layer, arguments: list[Any]) -> Tensor:
    x = layer.real(tensor(arguments))
    axis = x.axis(_setting(layer, arguments, 1, "axis", -1))
    operator = "log_softmax" if layer.kind.startswith("Log") else "softmax"
    return Tensor(layer.emit(operator, [x.value], axis=x.order[axis]), x.order)


OPERATIONS: dict[str, Operation] = {
    "Add": _binary("add"),
    "Subtract": _binary("subtract"),
    "Multiply": _binary("multiply"),
    "Divide": _binary("divide"),
    "TrueDivide": _binary("divide"),
    "Power": _binary("power"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Negative": _pointwise("negate"),
    "Abs": _pointwise("absolute"),
    "Absolute": _pointwise("absolute"),
    "Exp": _pointwise("exp"),
    "Log": _pointwise("log"),
    "Sqrt": _pointwise("sqrt"),
    "Tanh": _pointwise("tanh"),
    "Sin": _pointwise("sin"),
    "Cos": _pointwise("cos"),
    "Relu": _pointwise("relu"),
    "Relu6": _pointwise("clip", low=0.0, high=6.0),
    "Sigmoid": _pointwise("sigmoid"),
    "Silu": _pointwise("silu"),
    "Softplus": _pointwise("softplus"),
    "Equal": _binary("equal"),
    "NotEqual": not_equal,
    "LogicalAnd": _binary("logical_and"),
    "Any": _reduced("reduce_max"),
    "Square": square,
    "Mean": _reduced("reduce_mean"),
    "Sum": _reduced("reduce_sum"),
    "Max": _reduced("reduce_max"),
    "Min": _reduced("reduce_min"),
    "Reshape": reshape,
    "Transpose": transpose,
    "Concatenate": concatenate,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Matmul": matmul,
    "Softmax": softmax,
    "LogSoftmax": softmax,
}
