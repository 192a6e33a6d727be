"""Recurrent networks beside torch's, their truncation, what they learn in seconds, and what they refuse."""

import pytest
import torch
from torch import nn

from lamina.core.configuration import replace
from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.lowering import lower_all
from lamina.models.bidirectional_rnn import bidirectional_rnn
from lamina.models.deep_rnn import deep_rnn
from lamina.models.elman import elman
from lamina.models.jordan import jordan
from lamina.models.lstm import lstm
from lamina.models.mlp import mlp
from lamina.models.rnn import rnn
from lamina.tasks.copying import copying
from lamina.tasks.gradient_norms import gradient_norms
from lamina.tasks.temporal_order import TOKENS, temporal_order
from lamina.tasks.temporal_xor import by_place, temporal_xor
from lamina.training import FitConfig, fit
from tests.contract.members import batch, module, small

RECURRENT = ("rnn", "lstm", "gru", "elman", "jordan", "bidirectional_rnn", "deep_rnn")


def built(builder, **settings):
    name = builder.__name__
    return builder(replace(small(name), settings)), batch(name, 4, **settings)


def largest(a, b):
    return max(float((p - q).detach().abs().max()) for p, q in zip(a, b, strict=True))


def data_of(made):
    whole = Split(tensors=made)
    return Dataset(name="made", classes=(), checksum="0" * 64, train=whole, validation=whole.first(0), test=whole)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_bidirectional_equals_torch_forward_and_gradients(kind):
    ours, given = built(bidirectional_rnn, cell=kind, reads="each")
    cell = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](3, 5, batch_first=True, bidirectional=True)
    state = ours.state_dict()
    ahead = {f"{k.removeprefix('forwards.')}_l0": v for k, v in state.items() if "forwards." in k}
    back = {f"{k.removeprefix('backwards.')}_l0_reverse": v for k, v in state.items() if "backwards." in k}
    cell.load_state_dict(ahead | back)
    head = nn.Linear(10, 3)
    head.load_state_dict(ours.head.state_dict())
    wanted = head(cell(given["x"])[0])
    assert largest([ours(given["x"])], [wanted]) < 1e-6
    loss = nn.functional.mse_loss(wanted, given["y"])
    own = [*ours.forwards.parameters(), *ours.backwards.parameters(), *ours.head.parameters()]
    theirs = [*cell.parameters(), *head.parameters()]
    assert largest(torch.autograd.grad(ours.loss(given), own), torch.autograd.grad(loss, theirs)) < 1e-6


def test_around_does_not_see_the_step_that_it_fills():
    model, given = built(bidirectional_rnn, reads="around")
    x = given["x"].requires_grad_()
    for t in range(x.shape[1]):
        (gradient,) = torch.autograd.grad(model(x)[:, t].sum(), x)
        seen = gradient.abs().sum(dim=(0, 2)) > 0
        assert seen.tolist() == [other != t for other in range(x.shape[1])]


def test_elman_with_tanh_equals_torch():
    model, given = built(elman, activation="tanh", reads="each", truncation=None)
    theirs = nn.RNN(3, 5, batch_first=True)
    theirs.load_state_dict({f"{k}_l0": v for k, v in model.layer.state_dict().items()})
    wanted = model.head(theirs(given["x"])[0])
    assert largest([model(given["x"])], [wanted]) < 1e-6
    loss = nn.functional.mse_loss(wanted, given["y"])
    own = torch.autograd.grad(model.loss(given), model.layer.parameters())
    assert largest(own, torch.autograd.grad(loss, theirs.parameters())) < 1e-6


@pytest.mark.parametrize(("builder", "truncation"), [(rnn, 1), (rnn, 2), (rnn, 3), (rnn, 4), (rnn, 9), (elman, 1)])
def test_truncation_changes_gradients_as_a_state_cut_by_hand_does(builder, truncation):
    model, given = built(builder, reads="each", activation="tanh", truncation=truncation)
    h, answers = torch.zeros(4, 5), []
    for t in range(4):
        h = h.detach() if t % truncation == 0 else h
        layer = model.layer
        h = torch.tanh(given["x"][:, t] @ layer.weight_ih.T + layer.bias_ih + h @ layer.weight_hh.T + layer.bias_hh)
        answers.append(model.head(h))
    loss = nn.functional.mse_loss(torch.stack(answers, dim=1), given["y"])
    parameters = list(model.parameters())
    assert float((model.loss(given) - loss).detach()) == pytest.approx(0, abs=1e-6)
    assert largest(torch.autograd.grad(model.loss(given), parameters), torch.autograd.grad(loss, parameters)) < 1e-6


