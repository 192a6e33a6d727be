"""The RBM against enumeration of all its states, and contrastive divergence against its exact expectation."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput, Unsupported
from lamina.data._dataset import Split
from lamina.lowering import lower_all
from lamina.models.rbm import Config, Rbm, log_likelihood, log_partition, rbm, states
from lamina.training import FitConfig, fit

VISIBLE, HIDDEN = 7, 5


def machine(visible=VISIBLE, hidden=HIDDEN, *, seed=0, scale=0.8, k=1) -> Rbm:
    """Weights and biases that matter, in float64."""
    model = rbm(Config(visible=visible, hidden=hidden, k=k)).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)
    return model


def arrays(model):
    """Weight, visible and hidden bias."""
    return (p.detach().numpy() for p in (model.weight, model.visible_bias, model.hidden_bias))


def joint(model):
    """exp(-E(v, h)) by loops, [2^visible, 2^hidden], in the order of `states`."""
    w, a, b = arrays(model)
    table = np.empty((2 ** w.shape[1], 2 ** w.shape[0]))
    for i, v in enumerate(states(w.shape[1]).numpy()):
        for j, h in enumerate(states(w.shape[0]).numpy()):
            energy = -sum(a[m] * v[m] for m in range(len(v))) - sum(b[n] * h[n] for n in range(len(h)))
            energy -= sum(h[n] * w[n, m] * v[m] for n, m in itertools.product(range(len(h)), range(len(v))))
            table[i, j] = math.exp(-energy)
    return table


@pytest.fixture(scope="module")
def model():
    return machine()


@pytest.fixture(scope="module")
def table(model):
    return joint(model)


def test_states_are_all_there_once():
    assert len(set(map(tuple, states(5).tolist()))) == 32
    with pytest.raises(Unsupported, match="at most 20 units"):
        states(21)


def test_energy_free_energy_and_partition_function_by_enumeration(model, table):
    v, h = states(VISIBLE).double(), states(HIDDEN).double()
    pairs_v, pairs_h = v.repeat_interleave(len(h), 0), h.repeat(len(v), 1)
    energies = model.energy(pairs_v, pairs_h).detach().view(len(v), len(h)).numpy()
    assert np.allclose(np.exp(-energies), table)
    assert np.allclose(-np.log(table.sum(axis=1)), model.free_energy(v).detach().numpy())
    assert log_partition(model).item() == pytest.approx(math.log(table.sum()), rel=1e-12)
    assert log_likelihood(model, v).exp().sum().item() == pytest.approx(1, rel=1e-12)


def test_the_partition_function_is_the_same_from_either_layer():
    wide = machine(4, 8, seed=3)
    other = Rbm(Config(visible=8, hidden=4)).double()
    with torch.no_grad():
        other.weight.copy_(wide.weight.T)
        other.visible_bias.copy_(wide.hidden_bias)
        other.hidden_bias.copy_(wide.visible_bias)
    assert log_partition(wide).item() == pytest.approx(log_partition(other).item(), rel=1e-12)
    assert log_partition(wide).item() == pytest.approx(math.log(joint(wide).sum()), rel=1e-12)


def test_conditionals_by_enumeration(model, table):
    v, h = states(VISIBLE).double(), states(HIDDEN).double()
    hidden = (table / table.sum(axis=1, keepdims=True)) @ h.numpy()
    visible = (table / table.sum(axis=0, keepdims=True)).T @ v.numpy()
    assert np.allclose(model(v).detach().numpy(), hidden)
    assert np.allclose(model.visible_given(h).detach().numpy(), visible)


def test_free_energy_is_scikit_learn_s(model):
    neural = pytest.importorskip("sklearn.neural_network")
    other = neural.BernoulliRBM(n_components=HIDDEN)
    other.components_, other.intercept_visible_, other.intercept_hidden_ = arrays(model)
    v = states(VISIBLE).double()
    assert np.allclose(model.free_energy(v).detach().numpy(), other._free_energy(v.numpy()))


def data(count=6, seed=1):
    return torch.randint(0, 2, (count, VISIBLE), generator=torch.Generator().manual_seed(seed)).double()


def statistics(model, shares):
    """<h v'>, <v>, <h> with the visible states weighted by `shares` [2^visible], hidden units summed out."""
    w, _, b = arrays(model)
    v = states(w.shape[1]).numpy()
    h = 1 / (1 + np.exp(-(v @ w.T + b)))
    return {"weight": (h * shares[:, None]).T @ v, "visible_bias": shares @ v, "hidden_bias": shares @ h}


def shares_of(v):
    places = (v.long() << torch.arange(v.shape[1])).sum(dim=1)
    return np.bincount(places.numpy(), minlength=2 ** v.shape[1]) / len(v)


