"""RNN, LSTM and GRU read as scans, against onnxruntime: every direction and option that ONNX has."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering.onnx_reader import read

STEPS, BATCH, SIZE, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
WAYS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def recurrent(tmp_path, kind, *, way="forward", lengths=None, states=False, peepholes=False, bias=True, **attributes):
    """A model of one node, its path and inputs."""
    rng = np.random.default_rng(sum(map(ord, kind + way)))
    ways, gates = WAYS[way], GATES[kind]
    layout = attributes.get("layout", 0)

    def numbers(*shape):
        return (0.5 * rng.standard_normal(shape)).astype(np.float32)

    stored = {"W": numbers(ways, gates * HIDDEN, SIZE), "R": numbers(ways, gates * HIDDEN, HIDDEN)}
    names = ["X", "W", "R", "", "", "", "", ""]
    if bias:
        stored["B"], names[3] = numbers(ways, 2 * gates * HIDDEN), "B"
    if lengths is not None:
        stored["lengths"], names[4] = np.array(lengths, np.int32), "lengths"
    given = {"X": numbers(BATCH, STEPS, SIZE) if layout else numbers(STEPS, BATCH, SIZE)}
    state = (BATCH, ways, HIDDEN) if layout else (ways, BATCH, HIDDEN)
    if states:
        given["h0"], names[5] = numbers(*state), "h0"
        if kind == "LSTM":
            given["c0"], names[6] = numbers(*state), "c0"
    if peepholes:
        stored["P"], names[7] = numbers(ways, 3 * HIDDEN), "P"
    while not names[-1]:
        names.pop()
    outputs = ["Y", "Y_h"] + (["Y_c"] if kind == "LSTM" else [])
    node = helper.make_node(kind, names, outputs, hidden_size=HIDDEN, direction=way, **attributes)
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in given.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(v, n) for n, v in stored.items()],
    )
    path = tmp_path / "recurrent.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=9), path)
    return path, given


def check(path, given, *, close=1e-5):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    wanted = dict(zip(names, session.run(None, given), strict=True))
    network = read(path)
    got = network.run(given)
    for name in names:
        assert got[name].shape == wanted[name].shape
        np.testing.assert_allclose(got[name], wanted[name], atol=close, rtol=1e-4)
    return network


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("way", WAYS)
def test_directions_with_initial_states(tmp_path, kind, way):
    network = check(*recurrent(tmp_path, kind, way=way, states=True))
    assert sum(o.operator == "scan" for o in network.operations) == WAYS[way]


@pytest.mark.parametrize("kind", GATES)
def test_without_bias_and_states(tmp_path, kind):
    check(*recurrent(tmp_path, kind, bias=False))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("way", WAYS)
def test_lengths_shorter_than_the_sequence_keep_the_state_and_give_zeros(tmp_path, kind, way):
    check(*recurrent(tmp_path, kind, way=way, states=True, lengths=[5, 2, 3]))


def test_full_lengths_need_no_mask(tmp_path):
    network = check(*recurrent(tmp_path, "GRU", lengths=[STEPS] * BATCH))
    body = next(o for o in network.operations if o.operator == "scan").attributes["body"]
    assert all(o.operator != "where" for o in body.operations)


@pytest.mark.parametrize("way", WAYS)
def test_peepholes(tmp_path, way):
    check(*recurrent(tmp_path, "LSTM", way=way, peepholes=True, states=True))


@pytest.mark.parametrize("way", WAYS)
def test_linear_before_reset(tmp_path, way):
    check(*recurrent(tmp_path, "GRU", way=way, linear_before_reset=1, states=True))


def test_input_and_forget_gate_coupled(tmp_path):
    check(*recurrent(tmp_path, "LSTM", input_forget=1, states=True))


@pytest.mark.parametrize("kind", GATES)
def test_clip(tmp_path, kind):
    check(*recurrent(tmp_path, kind, clip=0.25, states=True))


@pytest.mark.parametrize(
    ("kind", "activations", "parameters"),
    [
        ("RNN", ["Relu"], {}),
        ("RNN", ["LeakyRelu"], {"activation_alpha": [0.3]}),
        ("RNN", ["ThresholdedRelu"], {"activation_alpha": [0.2]}),
        ("RNN", ["Elu"], {"activation_alpha": [0.7]}),
        ("RNN", ["Softsign"], {}),
        ("RNN", ["Softplus"], {}),
        ("RNN", ["Affine"], {"activation_alpha": [0.5], "activation_beta": [0.1]}),
        ("RNN", ["ScaledTanh"], {"activation_alpha": [0.9], "activation_beta": [0.4]}),
        ("GRU", ["HardSigmoid", "Tanh"], {"activation_alpha": [0.3], "activation_beta": [0.4]}),
        ("GRU", ["Sigmoid", "Softsign"], {}),
        ("LSTM", ["HardSigmoid", "Relu", "Tanh"], {"activation_alpha": [0.25], "activation_beta": [0.45]}),
        ("LSTM", ["Sigmoid", "Softsign", "Elu"], {"activation_alpha": [0.6]}),
    ],
)
def test_activations(tmp_path, kind, activations, parameters):
    check(*recurrent(tmp_path, kind, activations=activations, states=True, **parameters))


def test_each_direction_has_its_own_activations(tmp_path):
    check(*recurrent(tmp_path, "RNN", way="bidirectional", activations=["Tanh", "Relu"], states=True))


@pytest.mark.parametrize("kind", GATES)
def test_batch_first_is_the_same_with_axes_exchanged(tmp_path, kind):
    path, given = recurrent(tmp_path, kind, way="bidirectional", layout=1, states=True)
    got = read(path).run(given)
    model = onnx.load(path)
    node = model.graph.node[0]
    for attribute in [a for a in node.attribute if a.name == "layout"]:
        node.attribute.remove(attribute)
    time_first = {n: np.ascontiguousarray(v.transpose(1, 0, 2)) for n, v in given.items()}
    for info in model.graph.input:
        for dim, size in zip(info.type.tensor_type.shape.dim, time_first[info.name].shape, strict=True):
            dim.dim_value = size
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, *ends = session.run(None, time_first)
    np.testing.assert_allclose(got["Y"], y.transpose(2, 0, 1, 3), atol=1e-5)
    for name, end in zip(["Y_h", "Y_c"], ends, strict=False):
        np.testing.assert_allclose(got[name], end.transpose(1, 0, 2), atol=1e-5)


def test_what_does_not_fit_is_refused(tmp_path):
    path, _ = recurrent(tmp_path, "LSTM")
    for change, error, words in (
        ({"activations": [b"Tanh"]}, BadInput, "1 activations, 3 are needed"),
        ({"activations": [b"Sigmoid", b"Cube", b"Tanh"]}, Unsupported, "'cube'"),
        ({"direction": b"sideways"}, BadInput, "sideways"),
        ({"hidden_size": 7}, BadInput, "hidden size 7"),
    ):
        model = onnx.load(path)
        node = model.graph.node[0]
        for name, value in change.items():
            for attribute in [a for a in node.attribute if a.name == name]:
                node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute(name, value))
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(model.SerializeToString())
        with pytest.raises(error, match=words):
            read(broken)