@pytest.mark.parametrize("target", ["value", "class"])
def test_jordan_remembers_what_it_said(target):
    model, given = built(jordan, reads="each", target=target)
    s, answers = torch.zeros(4, 3), []
    for t in range(4):
        h = torch.sigmoid(model.input(given["x"][:, t]) + model.context(s))
        answers.append(model.output(h))
        s = 0.5 * s + (torch.sigmoid(answers[-1]) if target == "class" else answers[-1])
    assert largest([model(given["x"])], [torch.stack(answers, dim=1)]) < 1e-6


def test_deep_networks_are_deep_where_they_say():
    stacked, given = built(deep_rnn, depth=3, reads="each")
    theirs = nn.RNN(3, 5, num_layers=3, batch_first=True)
    theirs.load_state_dict(
        {f"{k}_l{n}": v for n, one in enumerate(stacked.layers) for k, v in one.state_dict().items()}
    )
    assert largest([stacked(given["x"])], [stacked.head(theirs(given["x"])[0])]) < 1e-6
    model, given = built(deep_rnn, form="transition_output", depth=3, shortcut=True)
    h, (layer,), (one, two) = torch.zeros(4, 5), model.layers, model.transition
    for t in range(4):
        a = given["x"][:, t] @ layer.weight_ih.T + layer.bias_ih + h @ layer.weight_hh.T + layer.bias_hh
        h = torch.tanh(two(torch.tanh(one(torch.tanh(a)))) + h @ model.shortcut.weight.T)
    assert [type(part).__name__ for part in model.head] == ["Linear", "Tanh"] * 3 + ["Linear"]
    assert largest([model(given["x"])], [model.head(h)]) < 1e-6


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lstm", {"peepholes": True, "reads": "each"}),
        ("lstm", {"tokens": 7, "target": "class"}),
        ("bidirectional_rnn", {"tokens": 7, "reads": "around", "cell": "gru", "target": "class"}),
        ("deep_rnn", {"form": "transition", "shortcut": True, "depth": 3}),
    ],
)
def test_what_choices_alone_do_not_reach_lowers_too(name, settings):
    model = getattr(module(name), name)(replace(small(name), settings)).eval()
    (network,) = lower_all(model, name=name)
    x = model.entries()["main"][1]
    (found,) = network.run({next(iter(network.inputs)): x.numpy()}).values()
    assert largest([torch.from_numpy(found)], [model(x)]) < 1e-5


def test_forget_gates_begin_open():
    one, two = lstm(replace(small("lstm"), {"forget_bias": 0.0})), lstm(replace(small("lstm"), {"forget_bias": 2.0}))
    moved = two.layer.bias_ih - one.layer.bias_ih
    assert moved.tolist() == pytest.approx([0] * 5 + [2] * 5 + [0] * 10, abs=1e-6)
    assert set(lstm().gates(torch.rand(1, 3, 2))) == {"input", "forget", "output", "candidate", "h", "c"}


def test_a_plain_network_s_gradient_vanishes_where_an_lstm_s_does_not():
    x = torch.rand(2, 100, 2, generator=torch.Generator().manual_seed(0))
    found = {}
    for model in (rnn(), lstm(replace(module("lstm").Config(), {"forget_bias": 4.0}))):
        layer = model.layer
        a = nn.functional.linear(x, layer.weight_ih, layer.bias_ih).transpose(0, 1)
        norms = gradient_norms(
            lambda s, a, layer=layer: layer.step(s, a)[0],
            a,
            layer.begin(x),
            lambda s, model=model: model.head(s if isinstance(s, torch.Tensor) else s[0]).sum(),
        )
        assert len(norms) == 101
        found[type(model).__name__] = norms[100] / norms[0]
    assert found["Rnn"] < 1e-9
    assert found["Lstm"] > 1e-2


