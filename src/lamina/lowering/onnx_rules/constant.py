"""Values that the file itself gives, and views that need no operator: Constant, Shape, Size, Identity, Dropout."""

from math import prod

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_node import Node, Tensor, affordable, known
from lamina.lowering.onnx_rules._rule import Results, rule


@rule("Constant")
def constant(node: Node) -> Tensor:
    for name, field, kind in (
        ("value_float", "f", np.float32),
        ("value_floats", "floats", np.float32),
        ("value_int", "i", np.int64),
        ("value_ints", "ints", np.int64),
    ):
        if node.has(name):
            return known(node.name, np.asarray(node.attribute(name, field, None), kind))
    if not node.has("value"):
        raise Unsupported("a constant of text or a sparse one")
    return known(node.name, model.array(node.attribute("value", "t", None), node.graph.session.folder))


@rule("Shape")
def shape(node: Node) -> Tensor:
    found = node.x().shape
    start, end = node.integer("start", 0), node.integer("end", len(found))
    rank = len(found)
    ends = [min(max(e + rank if e < 0 else e, 0), rank) for e in (start, end)]
    return known(node.name, np.asarray(found[ends[0] : ends[1]], np.int64))


@rule("Size")
def size(node: Node) -> Tensor:
    return known(node.name, np.asarray(np.prod(node.x().shape, dtype=np.int64)))


@rule("Identity")
def identity(node: Node) -> Tensor:
    return node.x()


@rule("Dropout")
def dropout(node: Node) -> Results:
    """The identity: networks are read for evaluation. The mask, where wanted, is all true."""
    training = node.given(2)
    if node.opset >= 12 and training is not None:
        if training.array is None:
            raise Unsupported("a Dropout whose training mode is computed")
        if training.array.any() and (node.given(1) is None or node.number(1, "the ratio")):
            raise Unsupported("a Dropout in training mode")
    x = node.x()
    if len(node.proto.output) < 2:
        return x
    affordable(prod(x.shape))
    return [x, known(f"{node.name}/mask", np.ones(x.shape, bool if node.opset >= 10 else x.dtype))]


@rule("ConstantOfShape")
def filled(node: Node) -> Tensor:
    node.array(0, "the shape of a ConstantOfShape")
    raise BadInput("the shape of a ConstantOfShape is too long")
