"""Numbers made comparable: by running statistics, by their own neighbours, or as probabilities.

    batch_norm   y = scale (x - mean) / sqrt(variance + eps) + bias        per channel (axis 1)
    layer_norm   the same with mean and variance of the value itself, over axes `axis`..; scale, bias of those axes
    lrn          y = x / (k + alpha/size sum x^2)^beta                     the sum over `size` neighbouring channels
    softmax      e^x / sum e^x along an axis       log_softmax   x - log sum e^x

The variance is that of the population. Both softmaxes subtract the maximum first, so that no exponential overflows.
Papers: Ioffe and Szegedy 2015; Ba, Kiros and Hinton 2016; Krizhevsky, Sutskever and Hinton 2012 (lrn; the window as
ONNX defines it: (size - 1) // 2 channels before, the rest behind).
"""

from collections.abc import Callable, Sequence

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.gradients import normalise as gradients
from lamina.ir.network import Array
from lamina.ir.operators._table import Attributes, Gradient, Operator, Shape, Site, elementwise_nest, same_element


def _batch_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if len(shapes[0]) < 2 or any(shape != (shapes[0][1],) for shape in shapes[1:]):
        raise BadInput(f"batch_norm of {list(shapes[0])}: scale, bias, mean and variance have one number per channel")
    _positive(attributes, "epsilon", 0.0)
    return shapes[0]


def _positive(attributes: Attributes, name: str, least: float) -> None:
    if not least <= attributes[name] < float("inf"):
        raise BadInput(f"{name} {attributes[name]}: a finite number of at least {least} is needed")


def _batch(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x = arrays[0]
    scale, bias, mean, variance = (a.reshape(1, -1, *[1] * (x.ndim - 2)) for a in arrays[1:])
    return np.asarray((x - mean) / np.sqrt(variance + attributes["epsilon"]) * scale + bias, x.dtype)


def first_axis(shape: Shape, attributes: Attributes) -> int:
    """The first normalised axis, not negative."""
    axis = int(attributes["axis"])
    if not -len(shape) <= axis < len(shape):
        raise BadInput(f"axis {axis} of a value of shape {list(shape)}")
    return axis % len(shape)


def _layer_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    own = shapes[0][first_axis(shapes[0], attributes) :]
    if any(shape != own for shape in shapes[1:]):
        raise BadInput(f"layer_norm over {list(own)}: scale and bias have that shape")
    _positive(attributes, "epsilon", 0.0)
    return shapes[0]


def _layer(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x = arrays[0]
    axes = tuple(range(first_axis(x.shape, attributes), x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + attributes["epsilon"])
    y = centred / spread
    if len(arrays) > 1:
        y = y * arrays[1]
    return np.asarray(y if len(arrays) < 3 else y + arrays[2], x.dtype)


def _lrn_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if len(shapes[0]) < 2 or attributes["size"] < 1:
        raise BadInput(
            f"lrn over {attributes['size']} channels of {list(shapes[0])}: [n,c,...] and a size of 1 or more"
        )
    return shapes[0]


def _channels(site: Site) -> int:
    return site.inputs[0].shape[1]


def _lrn(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x, size = arrays[0], attributes["size"]
    before = (size - 1) // 2
    channels = x.shape[1]
    sums = np.zeros_like(x)
    for shift in range(-min(before, channels - 1), min(size - 1 - before, channels - 1) + 1):
        low, high = max(0, -shift), channels - max(0, shift)
        sums[:, low:high] += x[:, low + shift : high + shift] ** 2
    return np.asarray(x / (attributes["k"] + attributes["alpha"] / size * sums) ** attributes["beta"], x.dtype)


def _axis(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    first_axis(shapes[0], attributes)
    return shapes[0]


def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _floats(site: Site) -> None:
    """All operands are of the result's type."""
    met = {t.element for t in (*site.inputs, *site.outputs)}
    if len(met) > 1:
        raise BadInput(f"operands of different types meet: {', '.join(sorted(map(str, met)))}")


def _normalised(name: str, summary: str, function: Callable[[Array, int], Array], gradient: Gradient) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        attributes={"axis": -1},
        shape=_axis,
        run=lambda arrays, attributes: function(arrays[0], attributes["axis"]),
        nest=lambda site: elementwise_nest(site, ops_per_element=4),  # maximum, exponential, sum, division
        elements=same_element,
        gradient=gradient,
    )


OPERATORS = (
    Operator(
        name="batch_norm",
        summary="per channel: scale (x - mean) / sqrt(variance + epsilon) + bias",
        arity=(5, 5),
        attributes={"epsilon": 1e-5},
        shape=_batch_shape,
        run=_batch,
        elements=_floats,
        nest=lambda site: elementwise_nest(site, ops_per_element=2),  # folded ahead of time into a scale and a shift
        gradient=gradients.batch_norm,
    ),
    Operator(
        name="layer_norm",
        summary="mean 0 and variance 1 over the axes from `axis` on, then scale and bias",
        arity=(1, 3),
        attributes={"axis": -1, "epsilon": 1e-5},
        shape=_layer_shape,
        run=_layer,
        elements=_floats,
        nest=lambda site: elementwise_nest(site, ops_per_element=5 + len(site.inputs)),
        gradient=gradients.layer_norm,
    ),
    Operator(
        name="lrn",
        summary="local response normalisation over neighbouring channels",
        arity=(1, 1),
        attributes={"size": int, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
        shape=_lrn_shape,
        run=_lrn,
        elements=same_element,
        nest=lambda site: elementwise_nest(site, ops_per_element=3 + 2 * min(site.attributes["size"], _channels(site))),
        gradient=gradients.lrn,
    ),
    _normalised("softmax", "exp(x) / sum exp(x) along an axis", _softmax, gradient=gradients.softmax),
    _normalised("log_softmax", "x - log sum exp(x) along an axis", _log_softmax, gradient=gradients.log_softmax),
)