def test_elman_s_network_learns_temporal_xor_and_a_network_without_memory_does_not():
    made, held = temporal_xor(64, 60, seed=0), temporal_xor(200, 60, seed=1)
    settings = {"inputs": 1, "hidden": 16, "outputs": 2, "reads": "each", "target": "class", "activation": "tanh"}
    model = elman(replace(module("elman").Config(), {**settings, "truncation": None}), seed=1)
    fit(model, data_of(made), config=FitConfig(steps=300, batch_size=64, learning_rate=0.02, clip=1.0))
    first, second, third = by_place(model(held["x"]).detach(), held["y"])
    assert third > 0.9, "the third bit follows from the two before it"
    assert (first, second) == pytest.approx((0.5, 0.5), abs=0.05)
    blind = mlp(replace(module("mlp").Config(), {"shape": (1,), "hidden": (16,), "classes": 2}), seed=1)
    steps = {"x": made["x"].flatten(0, 1), "y": made["y"].flatten()}
    fit(blind, data_of(steps), config=FitConfig(steps=100, batch_size=256, learning_rate=0.02))
    assert by_place(blind(held["x"].flatten(0, 1)).detach().unflatten(0, (200, 60)), held["y"])[2] < 0.6


@pytest.mark.parametrize("task", ["copying", "temporal_order"])
def test_tokens_train_through_fit(task):
    made = copying(32, 3, length=3, seed=0) if task == "copying" else temporal_order(32, 12, seed=0)
    settings = {
        "tokens": 10 if task == "copying" else len(TOKENS),
        "inputs": 10,
        "hidden": 32,
        "outputs": 10 if task == "copying" else 4,
        "reads": "each" if task == "copying" else "last",
        "target": "class",
    }
    model = lstm(replace(module("lstm").Config(), settings))
    before = model.metrics(made)
    fit(model, data_of(made), config=FitConfig(steps=150, batch_size=32, learning_rate=0.02))
    after = model.metrics(made)
    assert after["loss"] < 0.3 * before["loss"]
    assert after["correct"] / after["count"] > 0.9


@pytest.mark.parametrize("name", RECURRENT)
def test_bad_input_is_named(name):
    model, given = getattr(module(name), name)(small(name)), batch(name, 4)
    for x in (torch.zeros(4, 0, 3), torch.zeros(4, 3), torch.zeros(4, 5, 2), torch.zeros(4, 5, 3, dtype=torch.int64)):
        with pytest.raises(BadInput, match=r"\[n, t, 3\] with t of at least 1"):
            model(x)
    for extra in ("lengths", "mask"):
        with pytest.raises(BadInput, match="sequences are of one length here"):
            model.loss({**given, extra: torch.ones(4)})
    with pytest.raises(BadInput, match=r"targets are \[4, 2\] .* \[4, 3\] is needed"):
        model.loss({**given, "y": given["y"][:, :2]})
    settings = {"tokens": 7, "target": "class"}
    model, given = getattr(module(name), name)(replace(small(name), settings)), batch(name, 4, **settings)
    with pytest.raises(BadInput, match=r"tokens 0\.\.7: those known are 0\.\.6"):
        model(torch.tensor([[0, 7]]))
    with pytest.raises(BadInput, match="int64"):
        model(torch.zeros(4, 5))
    with pytest.raises(BadInput, match=r"labels 3\.\.3: the classes are 0\.\.2"):
        model.loss({**given, "y": torch.full((4,), 3)})
    with pytest.raises(BadInput, match="hidden is 0"):
        replace(small(name), {"hidden": 0})


def test_settings_that_contradict_each_other_are_named():
    for name, settings, message in (
        ("bidirectional_rnn", {"truncation": 3}, "the whole sequence"),
        ("deep_rnn", {"shortcut": True}, "a shortcut in a stacked network"),
        ("deep_rnn", {"depth": 0}, "depth is 0"),
        ("jordan", {"decay": 1.0}, "decay is 1.0"),
    ):
        with pytest.raises(BadInput, match=message):
            replace(small(name), settings)
