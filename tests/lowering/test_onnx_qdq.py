"""Integer networks from ONNX: what we write reads back to the same integers, and others' files give onnxruntime's."""

import logging
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

import lamina.export
from lamina.export import onnx_session
from lamina.ir import Integer, Network
from lamina.ir.build import legal
from lamina.ir.interpreter import trace
from lamina.ir.transform import integer_core
from lamina.ir.types import INDEX
from lamina.lowering.onnx_reader import read
from tests.integer_networks import integer_network
from tests.networks import random_inputs, tie_rich_network

WORKING = ("conv2d", "linear", "average_pool2d", "add", "lookup")


def integers(network: Network) -> Counter:
    """How many working operators compute in integers."""
    kinds = Counter()
    for operation in network.operations:
        element = next(iter(operation.outputs.values())).element
        if operation.operator in WORKING and isinstance(element, Integer) and element != INDEX:
            kinds[operation.operator] += 1
    return kinds


def differences(network: Network, back: Network, seed: int) -> int:
    """Differing integers (or floats beyond rounding) of all outputs."""
    inputs = random_inputs(network, np.random.default_rng(seed))
    ours, theirs = network.run(inputs), back.run(inputs)
    count = 0
    for name, wanted in ours.items():
        got = theirs[name]
        assert got.shape == wanted.shape
        if wanted.dtype.kind == "f":
            count += int((np.abs(got - wanted) > 1e-6 * np.abs(wanted).max()).sum())
        else:
            count += int((got.astype(np.int64) != wanted.astype(np.int64)).sum())
    return count


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
@pytest.mark.parametrize("core", [False, True], ids=["floats outside", "integers alone"])
def test_what_we_write_reads_back_to_the_same_integers(tmp_path, rounding, core):
    for seed in range(60):
        network = integer_network(seed, rounding=rounding)
        network = integer_core(network) if core else network
        back = read(lamina.export.onnx(network, tmp_path / "network.onnx"))
        assert differences(network, back, seed) == 0, f"seed {seed}"
        if not core:  # integers alone do not say their scales everywhere
            assert integers(back) == integers(network), f"seed {seed}"


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves_stay_what_they_are(tmp_path, rounding):
    network = tie_rich_network(rounding)
    back = read(lamina.export.onnx(network, tmp_path / "network.onnx"))
    assert differences(network, back, 0) == 0


# ---- files of onnxruntime's quantiser


class Pictures(CalibrationDataReader):
    """Eight random pictures."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.left = [{"x": rng.standard_normal((1, 3, 12, 12)).astype(np.float32)} for _ in range(8)]

    def get_next(self):
        return self.left.pop() if self.left else None


@pytest.fixture(scope="module")
def float_model(tmp_path_factory):
    rng = np.random.default_rng(0)

    def numbers(*shape):
        return (0.3 * rng.standard_normal(shape)).astype(np.float32)

    stored = {
        **{"w1": numbers(8, 3, 3, 3), "b1": numbers(8), "w2": numbers(8, 1, 3, 3), "b2": numbers(8)},
        **{"w3": numbers(4, 8, 1, 1), "b3": numbers(4), "w4": numbers(10, 144), "b4": numbers(10)},
        **{"w5": numbers(10, 6), "low": np.float32(0), "high": np.float32(6)},
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["conv1"], pads=[1, 1, 1, 1]),
        node("Relu", ["conv1"], ["relu1"]),
        node("MaxPool", ["relu1"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pool", "w2", "b2"], ["conv2"], pads=[1, 1, 1, 1], group=8),
        node("Clip", ["conv2", "low", "high"], ["relu6"]),
        node("Add", ["relu6", "pool"], ["sum"]),
        node("Conv", ["sum", "w3", "b3"], ["conv3"]),
        node("Flatten", ["conv3"], ["rows"]),
        node("Gemm", ["rows", "w4", "b4"], ["dense"], transB=1),
        node("Sigmoid", ["dense"], ["gates"]),
        node("MatMul", ["gates", "w5"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 6])],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in stored.items()],
    )
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(autouse=True)
def _quiet():
    """onnxruntime's quantiser talks through the root logger."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def stored_integers(path, network, seed):
    """(ours, onnxruntime's) for each value that QuantizeLinear or a QLinear operator makes."""
    model = onnx.load(path)
    names = [n.output[0] for n in model.graph.node if "Q" in n.op_type and n.op_type != "DequantizeLinear"]
    model.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names)
    session = onnx_session.open_session(model.SerializeToString(), path, level="all")
    x = np.random.default_rng(seed).standard_normal((1, 3, 12, 12)).astype(np.float32)
    ours, theirs = trace(network, {"x": x}), session.run(names, {"x": x})
    return {n: (ours[legal(n)], w) for n, w in zip(names, theirs, strict=True) if legal(n) in ours}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("form", "activations", "weights", "per_channel"),
    [
        (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, False),
        (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, True),
        (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8, True),
        (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QUInt8, False),
        (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QInt8, False),
        (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QInt8, True),
    ],
)
def test_files_of_the_quantiser_give_its_runtime_s_integers(
    tmp_path, float_model, form, activations, weights, per_channel
):
    path = tmp_path / "quantised.onnx"
    quantize_static(
        float_model,
        path,
        Pictures(),
        quant_format=form,
        per_channel=per_channel,
        activation_type=activations,
        weight_type=weights,
    )
    network = read(path)
    assert {k: integers(network)[k] for k in ("conv2d", "linear")} == {"conv2d": 3, "linear": 2}
    compared = 0
    for seed in range(5):
        for name, (ours, theirs) in stored_integers(path, network, seed).items():
            wrong = int((ours.astype(np.int64) != theirs.astype(np.int64)).sum())
            assert wrong == 0, f"{name}: {wrong} of {theirs.size}"
            compared += theirs.size
    assert compared > 10_000


