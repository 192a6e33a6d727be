"""Normalisation, and scaling of inputs.

BatchNormalization   gamma (x - mean) / sqrt(variance + eps) + beta along one axis
LayerNormalization   the same with each example's own mean and variance over the last axes; without the mean: RMS
GroupNormalization   over groups of channels and all places
UnitNormalization    x / sqrt(max(sum x^2, 1e-12))
Normalization        (x - mean) / max(sqrt(variance), 1e-7)           Rescaling   scale x + offset
"""

from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Value
from lamina.ir.network import Array
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Rule, Tensor, bounded, only, plain


def _affine(layer: Layer, shape: tuple[int, ...], like: Tensor) -> tuple[list[Value], int]:
    """gamma and beta, ones and zeros where there is none of them, and how many variables they took."""
    used, found = 0, []
    for label, setting, fill in (("gamma", "scale", 1.0), ("beta", "center", 0.0)):
        if layer.truth(setting, True):
            found.append(layer.constant(label, layer.array(used, shape), like))
            used += 1
        else:
            found.append(layer.filled(label, shape, fill, like))
    return found, used


def batch_normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("renorm")
    x = only(inputs)
    axis = layer.get("axis", -1)
    axis = x.axis(axis[0] if isinstance(axis, list) and len(axis) == 1 else axis)
    if axis == 0:
        raise BadInput("batch normalisation along the batch")
    c = x.shape[axis]
    affine, used = _affine(layer, (c,), x)
    statistics = [layer.constant(label, layer.array(used + i, (c,)), x) for i, label in enumerate(("mean", "variance"))]
    order = (0, axis, *(i for i in range(1, len(x.order)) if i != axis))
    value, lies = _with_order(layer, x, order)
    y = layer.emit("batch_norm", [value, *affine, *statistics], epsilon=layer.number("epsilon", 1e-3))
    return Tensor(y, lies)


def _with_order(layer: Layer, x: Tensor, order: tuple[int, ...]) -> tuple[Value, tuple[int, ...]]:
    """`x` lying in the order of Keras's axes `order`, and that as a tensor's order."""
    channel = order[1]
    if x.order[0] == 0 and x.order[channel] == 1:  # the rest may lie as it likes
        return x.value, x.order
    turned = layer.turned(x.value, tuple(x.order[axis] for axis in order))
    return turned, tuple(order.index(i) for i in range(len(order)))


def layer_normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("rms_scaling")
    x = plain(layer.plain(only(inputs)))
    axis = _last_axes(layer, x)
    affine, _ = _affine(layer, x.shape[axis:], x)
    y = layer.emit("layer_norm", [x.value, *affine], axis=axis, epsilon=layer.number("epsilon", 1e-3))
    return plain(y)


def _last_axes(layer: Layer, x: Tensor) -> int:
    """The first of the axes that are normalised, which are the last ones."""
    given = layer.get("axis", -1)
    axes = sorted(x.axis(axis) for axis in (given if isinstance(given, list) else [given]))
    if not axes or axes != list(range(axes[0], len(x.order))) or axes[0] == 0:
        raise Unsupported(f"normalisation over axes {one_line(given, 40)}: the last ones are read")
    return axes[0]


def rms_normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = plain(layer.plain(only(inputs)))
    axis = _last_axes(layer, x)
    square = layer.emit("multiply", [x.value, x.value], part="square")
    axes = tuple(range(axis, len(x.order)))
    mean = layer.emit("reduce_mean", [square], part="mean", axes=axes, keep=True)
    below = parts.affine(layer.builder, f"{layer.name}.below", mean, 1.0, layer.number("epsilon", 1e-6))
    y = layer.emit("divide", [x.value, layer.emit("sqrt", [below], part="root")], part="normalised")
    return plain(layer.emit("multiply", [y, layer.constant("scale", layer.array(0, x.shape[axis:]), x)]))


