"""The Clockwork RNN's skipped rows against a dense net with masks, forward and backward."""

import pytest
import torch
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models.clockwork_rnn import SMALL, Config, _active, allowed, clockwork_rnn, example


def module(**settings):
    made = clockwork_rnn(Config(**{"inputs": 3, "hidden": 12, "outputs": 2, "periods": (1, 2, 6), **settings}), seed=2)
    return made.double()


def masked_dense(model, x, before, start=0):
    """Every row at every step; what does not tick is thrown away."""
    periods = model.config.periods
    units = model.config.hidden // len(periods)
    weight = model.weight_hh * allowed(model.config).double()
    h, found = before, []
    for t in range(x.shape[1]):
        new = torch.tanh(F.linear(x[:, t], model.weight_ih, model.bias) + h @ weight.T)
        ticks = torch.tensor([(start + t) % p == 0 for p in periods]).repeat_interleave(units)
        h = torch.where(ticks, new, h)
        found.append(h)
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("periods", [(1, 2, 6), (2, 4, 8), (1,), (3, 3)])
@pytest.mark.parametrize(("start", "steps"), [(0, 17), (5, 17), (5, 2)])  # the last: some modules never tick
def test_it_equals_a_masked_dense_net_with_its_gradients(periods, start, steps):
    model = module(periods=periods)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, steps, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    before = torch.randn(4, 12, generator=generator, dtype=torch.float64, requires_grad=True)
    share = torch.randn(4, steps, 12, generator=generator, dtype=torch.float64)
    weights = [x, before, model.weight_ih, model.weight_hh, model.bias]
    found, (last, clock) = model.run(x, (before, torch.tensor(start)))
    wanted = masked_dense(model, x, before, start)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    assert torch.equal(last, found[:, -1])
    assert int(clock) == start + steps
    ours = torch.autograd.grad((found * share).sum(), weights, retain_graph=True)
    theirs = torch.autograd.grad((wanted * share).sum(), weights)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)
    through_last = torch.autograd.grad(last.sum(), model.weight_hh)[0]
    again = masked_dense(model, x, before, start)[:, -1].sum()
    assert torch.allclose(through_last, torch.autograd.grad(again, model.weight_hh)[0], atol=1e-10)


def test_only_rows_that_tick_are_computed():
    assert _active((1, 2, 6), 12, 0, 8) == [12, 4, 8, 4, 8, 4, 12, 4]
    assert _active((2, 4), 4, 1, 4) == [0, 2, 0, 4]
    rows = _active((1, 2, 4, 8, 16, 32, 64, 128), 512, 0, 128)
    assert sum(rows) / (128 * 512) == pytest.approx(255 / 128 / 8)


def test_a_sequence_in_parts_is_the_sequence():
    model, x = module(), torch.randn(2, 11, 3, dtype=torch.float64)
    whole, _ = model.run(x)
    first, state = model.run(x[:, :5])
    second, _ = model.run(x[:, 5:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-14)


def test_weights_from_faster_modules_stay_zero_in_training():
    model = clockwork_rnn(SMALL, seed=1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    batch = example(SMALL, 6, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4
    below = model.weight_hh.detach()[allowed(SMALL) == 0]
    assert len(below) == 12
    assert not below.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"periods": (1, 3, 4)}, "divide"), ({"periods": ()}, "divide"), ({"hidden": 7}, "hidden is 7")],
)
def test_clocks_that_do_not_fit_are_named(settings, message):
    with pytest.raises(BadInput, match=message):
        module(**settings)


def test_sequences_without_steps_are_named():
    with pytest.raises(BadInput, match="at least 1"):
        module()(torch.zeros(1, 0, 3).double())
