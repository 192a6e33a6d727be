"""The echo state network against a dense step-by-step loop, scikit-learn's ridge, and Mackey-Glass."""

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.models.echo_state_network import AT_ONCE, Config, dense, echo_state_network
from lamina.tasks.mackey_glass import mackey_glass, nrmse


def made(**settings):
    return echo_state_network(
        Config(**{"inputs": 2, "hidden": 24, "outputs": 3, "groups": 4, "washout": 5, "bias_scaling": 0.2, **settings}),
        seed=1,
    )


def sequences(count, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "x": torch.randn(count, steps, 2, generator=generator),
        "y": torch.randn(count, steps, 3, generator=generator),
    }


def states(model, x, state=None):
    """One step after the other with the whole matrix, in float64."""
    w, w_in, bias = (t.double() for t in (dense(model.recurrent), model.w_in, model.bias))
    s = torch.zeros(len(x), len(w)).double() if state is None else state
    found = []
    for t in range(x.shape[1]):
        new = torch.tanh(x[:, t].double() @ w_in.T + s @ w.T + bias)
        s = (1 - model.config.leak) * s + model.config.leak * new
        found.append(s)
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("leak", [1.0, 0.3])
def test_states_are_those_of_the_dense_matrix(leak):
    model, x = made(leak=leak), sequences(3, 40)["x"]
    found, last = model.run(x)
    assert torch.allclose(found.double(), states(model, x), rtol=0, atol=2e-6)
    assert torch.equal(last, found[:, -1])
    first, state = model.run(x[:, :13])
    second, _ = model.run(x[:, 13:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), found, atol=1e-6)


@pytest.mark.parametrize(("groups", "radius"), [(1, 0.9), (4, 1.25), (24, 0.5)])
def test_the_reservoir_has_its_radius_and_reads_a_share_of_the_units(groups, radius):
    model = made(groups=groups, spectral_radius=radius)
    w = dense(model.recurrent)
    assert float(np.abs(np.linalg.eigvals(w.double().numpy())).max()) == pytest.approx(radius, rel=1e-4)
    assert ((w != 0).sum(1) == 24 // groups).all()
    assert ((w != 0).sum(0) == 24 // groups).all()
    assert float(model.w_in.abs().max()) <= 1


@pytest.mark.parametrize("ridge", [1e-3, 0.5, 30.0])
def test_the_read_out_is_scikit_learn_s_ridge(ridge):
    linear = pytest.importorskip("sklearn.linear_model")
    model, batch = made(ridge=ridge), sequences(7, 60)
    model.solve([{k: v[i : i + 3] for k, v in batch.items()} for i in (0, 3, 6)])
    s = model.run(batch["x"])[0][:, 5:].reshape(-1, 24).double().numpy()
    wanted = linear.Ridge(alpha=ridge).fit(s, batch["y"][:, 5:].reshape(-1, 3).double().numpy())
    assert np.allclose(model.read_out.numpy(), wanted.coef_, rtol=1e-5, atol=1e-6)
    assert np.allclose(model.offset.numpy(), wanted.intercept_, rtol=1e-5, atol=1e-6)


def test_a_long_sequence_is_summed_up_in_parts():
    model, batch = made(ridge=0.1, washout=AT_ONCE + 10), sequences(2, 2 * AT_ONCE + 50)
    model.solve([batch])
    s = model.run(batch["x"])[0][:, AT_ONCE + 10 :].reshape(-1, 24).double().numpy()
    y = batch["y"][:, AT_ONCE + 10 :].reshape(-1, 3).double().numpy()
    centred = s - s.mean(0)
    wanted = np.linalg.solve(centred.T @ centred + 0.1 * np.eye(24), centred.T @ (y - y.mean(0))).T
    assert np.allclose(model.read_out.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_below_a_radius_of_one_the_beginning_is_forgotten():
    model, x = made(spectral_radius=0.8), sequences(1, 300)["x"]
    other = model.run(x, torch.full((1, 24), 0.9))[0]
    assert (model.run(x)[0] - other)[:, 0].abs().max() > 0.1
    assert (model.run(x)[0] - other)[:, -1].abs().max() < 1e-6


def test_mackey_glass_is_told_one_step_ahead_and_goes_on_alone():
    series = torch.from_numpy(mackey_glass(3001, washout=500)[0]).float().reshape(1, -1, 1)
    model = echo_state_network(Config(hidden=300, spectral_radius=1.25, leak=0.3), seed=0)
    model.solve([{"x": series[:, :2000], "y": series[:, 1:2001]}])
    told = model(series[:, :3000])[0, 2000:, 0].numpy()
    assert nrmse(told, series[0, 2001:, 0].numpy()) < 2e-3
    alone = model.forecast(series[:, :2001], 84)
    assert alone.shape == (1, 84, 1)
    assert nrmse(alone[0, :, 0].numpy(), series[0, 2001:2085, 0].numpy()) < 0.05


def test_a_forecast_feeds_each_answer_back():
    model = made(outputs=2)
    x = sequences(2, 9)["x"]
    found = model.forecast(x, 3)
    seen = x
    for step in range(3):
        answer = model(seen)[:, -1:]
        assert torch.allclose(answer, found[:, step : step + 1], atol=1e-5)
        seen = torch.cat([seen, answer], dim=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made(groups=5), "multiple"),
        (lambda: made(leak=0.0), "leak is 0"),
        (lambda: made(ridge=-1.0), "ridge is -1"),
        (lambda: made()(torch.zeros(1, 0, 2)), "at least 1"),
        (lambda: made()(torch.zeros(1, 4, 3)), r"\[1, 4, 3\]"),
        (lambda: made().solve([sequences(1, 5)]), "washout 5"),
        (lambda: made().solve([]), "empty"),
        (lambda: made().solve([{"x": torch.zeros(1, 9, 2), "y": torch.zeros(1, 8, 3)}]), "targets"),
        (lambda: made().forecast(torch.zeros(1, 4, 2), 3), "next 2 inputs"),
        (lambda: made(outputs=2).forecast(torch.zeros(1, 4, 2), 0), "forecast of 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
