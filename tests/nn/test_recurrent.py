"""Recurrent layers equal torch's and ONNX's, forward and gradients; both ways through them agree."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lamina.core.errors import BadInput
from lamina.nn import cells
from lamina.nn.recurrent import GATES, Recurrent

TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CASES = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]


def pair(kind, activation="tanh", **settings):
    """A layer, torch's with the same weights, sequences and a state."""
    torch.manual_seed(0)
    layer = Recurrent(kind, 3, 5, activation=activation)
    theirs = TORCH[kind](3, 5, batch_first=True, **({"nonlinearity": activation} if kind == "rnn" else {}), **settings)
    theirs.load_state_dict({f"{key}_l0": value for key, value in layer.state_dict().items()}, strict=not settings)
    first = torch.rand(2, 5) - 0.5
    state = (first, torch.rand(2, 5) - 0.5) if kind == "lstm" else first
    return layer, theirs, torch.rand(2, 7, 3) - 0.5, state


def several(state):
    return list(state) if isinstance(state, tuple) else [state]


def scanned(layer, x, state, reverse=False):
    """The same through `scan`, as it is exported."""
    last, (y,) = layer._walk(x, state, lambda s, _: (several(s)[0],), reverse)
    return y, last


def largest(a, b):
    return max(float((p - q).detach().abs().max()) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize(("kind", "activation"), CASES)
@pytest.mark.parametrize("way", ["fused", "scan"])
def test_equals_torch_forward_and_gradients(kind, activation, way):
    layer, theirs, x, state = pair(kind, activation)
    y, last = layer(x, state) if way == "fused" else scanned(layer, x, state)
    before = tuple(s[None] for s in state) if kind == "lstm" else state[None]
    wanted, after = theirs(x, before)
    assert largest([y, *several(last)], [wanted, *(s[0] for s in several(after))]) < 1e-6
    weight = torch.rand(2, 7, 5)
    ours = torch.autograd.grad((y * weight).sum() + several(last)[-1].sum(), layer.parameters())
    known = torch.autograd.grad((wanted * weight).sum() + several(after)[-1].sum(), theirs.parameters())
    assert largest(ours, known) < 2e-6


@pytest.mark.parametrize(("kind", "activation"), CASES)
def test_backwards_in_time_both_ways_agree(kind, activation):
    layer, _, x, state = pair(kind, activation)
    (y, last), (other, ended) = layer(x, state, reverse=True), scanned(layer, x, state, reverse=True)
    assert largest([y, *several(last)], [other, *several(ended)]) < 1e-6
    assert largest([y[:, 0]], several(last)[:1]) < 1e-6


@pytest.mark.parametrize("kind", list(GATES))
def test_pieces_with_the_state_carried_on_are_the_whole(kind):
    layer, _, x, state = pair(kind)
    whole, _ = layer(x, state)
    first, between = layer(x[:, :3], state)
    second, _ = layer(x[:, 3:], between)
    assert largest([whole], [torch.cat([first, second], dim=1)]) < 1e-6


@pytest.mark.parametrize("form", ["rnn-tanh", "rnn-sigmoid", "lstm", "lstm-peepholes", "gru"])
def test_cells_backward_against_finite_differences(form):
    kind, _, option = form.partition("-")
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    given = [drawn(2, 3), drawn(2, GATES[kind] * 3), drawn(GATES[kind] * 3, 3), drawn(GATES[kind] * 3)]
    if kind == "lstm":
        given += [drawn(2, 3)] + ([drawn(3, 3)] if option else [])

        def step(h, a, w, b, c, p=None):
            state, gates = cells.lstm((h, c), a, w, b, peepholes=p)
            return (*state, *gates.values())
    elif kind == "gru":

        def step(h, a, w, b):
            state, gates = cells.gru(h, a, w, b)
            return (state, *gates.values())
    else:

        def step(h, a, w, b):
            return cells.rnn(h, a, w, b, activation=option)[0]

    assert torch.autograd.gradcheck(step, given, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("peepholes", [False, True])
def test_the_lstm_equals_onnx_s_operator(peepholes):
    """P is ordered input, output, forget there, and the gates input, output, forget, candidate."""
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(2)
    layer, x = Recurrent("lstm", 3, 5, peepholes=peepholes), torch.rand(2, 7, 3) - 0.5
    state = (torch.rand(2, 5) - 0.5, torch.rand(2, 5) - 0.5)

    def reordered(parameter):
        i, f, g, o = parameter.detach().chunk(4)
        return torch.cat([i, o, f, g])

    arrays = {
        "X": x.transpose(0, 1),
        "W": reordered(layer.weight_ih)[None],
        "R": reordered(layer.weight_hh)[None],
        "B": torch.cat([reordered(layer.bias_ih), reordered(layer.bias_hh)])[None],
        "": None,
        "h": state[0][None],
        "c": state[1][None],
    }
    if peepholes:
        arrays["P"] = layer.peepholes.detach()[[0, 2, 1]].reshape(1, -1)
    arrays = {name: tensor.numpy() for name, tensor in arrays.items() if tensor is not None}
    names = ["X", "W", "R", "B", "", "h", "c"] + ["P"] * peepholes
    node = onnx.helper.make_node("LSTM", names, ["Y", "last_h", "last_c"], hidden_size=5)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "lstm",
        [value(name, onnx.TensorProto.FLOAT, array.shape) for name, array in arrays.items()],
        [value(name, onnx.TensorProto.FLOAT, None) for name in ("Y", "last_h", "last_c")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected, last_h, last_c = session.run(None, arrays)
    y, (h, c) = layer(x, state)
    for ours, theirs in ((y.transpose(0, 1), expected[:, 0]), (h, last_h[0]), (c, last_c[0])):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, atol=1e-6)


def test_gates_are_seen_and_rebuild_the_states():
    layer, _, x, state = pair("lstm")
    seen = layer.observe(x, state)
    before = torch.cat([state[1][:, None], seen["c"][:, :-1]], dim=1)
    assert torch.allclose(seen["c"], seen["forget"] * before + seen["input"] * seen["candidate"], atol=1e-6)
    assert torch.allclose(seen["h"], seen["output"] * torch.tanh(seen["c"]), atol=1e-6)
    assert torch.allclose(seen["h"], layer(x, state)[0], atol=1e-6)
    layer, _, x, state = pair("gru")
    seen = layer.observe(x, state)
    before = torch.cat([state[:, None], seen["h"][:, :-1]], dim=1)
    assert torch.allclose(seen["h"], (1 - seen["update"]) * seen["candidate"] + seen["update"] * before, atol=1e-6)
    assert list(Recurrent("rnn", 3, 5).observe(x)) == ["h"]


def test_bad_input_is_named():
    layer = Recurrent("gru", 3, 5)
    for shape in ((2, 0, 3), (2, 3), (2, 7, 4)):
        with pytest.raises(BadInput, match=r"\[n, t, 3\]"):
            layer(torch.zeros(shape))
    with pytest.raises(BadInput, match="unknown recurrent cell 'lstn': did you mean 'lstm'"):
        Recurrent("lstn", 3, 5)
    with pytest.raises(BadInput, match="peepholes are of lstm"):
        Recurrent("gru", 3, 5, peepholes=True)
    with pytest.raises(BadInput, match="peepholes are of lstm, relu of rnn"):
        Recurrent("lstm", 3, 5, activation="relu")
    with pytest.raises(BadInput, match="at least one of each"):
        Recurrent("lstm", 3, 0)
    with pytest.raises(BadInput, match="unknown activation"):
        Recurrent("rnn", 3, 5, activation="softmax")