def transition(table):
    """p(v' | v) of one Gibbs step, [2^visible, 2^visible]."""
    return (table / table.sum(axis=1, keepdims=True)) @ (table / table.sum(axis=0, keepdims=True)).T


def exact(model, table, v):
    """Minus the slope of the mean log-likelihood."""
    start, end = statistics(model, shares_of(v)), statistics(model, table.sum(axis=1) / table.sum())
    return {name: end[name] - start[name] for name in start}


def test_the_exact_slope_is_that_of_the_exact_likelihood(model, table):
    v = data()
    (-log_likelihood(model, v).mean()).backward()
    for name, wanted in exact(model, table, v).items():
        assert np.allclose(getattr(model, name).grad.numpy(), wanted, atol=1e-10), name
    model.zero_grad(set_to_none=True)


def test_gibbs_steps_leave_the_model_s_distribution_alone(table):
    stationary = table.sum(axis=1) / table.sum()
    assert np.allclose(stationary @ transition(table), stationary)


@pytest.mark.parametrize("k", [1, 3])
def test_cd_k_is_its_expectation_but_for_chance(model, table, k):
    v = data()
    step = np.linalg.matrix_power(transition(table), k)
    start, end = statistics(model, shares_of(v)), statistics(model, shares_of(v) @ step)
    many = v.repeat(20_000, 1)  # 120,000 chains: a standard error of 0.0015 at most
    with torch.no_grad():
        found = model.contrastive_divergence(many, k, generator=torch.Generator().manual_seed(2))
    for name in start:
        assert np.abs(found[name].numpy() - (end[name] - start[name])).max() < 0.007, name


def test_cd_k_comes_to_the_exact_slope_as_k_grows(model, table):
    v = data()
    start, wanted, off = statistics(model, shares_of(v)), exact(model, table, v), []
    for k in (1, 4, 16, 64):
        end = statistics(model, shares_of(v) @ np.linalg.matrix_power(transition(table), k))
        off.append(max(np.abs(end[name] - start[name] - wanted[name]).max() for name in start))
    assert off == sorted(off, reverse=True)
    assert off[0] > 0.02, "CD-1 has a bias"
    assert off[-1] < 1e-3
    with torch.no_grad():
        found = model.contrastive_divergence(v.repeat(10_000, 1), 30, generator=torch.Generator().manual_seed(3))
    for name in start:
        assert np.abs(found[name].numpy() - wanted[name]).max() < 0.01, name


def test_what_is_drawn_follows_from_the_key(model):
    v = data()
    first, second, other = (
        model.sample(v, 5, generator=torch.Generator().manual_seed(seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_gibbs_step_lowers_with_its_random_numbers_as_inputs():
    model = machine().float()
    network = {n.name: n for n in lower_all(model, name="rbm")}["rbm.gibbs_step"]
    v, generator = data(1).float(), torch.Generator().manual_seed(4)
    wanted = model.gibbs_step(v, generator=torch.Generator().manual_seed(4))
    uniform = [torch.rand(1, size, generator=generator) for size in (HIDDEN, VISIBLE)]
    found = network.run(dict(zip(network.inputs, (t.numpy() for t in (v, *uniform)), strict=True)))
    assert [array.tolist() for array in found.values()] == [t.tolist() for t in wanted]


def test_training_raises_the_exact_likelihood():
    """Three rows of four pixels, each row on or off."""
    rows = states(3).repeat(30, 1)
    split = Split(tensors={"x": rows[:, :, None].expand(-1, -1, 4).reshape(len(rows), 12).contiguous()})
    made = SimpleNamespace(name="bars", checksum="0" * 64, classes=(), train=split, validation=split.first(8))
    model = rbm(Config(visible=12, hidden=6, k=5), seed=1)
    before = log_likelihood(model, split.inputs).mean().item()
    assert before == pytest.approx(-12 * math.log(2), abs=0.1)  # nothing known yet
    config = FitConfig(epochs=100, batch_size=24, learning_rate=0.3, optimiser="sgd", schedule="cosine")
    found = fit(model, made, config=config)
    after = log_likelihood(model, split.inputs).mean().item()
    assert -4 < after < -math.log(8) + 1e-6  # eight pictures: no model does better than log 8 nats each
    assert found.history[-1]["validation_loss"] < found.history[0]["validation_loss"] / 3


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 8), "7 units an example"),
        (torch.full((2, 7), 1.5), r"\[0, 1\] is needed"),
        (torch.full((2, 7), float("nan")), r"\[0, 1\] is needed"),
    ],
)
def test_inputs_that_are_none_are_named(x, message):
    with pytest.raises(BadInput, match=message):
        rbm(Config(visible=7, hidden=5)).gradients({"x": x})


def test_sizes_are_checked():
    with pytest.raises(BadInput, match="1 or more"):
        rbm(Config(k=0))