@pytest.mark.filterwarnings("ignore")
def test_dynamically_quantised_files_give_the_same_numbers(tmp_path, float_model):
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(float_model, path)
    network = read(path)
    session = onnx_session.session(path)
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((1, 3, 12, 12)).astype(np.float32)
        np.testing.assert_allclose(network.run({"x": x})["y"], session.run(None, {"x": x})[0], atol=1e-5)


# ---- patterns one by one


def small(tmp_path, nodes, stored, inputs, outputs):
    graph = helper.make_graph(
        nodes,
        "pattern",
        [helper.make_tensor_value_info(n, k, s) for n, (k, s) in inputs.items()],
        [helper.make_tensor_value_info(n, k, None) for n, k in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in stored.items()],
    )
    path = tmp_path / "pattern.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
    return path


def test_an_addition_rounds_once_as_the_file_says(tmp_path):
    """Lamina's integer add rounds each operand: another number, so this stays in floats."""
    node = helper.make_node
    nodes = [
        node("DequantizeLinear", ["a", "sa", "z"], ["ra"]),
        node("DequantizeLinear", ["b", "sb", "z"], ["rb"]),
        node("Add", ["ra", "rb"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "z"], ["y"]),
    ]
    stored = {"sa": np.float32(0.5), "sb": np.float32(0.25), "sy": np.float32(1.0), "z": np.int8(0)}
    byte = (TensorProto.INT8, [4])
    path = small(tmp_path, nodes, stored, {"a": byte, "b": byte}, {"y": TensorProto.INT8})
    network = read(path)
    given = {"a": np.array([1, 1, 3, -1], np.int8), "b": np.array([1, 2, 1, -2], np.int8)}
    assert network.run(given)["y"].tolist() == [1, 1, 2, -1]  # rint of 0.75, 1, 1.75, -1


def test_a_float_bias_keeps_the_layer_in_floats(tmp_path):
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["r"]),
        node("DequantizeLinear", ["w", "s"], ["rw"]),
        node("Gemm", ["r", "rw", "b"], ["g"], transB=1),
        node("QuantizeLinear", ["g", "s", "z"], ["y"]),
    ]
    stored = {
        "s": np.float32(0.1),
        "z": np.uint8(3),
        "w": np.arange(6, dtype=np.int8).reshape(2, 3),
        "b": np.array([0.3, -0.4], np.float32),
    }
    path = small(tmp_path, nodes, stored, {"x": (TensorProto.FLOAT, [1, 3])}, {"y": TensorProto.UINT8})
    assert integers(read(path)) == {}


def test_one_value_read_with_two_scales(tmp_path):
    node = helper.make_node
    nodes = [
        node("DequantizeLinear", ["q", "s1", "z"], ["a"]),
        node("DequantizeLinear", ["q", "s2", "z2"], ["b"]),
    ]
    stored = {"s1": np.float32(0.25), "z": np.uint8(0), "s2": np.float32(0.1), "z2": np.uint8(7)}
    path = small(
        tmp_path, nodes, stored, {"q": (TensorProto.UINT8, [256])}, {"a": TensorProto.FLOAT, "b": TensorProto.FLOAT}
    )
    q = np.arange(256, dtype=np.uint8)
    found = read(path).run({"q": q})
    np.testing.assert_array_equal(found["a"], q.astype(np.float32) * np.float32(0.25))
    np.testing.assert_array_equal(found["b"], (q.astype(np.float32) - np.float32(7)) * np.float32(0.1))


@pytest.mark.parametrize("kind", ["int16", "uint16", "int8"])
def test_quantise_and_dequantise_of_other_widths(tmp_path, kind):
    node = helper.make_node
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "widths",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.float32(0.01), "s"), numpy_helper.from_array(np.asarray(5, kind), "z")],
    )
    path = tmp_path / "widths.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    x = np.linspace(-400, 700, 64, dtype=np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(read(path).run({"x": x})["y"], session.run(None, {"x": x})[0])