def group_normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    axis = x.axis(layer.get("axis", -1))
    c = x.shape[axis]
    given = layer.get("groups", 32)
    groups = c if given == -1 else layer.whole("groups", 32)
    if axis == 0 or c % groups:
        raise BadInput(f"{c} channels along axis {axis} in {groups} groups")
    affine, _ = _affine(layer, (c,), x)
    order = (0, axis, *(i for i in range(1, len(x.order)) if i != axis))
    value, lies = _with_order(layer, x, order)
    b, shape = layer.builder, value.shape
    rows = b.emit("reshape", [value], name=f"{layer.name}.groups", shape=(0, groups, -1))
    y = layer.emit("layer_norm", [rows], part="normalised", axis=2, epsilon=layer.number("epsilon", 1e-3))
    y = parts.reshape(b, f"{layer.name}.whole", y, shape)
    ones = (c, *[1] * (len(shape) - 2))
    factor, shift = (parts.reshape(b, f"{layer.name}.aligned", v, ones) for v in affine)
    return Tensor(layer.emit("add", [layer.emit("multiply", [y, factor], part="scaled"), shift]), lies)


def unit_normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    given = layer.get("axis", -1)
    axes = tuple(sorted(x.order[x.axis(a)] for a in (given if isinstance(given, list) else [given])))
    square = layer.emit("multiply", [x.value, x.value], part="square")
    total = layer.emit("reduce_sum", [square], part="sum", axes=axes, keep=True)
    least = layer.emit("maximum", [total, layer.builder.scalar(1e-12, x.value)], part="least")
    return Tensor(layer.emit("divide", [x.value, layer.emit("sqrt", [least], part="length")]), x.order)


def normalization(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    given = layer.config.get("axis", -1)
    axes = [] if given is None else [x.axis(a) for a in (given if isinstance(given, list) else [given])]
    shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
    mean, variance = (_statistic(layer, i, label, shape, axes) for i, label in enumerate(("mean", "variance")))
    if not (variance >= 0).all():
        raise BadInput("a variance is negative")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    behind = [x.order.index(place) for place in range(len(x.order))]  # the statistics lie as x does
    centre = layer.constant("mean", mean.transpose(behind), x)
    scale = layer.constant("deviation", deviation.transpose(behind), x)
    if layer.truth("invert", False):
        y = layer.emit("add", [layer.emit("multiply", [x.value, scale], part="scaled"), centre])
    else:
        y = layer.emit("divide", [layer.emit("subtract", [x.value, centre], part="centred"), scale])
    return Tensor(y, x.order)


def _statistic(layer: Layer, index: int, label: str, shape: tuple[int, ...], axes: list[int]) -> Array:
    """A mean or variance: of the description, else of the weights."""
    given: Any = layer.config.get(label)
    if given is None:
        return layer.array(index, tuple(shape[axis] for axis in axes)).astype(np.float64).reshape(shape)
    return spread(label, given, shape)


def spread(label: str, given: Any, shape: tuple[int, ...]) -> Array:
    """A number or list of numbers in `shape`, from the last axis."""
    if isinstance(given, dict):  # an array, as Keras describes one
        given = given.get("config", {}).get("value") if isinstance(given.get("config"), dict) else None
    try:
        array = np.asarray(given, np.float64)
        if array.size == prod(shape):
            return array.reshape(shape)
        return np.broadcast_to(array, bounded(shape))
    except (ValueError, TypeError) as e:
        raise BadInput(f"{label} is {one_line(given, 40)}: numbers of shape {list(shape)} are needed") from e


def rescaling(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    y = x.value
    behind = [x.order.index(place) for place in range(len(x.order))]
    for setting, operator, nothing in (("scale", "multiply", 1.0), ("offset", "add", 0.0)):
        given = layer.get(setting, nothing)
        if given == nothing:
            continue
        if isinstance(given, int | float):
            factor = layer.builder.scalar(float(given), y)
        else:
            numbers = spread(setting, given, (*[1] * (len(x.order) - 1), x.shape[-1]))
            factor = layer.constant(setting, numbers.transpose(behind), x)
        y = layer.emit(operator, [y, factor], part=setting)
    return Tensor(y, x.order)


def layer_scale(layer: Layer, inputs: list[Tensor]) -> Tensor:
    """ConvNeXt's factor for each channel."""
    x = only(inputs)
    ones = [1] * len(x.order)
    ones[x.order[-1]] = x.shape[-1]
    factor = layer.array(0, (x.shape[-1],)).reshape(ones)
    return Tensor(layer.emit("multiply", [x.value, layer.constant("gamma", factor, x)]), x.order)


RULES: dict[str, Rule] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "GroupNormalization": group_normalization,
    "UnitNormalization": unit_normalization,
    "Normalization": normalization,
    "Rescaling": rescaling,
    "LayerScale": layer_scale,
}
