"""Products of matrices: fully connected layers, matmul in all its names, einsum, attention's core.

A product with stored weights [c, k] is a fully connected layer with the weights turned to [k, c]: it prunes, quantises
and costs as one. `einsum` of two values becomes one batched matmul: shared labels that stay are the batch, shared
labels that go are summed.
"""

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL
from lamina.lowering.torch_rules._rule import bounded, number, operands, reshape, rule, transpose, weight
from lamina.lowering.torch_rules.arithmetic import add


@rule("aten.linear")
def linear(b: Builder, name: str, input: Value, weight: Value, bias: Value | None) -> Value:
    x = reshape(b, f"{name}.row", input, (1, *input.shape)) if len(input.shape) == 1 else input
    y: Value = b.emit("linear", operands(x, weight, bias), name=name)
    return reshape(b, f"{name}.out", y, y.shape[1:]) if len(input.shape) == 1 else y


def matrices(b: Builder, name: str, left: Value, right: Value) -> Value:
    """left [..., m, c] right [..., c, n]; stored weights on the right make a fully connected layer."""
    if right.data is not None and len(right.shape) == 2:
        made: Value = b.emit("linear", [left, weight(b, right.name, right.data.T, right)], name=name)
    else:
        made = b.emit("matmul", [left, right], name=name)
    return made


@rule("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot", "aten.vdot", "aten.linalg_vecdot")
def matmul(b: Builder, name: str, self: Value, **other: Value) -> Value:
    (right,) = other.values()  # torch calls it `other`, `mat2`, `vec` or `tensor`
    left, m, n = self, len(self.shape), len(right.shape)
    if m == 1:
        left = reshape(b, f"{name}.row", left, (1, *left.shape))
    if n == 1:
        right = reshape(b, f"{name}.column", right, (*right.shape, 1))
    y = matrices(b, name, left, right)
    shape = [size for axis, size in enumerate(y.shape) if not (m == 1 and axis == len(y.shape) - 2)]
    return reshape(b, f"{name}.out", y, shape[:-1] if n == 1 else shape)


@rule("aten.addmm")
def addmm(b: Builder, name: str, self: Value, mat1: Value, mat2: Value, beta: Any, alpha: Any) -> Any:
    bias_alone = len(self.shape) == 1 and (beta, alpha) == (1, 1) and mat2.data is not None
    if bias_alone and self.shape == mat2.shape[1:]:
        return b.emit("linear", [mat1, weight(b, mat2.name, mat2.data.T, mat2), self], name=name)  # type: ignore[union-attr]
    return _added(b, name, self, matrices(b, f"{name}.product", mat1, mat2), beta, alpha)


@rule("aten.baddbmm")
def baddbmm(b: Builder, name: str, self: Value, batch1: Value, batch2: Value, beta: Any, alpha: Any) -> Any:
    return _added(b, name, self, b.emit("matmul", [batch1, batch2], name=f"{name}.product"), beta, alpha)


def _added(b: Builder, name: str, x: Value, product: Value, beta: Any, alpha: Any) -> Any:
    """beta x + alpha product."""
    if alpha != 1:
        product = b.emit("multiply", [product, number(b, f"{name}.alpha", alpha, product.type.element)])
    return product if beta == 0 else add(b, name, product, x, beta)


@rule("aten.outer", "aten.ger")
def outer(b: Builder, name: str, self: Value, vec2: Value) -> Any:
    column = reshape(b, f"{name}.column", self, (*self.shape, 1))
    return b.emit("multiply", [column, reshape(b, f"{name}.row", vec2, (1, *vec2.shape))], name=name)


@rule("aten.bilinear")
def bilinear(b: Builder, name: str, input1: Value, input2: Value, weight: Value, bias: Value | None) -> Any:
    """y[k] = sum over i, j of x1[i] w[k, i, j] x2[j]."""
    y = einsum(
        b, name, "...i,kij,...j->...k".replace("...", "abcdefgh"[: len(input1.shape) - 1]), [input1, weight, input2]
    )
    return y if bias is None else b.emit("add", [y, bias], name=f"{name}.bias")


