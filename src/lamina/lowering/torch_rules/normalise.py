"""Normalisation: over the batch (at inference), a layer, groups of channels, one instance; and softmaxes.

Group and instance normalisation are layer normalisation of a reshaped value, scaled per channel afterwards.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.lowering.torch_rules._rule import axis_of, cast, element_of_dtype, full, number, operands, reshape, rule


@rule("aten.batch_norm")
def batch_norm(
    b: Builder,
    name: str,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    eps: float,
    **_: Any,
) -> Value:
    if training or running_mean is None or running_var is None:
        raise Unsupported(f"batch normalisation at {name!r} by the batch's own statistics: lower with running ones")
    channels, element = (input.shape[1],), input.type.element
    scale = weight or full(b, f"{name}.scale", channels, 1, element)
    shift = bias or full(b, f"{name}.shift", channels, 0, element)
    made: Value = b.emit("batch_norm", [input, scale, shift, running_mean, running_var], name=name, epsilon=float(eps))
    return made


@rule("aten._native_batch_norm_legit_no_training")
def batch_norm_decomposed(b: Builder, name: str, **given: Any) -> list[Value | None]:
    return [batch_norm(b, name, training=False, **given), None, None]


@rule("aten.layer_norm")
def layer_norm(
    b: Builder,
    name: str,
    input: Value,
    normalized_shape: Sequence[int],
    weight: Value | None,
    bias: Value | None,
    eps: float,
    **_: Any,
) -> Value:
    scale = weight
    if bias is not None and scale is None:
        scale = full(b, f"{name}.scale", normalized_shape, 1, input.type.element)
    axis = -len(normalized_shape)
    made: Value = b.emit("layer_norm", operands(input, scale, bias), name=name, axis=axis, epsilon=float(eps))
    return made


@rule("aten.native_layer_norm")
def layer_norm_decomposed(b: Builder, name: str, **given: Any) -> list[Value | None]:
    return [layer_norm(b, name, **given), None, None]


@rule("aten.group_norm")
def group_norm(
    b: Builder, name: str, input: Value, num_groups: int, weight: Value | None, bias: Value | None, eps: float, **_: Any
) -> Value:
    n, c, *sizes = input.shape
    rows = reshape(b, f"{name}.groups", input, (n, num_groups, c // num_groups * prod(sizes)))
    y = b.emit("layer_norm", [rows], name=name, axis=-1, epsilon=float(eps))
    return _per_channel(b, name, reshape(b, f"{name}.out", y, input.shape), weight, bias)


@rule("aten.instance_norm")
def instance_norm(
    b: Builder,
    name: str,
    input: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    eps: float,
    **_: Any,
) -> Value:
    if use_input_stats:
        return group_norm(b, name, input, input.shape[1], weight, bias, eps)
    return batch_norm(b, name, input, weight, bias, running_mean, running_var, training=False, eps=eps)


def _per_channel(b: Builder, name: str, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """x times weight plus bias along axis 1."""
    for operator, parameter in (("multiply", weight), ("add", bias)):
        if parameter is not None:
            column = reshape(b, parameter.name, parameter, (-1, *[1] * (len(x.shape) - 2)))
            x = b.emit(operator, [x, column], name=f"{name}.{'scale' if operator == 'multiply' else 'shift'}")
    return x


@rule("aten.native_group_norm")
def group_norm_decomposed(
    b: Builder, name: str, input: Value, weight: Value | None, bias: Value | None, group: int, eps: float, **_: Any
) -> list[Value | None]:
    return [group_norm(b, name, input, group, weight, bias, eps), None, None]


@rule("aten._native_batch_norm_legit.no_stats")
def instance_norm_decomposed(
    b: Builder, name: str, input: Value, weight: Value | None, bias: Value | None, training: bool, eps: float, **_: Any
) -> list[Value | None]:
    if input.shape[0] != 1 or not training:
        raise Unsupported(f"batch normalisation at {name!r} by the batch's own statistics: lower with running ones")
    return [group_norm(b, name, input, input.shape[1], weight, bias, eps), None, None]


@rule("aten.rms_norm")
def rms_norm(
    b: Builder, name: str, input: Value, normalized_shape: Sequence[int], weight: Value | None, eps: float | None
) -> Value:
    element = input.type.element
    axes = tuple(range(len(input.shape) - len(normalized_shape), len(input.shape)))
    square = b.emit("multiply", [input, input], name=f"{name}.square")
    mean = b.emit("reduce_mean", [square], name=f"{name}.mean", axes=axes, keep=True)
    least = float(np.finfo(np.dtype(element.storage)).eps) if eps is None else eps
    root = b.emit("sqrt", [b.emit("add", [mean, number(b, f"{name}.epsilon", least, element)])], name=f"{name}.root")
    y: Value = b.emit("divide", [input, root], name=name)
    return y if weight is None else b.emit("multiply", [y, weight], name=f"{name}.scale")


@rule("lamina.local_response")
def local_response(b: Builder, name: str, self: Value, size: int, alpha: float, beta: float, k: float) -> Any:
    """What `_torch_patterns` finds in ten of torch's calls."""
    return b.emit("lrn", [self], name=name, size=size, alpha=float(alpha), beta=float(beta), k=float(k))


@rule("aten.softmax.int", "aten._softmax", "aten._safe_softmax")
def softmax(b: Builder, name: str, self: Value, dim: int, dtype: Any = None, **_: Any) -> Value:
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, self.type.element))
    made: Value = b.emit("softmax", [x], name=name, axis=axis_of(x, dim))
    return made


@rule("aten.log_softmax.int", "aten._log_softmax")
def log_softmax(b: Builder, name: str, self: Value, dim: int, dtype: Any = None, **_: Any) -> Value:
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, self.type.element))
    made: Value = b.emit("log_softmax", [x], name=name, axis=axis_of(x, dim))
    return made
