"""Fully connected layers, embedding and attention.

Dense                 kernel [c, k] over the last axis
Embedding             a row for each place
MultiHeadAttention    softmax(q k^T / sqrt(key_dim)) v in each head; kernels [c, heads, size], output [heads, size, k]
Attention             softmax(scale q k^T) v, or softmax(sum tanh(q + k)) v
"""

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Value
from lamina.ir.types import BOOL, INDEX
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Result, Rule, Tensor, only, plain
from lamina.lowering.keras_rules.activations import activate


def dense(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("lora_rank", "quantization_mode")
    x, k = layer.plain(only(inputs)), layer.whole("units")
    if len(x.shape) < 2:
        raise BadInput(f"a value of shape {list(x.shape)}: at least two axes are needed")
    operands = [x, layer.constant("kernel", layer.array(0, (x.shape[-1], k)).T, x)]
    if layer.truth("use_bias", True):
        operands.append(layer.constant("bias", layer.array(1, (k,)), x))
    return activate(layer, plain(layer.emit("linear", operands)), layer.config.get("activation"))


def embedding(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("lora_rank")
    x = layer.plain(only(inputs))
    if x.type.element != INDEX:
        x = layer.emit("cast", [x], part="places", element=INDEX)
    mask = None
    if layer.truth("mask_zero", False):
        if len(x.shape) != 2:
            raise Unsupported(f"a mask of places of shape {list(x.shape)}")
        none = layer.emit("equal", [x, layer.builder.constant(f"{layer.name}.zero", np.asarray(0))], part="empty")
        mask = layer.emit("logical_not", [none], part="counts")
    rows = layer.array(0, (layer.whole("input_dim"), layer.whole("output_dim")))
    return replace(plain(layer.emit("gather", [layer.constant("embeddings", rows, x), x], axis=0)), mask=mask)


def masking(layer: Layer, inputs: list[Tensor]) -> Tensor:
    """Steps count unless all their numbers are `mask_value`; the others become zero."""
    x = layer.plain(only(inputs))
    if len(x.shape) != 3:
        raise Unsupported(f"masking of a value of shape {list(x.shape)}: [n, t, c] is read")
    empty = layer.emit("equal", [x, layer.builder.scalar(layer.number("mask_value", 0.0), x)], part="empty")
    counts = layer.emit(
        "reduce_max", [layer.emit("logical_not", [empty], part="full")], part="counts", axes=(2,), keep=True
    )
    y = layer.emit("where", [counts, x, layer.builder.scalar(0.0, x)])
    return replace(plain(y), mask=parts.reshape(layer.builder, f"{layer.name}.mask", counts, x.shape[:2]))


def _masked(layer: Layer, inputs: list[Tensor]) -> dict[str, Any]:
    """The keywords of the call; masks are refused, causal ones apart."""
    for name, value in layer.arguments.items():
        if value not in (None, False) and name not in ("use_causal_mask", "value", "key", "training"):
            raise Unsupported(f"the argument {name!r} of an attention layer")
    return dict(layer.arguments)


def multi_head(layer: Layer, inputs: list[Tensor]) -> Result:
    layer.refuse("use_gate", "sliding_window")
    given = _masked(layer, inputs)
    found = [*inputs, *(given[name] for name in ("value", "key") if isinstance(given.get(name), Tensor))]
    if not 2 <= len(found) <= 3 or any(len(x.order) != 3 for x in found):
        raise Unsupported(f"attention over {len(found)} tensors of shapes {[list(x.shape) for x in found]}")
    if layer.get("attention_axes", [1]) != [1]:
        raise Unsupported("attention along other axes than 1")
    query, value, key = found[0], found[1], found[-1]
    heads, size = layer.whole("num_heads"), layer.whole("key_dim")
    value_size = layer.whole("value_dim", size)
    q = _project(layer, "query", query, heads, size)
    k = _project(layer, "key", key, heads, size, turned=True)
    v = _project(layer, "value", value, heads, value_size)
    scores = parts.affine(
        layer.builder, f"{layer.name}.scaled", layer.emit("matmul", [q, k], part="scores"), 1 / sqrt(size)
    )
    if given.get("use_causal_mask"):
        scores = _causal(layer, scores)
    seen = layer.emit("matmul", [layer.emit("softmax", [scores], part="weights", axis=3), v], part="seen")
    n, _, t, _ = seen.shape
    joined = layer.emit("transpose", [seen], part="turned", order=(0, 2, 1, 3))
    joined = parts.reshape(layer.builder, f"{layer.name}.joined", joined, (n, t, heads * value_size))
    wanted = layer.config.get("output_shape")
    width = query.shape[-1] if wanted is None else layer.sizes("output_shape", 1)[0]
    kernel = layer.array(0, (heads, value_size, width), part="output_dense").reshape(-1, width).T
    operands = [joined, layer.constant("output.kernel", kernel, joined)]
    if layer.truth("use_bias", True):
        operands.append(layer.constant("output.bias", layer.array(1, (width,), part="output_dense"), joined))
    return plain(layer.emit("linear", operands))


def _project(layer: Layer, label: str, tensor: Tensor, heads: int, size: int, *, turned: bool = False) -> Value:
    """[n, t, c] through one kernel as [n, heads, t, size], or [n, heads, size, t]."""
    x, part = layer.plain(tensor), f"{label}_dense"
    n, t, c = x.shape
    kernel = layer.array(0, (c, heads, size), part=part).reshape(c, heads * size).T
    operands = [x, layer.constant(f"{label}.kernel", kernel, x)]
    if layer.truth("use_bias", True):
        bias = layer.array(1, (heads, size), part=part).reshape(-1)
        operands.append(layer.constant(f"{label}.bias", bias, x))
    y = layer.emit("linear", operands, part=label)
    split = parts.reshape(layer.builder, f"{layer.name}.{label}.heads", y, (n, t, heads, size))
    order = (0, 2, 3, 1) if turned else (0, 2, 1, 3)
    result: Value = layer.emit("transpose", [split], part=f"{label}.turned", order=order)
    return result


def _causal(layer: Layer, scores: Value) -> Value:
    """Minus infinity where a place would see a later one."""
    t, s = scores.shape[-2:]
    if t * s > 2**24:
        raise BadInput(f"a causal mask of {t} by {s}: at most 2^24 numbers are made")
    seen = layer.builder.constant(f"{layer.name}.mask", np.tril(np.ones((t, s), np.bool_)))
    assert seen.type.element == BOOL
    never = layer.builder.scalar(float("-inf"), scores)
    result: Value = layer.emit("where", [seen, scores, never], part="causal")
    return result


def attention(layer: Layer, inputs: list[Tensor]) -> Tensor:
    given = _masked(layer, inputs)
    if not 2 <= len(inputs) <= 3 or any(len(x.order) != 3 for x in inputs):
        raise Unsupported(f"attention over {len(inputs)} tensors of shapes {[list(x.shape) for x in inputs]}")
    q, v = layer.plain(inputs[0]), layer.plain(inputs[1])
    k = layer.plain(inputs[-1])
    additive = layer.kind == "AdditiveAttention" or layer.get("score_mode", "dot") == "concat"
    scores = _sums(layer, q, k) if additive else _products(layer, q, k)
    if given.get("use_causal_mask"):
        scores = _causal(layer, scores)
    weights = layer.emit("softmax", [scores], part="weights", axis=2)
    return plain(layer.emit("matmul", [weights, v]))


def _products(layer: Layer, q: Value, k: Value) -> Value:
    turned = layer.emit("transpose", [k], part="key", order=(0, 2, 1))
    scores: Value = layer.emit("matmul", [q, turned], part="scores")
    if layer.truth("use_scale", False):
        scores = layer.emit("multiply", [scores, layer.constant("scale", layer.array(0, ()), q)], part="scaled")
    return scores


def _sums(layer: Layer, q: Value, k: Value) -> Value:
    """sum over the last axis of scale tanh(q_i + k_j)."""
    if layer.kind == "Attention":
        raise Unsupported("attention with score_mode 'concat'")
    (n, t, c), s = q.shape, k.shape[1]
    rows = parts.reshape(layer.builder, f"{layer.name}.query", q, (n, t, 1, c))
    columns = parts.reshape(layer.builder, f"{layer.name}.key", k, (n, 1, s, c))
    y = layer.emit("tanh", [layer.emit("add", [rows, columns], part="sums")], part="tanh")
    if layer.truth("use_scale", True):
        y = layer.emit("multiply", [y, layer.constant("scale", layer.array(0, (c,)), q)], part="scaled")
    result: Value = layer.emit("reduce_sum", [y], part="scores", axes=(3,))
    return result


RULES: dict[str, Rule] = {
    "Dense": dense,
    "Embedding": embedding,
    "Masking": masking,
    "MultiHeadAttention": multi_head,
    "Attention": attention,
    "AdditiveAttention": attention,
}
