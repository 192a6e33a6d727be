"""Layers of several inputs: sums, products, extremes, joining, and the product of two tensors along an axis.

Dot    rank 2: sum_i x_i y_i   rank 3: x and y multiplied as matrices along the axes given, the others kept
"""

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Rule, Tensor, plain


def _folded(operator: str) -> Rule:
    """All inputs by one operator, from the left."""

    def rule(layer: Layer, inputs: list[Tensor]) -> Tensor:
        if len(inputs) < 2:
            raise BadInput(f"{len(inputs)} inputs where at least two are needed")
        (total, *others), order = layer.aligned(inputs)
        for other in others:
            total = layer.emit(operator, [total, other])
        return Tensor(total, order)

    return rule


def average(layer: Layer, inputs: list[Tensor]) -> Tensor:
    total: Tensor = _folded("add")(layer, inputs)
    return Tensor(parts.affine(layer.builder, f"{layer.name}.mean", total.value, 1 / len(inputs)), total.order)


def concatenate(layer: Layer, inputs: list[Tensor]) -> Tensor:
    if not inputs:
        raise BadInput("nothing to join")
    values, order = layer.aligned(inputs)
    axis = Tensor(values[0], order).axis(layer.get("axis", -1))
    return Tensor(layer.emit("concatenate", values, axis=order[axis]) if len(values) > 1 else values[0], order)


def custom_scale(layer: Layer, inputs: list[Tensor]) -> Tensor:
    """Inception-ResNet's residual: x + scale y."""
    (x, y), order = layer.aligned(inputs)
    scaled = parts.affine(layer.builder, f"{layer.name}.scaled", y, layer.number("scale"))
    return Tensor(layer.emit("add", [x, scaled]), order)


def dot(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("normalize")
    axes = layer.get("axes")
    axes = axes if isinstance(axes, list) else [axes] * 2
    if len(inputs) != 2 or len(axes) != 2 or any(len(x.order) != len(inputs[0].order) for x in inputs):
        raise BadInput(f"{len(inputs)} inputs and axes {one_line(axes, 40)}: two tensors of equal rank are needed")
    a, b = (x.axis(axis) for x, axis in zip(inputs, axes, strict=True))
    x, y = (layer.plain(t) for t in inputs)
    if len(x.shape) == 2 and a == b == 1:
        product = layer.emit("multiply", [x, y], part="products")
        return plain(layer.emit("reduce_sum", [product], axes=(1,), keep=True))
    if len(x.shape) != 3 or not a or not b:
        raise Unsupported(f"a product of {list(x.shape)} and {list(y.shape)} along axes {axes}")
    x = x if a == 2 else layer.emit("transpose", [x], part="left", order=(0, 2, 1))
    y = y if b == 1 else layer.emit("transpose", [y], part="right", order=(0, 2, 1))
    return plain(layer.emit("matmul", [x, y]))


RULES: dict[str, Rule] = {
    "Add": _folded("add"),
    "Subtract": _folded("subtract"),
    "Multiply": _folded("multiply"),
    "Maximum": _folded("maximum"),
    "Minimum": _folded("minimum"),
    "Average": average,
    "Concatenate": concatenate,
    "CustomScaleLayer": custom_scale,
    "Dot": dot,
}