@rule("aten.einsum")
def einsum(b: Builder, name: str, equation: str, tensors: Sequence[Value], path: Any = None) -> Value:
    equation = equation.replace(" ", "")
    if "." in equation or any(len(set(term)) < len(term) for term in equation.split("->")[0].split(",")):
        raise Unsupported(f"einsum {equation!r} at {name!r}: dots and repeated labels of one operand have no rule")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    if not arrow:
        letters = [c for c in left if c != ","]
        result = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    label, value = terms[0], tensors[0]
    for i, (term, tensor) in enumerate(zip(terms[1:], tensors[1:], strict=True), start=2):
        later = set(result).union(*terms[i:])
        label, value = _pairwise(b, name, (label, value), (term, tensor), later)
    gone = tuple(i for i, c in enumerate(label) if c not in result)
    if gone:
        value = b.emit("reduce_sum", [value], name=f"{name}.sum", axes=gone, keep=False)
        label = "".join(c for c in label if c in result)
    return transpose(b, f"{name}.order", value, [label.index(c) for c in result])


def _pairwise(
    b: Builder, name: str, left: tuple[str, Value], right: tuple[str, Value], later: set[str]
) -> tuple[str, Value]:
    """One product: labels of both that are needed later are the batch, the others of both are summed."""
    (p, x), (q, y) = left, right
    sizes = dict(zip(p + q, x.shape + y.shape, strict=True))
    batch = [c for c in p if c in q and c in later]
    summed = [c for c in p if c in q and c not in later]
    rows, columns = [c for c in p if c not in q], [c for c in q if c not in p]

    def arranged(label: str, value: Value, *groups: list[str]) -> Value:
        order = [label.index(c) for group in groups for c in group]
        shape = [sizes[c] for c in batch] + [prod(sizes[c] for c in group) for group in groups[1:]]
        return reshape(b, f"{name}.matrix", transpose(b, f"{name}.order", value, order), shape)

    product = matrices(
        b, name, arranged(p, x, batch, rows, summed), arranged(q, y, batch, summed, columns)
    )  # [*batch, rows, columns]
    made = [*batch, *rows, *columns]
    return "".join(made), reshape(b, f"{name}.out", product, [sizes[c] for c in made])


@rule("aten.scaled_dot_product_attention")
def attention(
    b: Builder,
    name: str,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Any:
    """softmax(query key^T scale + mask) value; a mask of truth values lets through where it is true."""
    if dropout_p:
        raise Unsupported(f"attention at {name!r} with dropout: lower in evaluation mode")
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        raise Unsupported(f"attention at {name!r} with fewer keys than queries in heads: repeat the keys")
    element, axes = query.type.element, len(key.shape)
    turned = b.emit("transpose", [key], name=f"{name}.keys", order=(*range(axes - 2), axes - 1, axes - 2))
    scores = b.emit("matmul", [query, turned], name=f"{name}.scores")
    factor = 1 / sqrt(query.shape[-1]) if scale is None else scale
    scores = b.emit("multiply", [scores, number(b, f"{name}.scale", factor, element)], name=f"{name}.scaled")
    if is_causal:
        bounded(name, query.shape[-2] * key.shape[-2])
        allowed = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
        attn_mask = b.constant(f"{name}.causal", allowed)
    if attn_mask is not None and attn_mask.type.element == BOOL:
        scores = b.emit(
            "where", [attn_mask, scores, number(b, f"{name}.never", -np.inf, element)], name=f"{name}.masked"
        )
    elif attn_mask is not None:
        scores = b.emit("add", [scores, attn_mask], name=f"{name}.masked")
    shares = b.emit("softmax", [scores], name=f"{name}.shares", axis=-1)
    return b.emit("matmul", [shares, value], name=name)
