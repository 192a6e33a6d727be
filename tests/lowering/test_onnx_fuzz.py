"""Damaged and changed ONNX files: only BadInput and Unsupported may come out.

Half of the inputs are bytes of a real model with some of them changed, cut or doubled; half are well-formed protobufs
in which fields were changed: attributes, shapes, names, operators, types, nodes left out or doubled.
"""

import random
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering.onnx_reader import translate

INTERESTING = (0, 1, -1, 2, 3, 7, 255, -255, 2**16, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**63))


def _model(nodes, stored, inputs, outputs, opset=17):
    graph = helper.make_graph(
        nodes,
        "seed",
        [helper.make_tensor_value_info(n, k, s) for n, (k, s) in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def seeds():
    """Models that reach most of the reader: pictures, sequences, shape arithmetic, integers, loops."""
    node, rng, real = helper.make_node, np.random.default_rng(0), TensorProto.FLOAT

    def numbers(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    pictures = _model(
        [
            node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            node("BatchNormalization", ["c", "b", "b", "b", "v"], ["n"]),
            node("MaxPool", ["n"], ["p"], kernel_shape=[2, 2], ceil_mode=1),
            node("Resize", ["p", "", "k"], ["r"], mode="linear"),
            node("AveragePool", ["r"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("ConvTranspose", ["a", "t"], ["d"], strides=[2, 2]),
            node("Pad", ["d", "q"], ["e"], mode="reflect"),
            node("Shape", ["e"], ["s"]),
            node("Gather", ["s", "zero"], ["first"]),
            node("Concat", ["first", "minus"], ["to"], axis=0),
            node("Reshape", ["e", "to"], ["f"]),
            node("TopK", ["f", "two"], ["best", "where"]),
            node("Softmax", ["best"], ["y"], axis=-1),
        ],
        {
            **{"w": numbers(4, 3, 3, 3), "b": numbers(4), "v": np.ones(4, np.float32), "t": numbers(4, 2, 2, 2)},
            **{"k": np.array([1, 1, 1.5, 1.5], np.float32), "q": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
            **{"zero": np.array([0]), "minus": np.array([-1]), "two": np.array([2])},
        },
        {"x": (real, [1, 3, 8, 8])},
        ["y"],
    )
    sequences = _model(
        [
            node("LSTM", ["x", "w", "r", "b", "", "h"], ["o", "", ""], hidden_size=4, direction="bidirectional"),
            node("GRU", ["x", "gw", "gr"], ["g"], hidden_size=4, linear_before_reset=1),
            node("Squeeze", ["g", "one"], ["gs"]),
            node("Transpose", ["o"], ["tr"], perm=[0, 2, 1, 3]),
            node("Reshape", ["tr", "to"], ["f"]),
            node("MatMul", ["f", "m"], ["mm"]),
            node("LayerNormalization", ["mm", "s"], ["ln"]),
            node("Einsum", ["ln", "gs"], ["e"], equation="tbi,tbj->bij"),
            node("ReduceMean", ["e"], ["y"], axes=[1], keepdims=0),
        ],
        {
            **{"w": numbers(2, 16, 3), "r": numbers(2, 16, 4), "b": numbers(2, 32), "h": numbers(2, 2, 4)},
            **{"gw": numbers(1, 12, 3), "gr": numbers(1, 12, 4), "one": np.array([1]), "to": np.array([0, 0, -1])},
            **{"m": numbers(8, 4), "s": numbers(4)},
        },
        {"x": (real, [5, 2, 3])},
        ["y"],
    )
    counted = helper.make_graph(
        [
            node("Identity", ["go"], ["more"]),
            node("Mul", ["state", "half"], ["next"]),
            node("ReduceSum", ["next"], ["shown"], keepdims=0),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", real, [1, 4]),
        ],
        [helper.make_tensor_value_info(n, real, None) for n in ("more", "next", "shown")],
    )
    branch = [
        helper.make_graph([node(op, ["x"], ["z"])], op, [], [helper.make_tensor_value_info("z", real, None)])
        for op in ("Relu", "Tanh")
    ]
    control = _model(
        [
            node("Shape", ["x"], ["s"]),
            node("Size", ["x"], ["n"]),
            node("Equal", ["n", "four"], ["c"]),
            node("If", ["c"], ["z1"], then_branch=branch[0], else_branch=branch[1]),
            node("ConstantOfShape", ["s"], ["o"], value=numpy_helper.from_array(np.array([2.0], np.float32))),
            node("Range", ["zero", "four", "one"], ["range"]),
            node("Cast", ["range"], ["real"], to=1),
            node("Add", ["z1", "real"], ["a"]),
            node("Where", ["mask", "a", "o"], ["picked"]),
            node("Loop", ["four", "yes", "picked"], ["last", "all"], body=counted),
            node("Slice", ["last", "zero1", "two", "one1"], ["cut"]),
            node("Tile", ["cut", "times"], ["tiled"]),
            node("ScatterND", ["tiled", "at", "new"], ["y"]),
        ],
        {
            **{"four": np.int64(4), "zero": np.int64(0), "one": np.int64(1), "yes": np.asarray(True)},
            **{"mask": np.array([True, False, True, True]), "half": np.float32(0.5), "zero1": np.array([0])},
            **{"two": np.array([2]), "one1": np.array([1]), "times": np.array([2, 2]), "at": np.array([[0, 1]])},
            "new": np.array([9.0], np.float32),
        },
        {"x": (real, [1, 4])},
        ["y", "all"],
    )
    quantised = _model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            node("DequantizeLinear", ["q", "s", "z"], ["r"]),
            node("DequantizeLinear", ["w", "ws"], ["rw"], axis=0),
            node("DequantizeLinear", ["b", "bs"], ["rb"], axis=0),
            node("Conv", ["r", "rw", "rb"], ["c"], pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["relu"]),
            node("QuantizeLinear", ["relu", "s", "z"], ["qc"]),
            node("MaxPool", ["qc"], ["mp"], kernel_shape=[2, 2]),
            node("QLinearConv", ["mp", "s", "z", "w2", "s", "wz", "s", "z"], ["q2"]),
            node("Clip", ["q2", "z", "top"], ["cl"]),
            node("DequantizeLinear", ["cl", "s", "z"], ["y"]),
        ],
        {
            **{"s": np.float32(0.05), "z": np.uint8(3), "w": rng.integers(-9, 9, (2, 3, 3, 3), np.int8)},
            **{"ws": np.array([0.1, 0.2], np.float32), "b": np.array([5, -7], np.int32), "top": np.uint8(200)},
            **{"bs": np.float32(0.05) * np.array([0.1, 0.2], np.float32), "wz": np.int8(0)},
            "w2": rng.integers(-9, 9, (4, 2, 1, 1), np.int8),
        },
        {"x": (real, [1, 3, 6, 6])},
        ["y"],
        opset=19,
    )
    return [pictures, sequences, control, quantised]


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out or doubled."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(found)) if found else 0
        kind = rng.random()
        if kind < 0.6 and found:
            found[at] = rng.randrange(256)
        elif kind < 0.8:
            del found[at : at + rng.randint(1, 40)]
        else:
            found[at:at] = found[at : at + rng.randint(1, 40)]
    return bytes(found)


def changed(rng: random.Random, model: onnx.ModelProto) -> onnx.ModelProto:
    """A well-formed model with a few fields changed."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for _ in range(rng.randint(1, 4)):
        if made.graph.node:
            rng.choice((_node, _node, _attribute, _attribute, _tensor, _tensor, _numbers, _ends))(rng, made)
    return made


def _node(rng, model):
    nodes = model.graph.node
    node = rng.choice(nodes)
    names = [name for n in nodes for name in (*n.input, *n.output)] + [t.name for t in model.graph.initializer]
    kind = rng.random()
    if kind < 0.35 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)
    elif kind < 0.5:
        node.op_type = rng.choice(nodes).op_type
    elif kind < 0.6:
        nodes.remove(node)
    elif kind < 0.7:
        node.input.append(rng.choice(names))
    elif kind < 0.8 and node.input:
        del node.input[-1]
    elif kind < 0.9:
        nodes.append(node)
    elif node.output:
        node.output[0] = rng.choice(names)


def _attribute(rng, model):
    attributes = [a for n in model.graph.node for a in n.attribute]
    if not attributes:
        return
    attribute = rng.choice(attributes)
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTERESTING)
        if rng.random() < 0.3:
            attribute.ints.append(rng.choice(INTERESTING))
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = rng.choice(INTERESTING)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = rng.choice((b"", b"\xff\xfe", b"linear", b"SAME_UPPER", b"reverse", b"ij->ji"))
    else:
        attribute.type = rng.randrange(0, 12)
    if rng.random() < 0.2:
        attribute.name = rng.choice(attributes).name


def _tensor(rng, model):
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    kind = rng.random()
    if kind < 0.5 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(INTERESTING)
    elif kind < 0.7:
        tensor.data_type = rng.randrange(0, 25)
    elif kind < 0.85:
        tensor.raw_data = tensor.raw_data[: rng.randint(0, len(tensor.raw_data))]
    else:
        model.graph.initializer.remove(tensor)


def _numbers(rng, model):
    """Other numbers in a stored tensor: shapes, axes, counts, scales."""
    small = [t for t in model.graph.initializer if len(t.raw_data) <= 64]
    if not small:
        return
    tensor = rng.choice(small)
    try:
        data = numpy_helper.to_array(tensor).copy()
    except (ValueError, TypeError, KeyError):
        return
    if data.size and data.dtype.kind in "iuf":
        flat = data.reshape(-1)
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = np.array(rng.choice((*INTERESTING, 0.5))).astype(data.dtype)
        tensor.CopyFrom(numpy_helper.from_array(data, tensor.name))


def _ends(rng, model):
    kind = rng.random()
    if kind < 0.5 and model.graph.input:
        dims = model.graph.input[0].type.tensor_type.shape.dim
        if dims:
            rng.choice(dims).dim_value = rng.choice((*INTERESTING, 1, 2, 5))
    elif kind < 0.7 and model.graph.input:
        model.graph.input[0].type.tensor_type.elem_type = rng.randrange(0, 25)
    elif kind < 0.9:
        model.opset_import[0].version = rng.randint(6, 30)
    else:
        model.graph.output[0].name = rng.choice(model.graph.node).op_type


def fuzz(count: int) -> dict[str, int]:
    models = seeds()
    for model in models:
        translate(model, Path(), shapes={}, values={})
    written = [m.SerializeToString() for m in models]
    outcomes = {"read": 0, "refused": 0, "several lines": 0, "no protobuf": 0}
    for number in range(count):
        rng = random.Random(number)
        at = rng.randrange(len(models))
        if number % 2:
            model = changed(rng, models[at])
        else:
            model = onnx.ModelProto()
            try:
                model.ParseFromString(damaged(rng, written[at]))
            except Exception:  # protobuf's own class, which the reader turns into BadInput
                outcomes["no protobuf"] += 1
                continue
        try:
            translate(model, Path(), shapes={}, values={})
            outcomes["read"] += 1
        except (BadInput, Unsupported) as e:
            outcomes["refused" if "\n" not in str(e) else "several lines"] += 1
        except Exception as e:
            raise AssertionError(f"input {number}: {type(e).__name__}: {e}") from e
    return outcomes


@pytest.mark.filterwarnings("error")
def test_500_damaged_files():
    tracemalloc.start()
    try:
        outcomes = fuzz(500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcomes["refused"] > 100, outcomes
    assert outcomes["read"] > 20, outcomes
    assert outcomes["several lines"] == 0, outcomes
    assert peak < 1.5e9, f"{peak / 1e6:.0f} MB"


@pytest.mark.slow
def test_10_000_damaged_files():
    outcomes = fuzz(10_000)
    assert sum(outcomes.values()) == 10_000
    assert outcomes["several lines"] == 0
