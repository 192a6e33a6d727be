"""Activations: named in a layer's setting, or a layer of their own.

    relu, tanh, sigmoid, ...     operators of the table
    hard_sigmoid                 relu6(x + 3) / 6            hard_silu   x hard_sigmoid(x)
    mish                         x tanh(log(1 + e^x))        celu        alpha elu(x / alpha)
    ReLU                         slope (x - threshold) below the threshold, at most max_value

A name that is none of Keras's is a function of the author's; its code is not in the file, and it is refused.
"""

from collections.abc import Callable
from typing import Any

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder, Value
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Rule, Tensor, only

Function = Callable[[Builder, str, Value], Value]


def _plain(operator: str, **attributes: Any) -> Function:
    def function(b: Builder, name: str, x: Value) -> Value:
        result: Value = b.emit(operator, [x], name=name, **attributes)
        return result

    return function


def _hard_sigmoid(b: Builder, name: str, x: Value) -> Value:
    result: Value = b.emit("hard_sigmoid", [x], name=name, alpha=1 / 6, beta=0.5)
    return result


def _times(inner: Function) -> Function:
    """x times a function of x."""

    def function(b: Builder, name: str, x: Value) -> Value:
        result: Value = b.emit("multiply", [x, inner(b, f"{name}.gate", x)], name=name)
        return result

    return function


def _mish_gate(b: Builder, name: str, x: Value) -> Value:
    result: Value = b.emit("tanh", [b.emit("softplus", [x], name=f"{name}.softplus")], name=name)
    return result


def _log_sigmoid(b: Builder, name: str, x: Value) -> Value:
    y = b.emit("softplus", [b.emit("negate", [x], name=f"{name}.negated")], name=f"{name}.softplus")
    result: Value = b.emit("negate", [y], name=name)
    return result


FUNCTIONS: dict[str, Function] = {
    "linear": lambda b, name, x: x,
    "relu": _plain("relu"),
    "relu6": _plain("clip", low=0.0, high=6.0),
    "tanh": _plain("tanh"),
    "sigmoid": _plain("sigmoid"),
    "softplus": _plain("softplus"),
    "softsign": _plain("softsign"),
    "exponential": _plain("exp"),
    "elu": _plain("elu"),
    "selu": _plain("selu"),
    "gelu": _plain("gelu"),
    "silu": _plain("silu"),
    "swish": _plain("silu"),
    "leaky_relu": _plain("leaky_relu", slope=0.2),
    "hard_tanh": _plain("clip", low=-1.0, high=1.0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _times(_hard_sigmoid),
    "hard_swish": _times(_hard_sigmoid),
    "mish": _times(_mish_gate),
    "log_sigmoid": _log_sigmoid,
    "celu": _plain("elu"),
}
OVER_AXIS = ("softmax", "log_softmax")


def name_of(given: Any) -> str:
    """The name of an activation as a layer's setting holds it: text, or a described function of Keras."""
    if given is None:
        return "linear"
    if isinstance(given, dict):
        module = str(given.get("module"))
        config = given.get("config")
        if given.get("registered_name") not in (None, config, "function") or not module.startswith(
            ("builtins", "keras")
        ):
            title = one_line(given.get("registered_name"), 60)
            raise Unsupported(f"an activation of the author's own ({title}): its code is not in the file")
        given = config if isinstance(config, str) else {"ReLU": "relu"}.get(str(given.get("class_name")), config)
    if not isinstance(given, str):
        raise BadInput(f"an activation that is described as {one_line(given, 60)}")
    return given


def activate(layer: Layer, x: Tensor, given: Any, name: str | None = None) -> Tensor:
    """`x` through the activation that a setting describes."""
    title = name_of(given)
    name = name or f"{layer.name}.{title}"
    if title in OVER_AXIS:
        return Tensor(layer.builder.emit(title, [x.value], name=name, axis=x.order[-1]), x.order)
    return Tensor(function(title)(layer.builder, name, x.value), x.order)


def function(title: str) -> Function:
    if title not in FUNCTIONS:
        known = ", ".join(sorted([*FUNCTIONS, *OVER_AXIS]))
        raise Unsupported(f"activation {one_line(title, 60)!r}; those that are read: {known}")
    return FUNCTIONS[title]


def activation(layer: Layer, inputs: list[Tensor]) -> Tensor:
    return activate(layer, only(inputs), layer.config.get("activation"), layer.name)


def relu(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    slope, threshold = layer.number("negative_slope", 0.0), layer.number("threshold", 0.0)
    highest = layer.config.get("max_value")
    y, b = x.value, layer.builder
    if threshold:
        limit = b.scalar(threshold, y)
        above = layer.emit("less", [y, limit], part="below")
        low = parts.affine(b, f"{layer.name}.slope", layer.emit("subtract", [y, limit], part="beyond"), slope)
        y = layer.emit("where", [above, low if slope else b.scalar(0.0, y), y], part="rectified")
    elif slope:
        y = layer.emit("leaky_relu", [y], slope=slope)
    elif highest is None:
        y = layer.emit("relu", [y])
    if highest is not None:
        low_bound = 0.0 if not slope and not threshold else float("-inf")
        y = layer.emit("clip", [y], low=low_bound, high=layer.number("max_value"))
    return Tensor(y, x.order)


def leaky_relu(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    slope = layer.number("negative_slope", layer.get("alpha", 0.3))
    return Tensor(layer.emit("leaky_relu", [x.value], slope=slope), x.order)


def elu(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    return Tensor(layer.emit("elu", [x.value], alpha=layer.number("alpha", 1.0)), x.order)


def prelu(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    shared = layer.get("shared_axes", [])
    shape = list(x.shape[1:])
    for axis in shared if isinstance(shared, list) else [shared]:
        shape[x.axis(axis) - 1] = 1
    slope = layer.array(0, shape)[None]
    behind = [x.order.index(place) for place in range(len(x.order))]  # the slope lies as x does
    return Tensor(
        parts.prelu(layer.builder, layer.name, x.value, layer.constant("slope", slope.transpose(behind), x)), x.order
    )


def softmax(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    axis = layer.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) != 1:
        raise Unsupported(f"softmax over {len(axes)} axes")
    return Tensor(layer.emit("softmax", [x.value], axis=x.order[x.axis(axes[0])]), x.order)


RULES: dict[str, Rule] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "ELU": elu,
    "PReLU": prelu,
    "Softmax": softmax,
}
