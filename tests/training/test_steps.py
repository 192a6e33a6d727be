"""The two halves of a step against the published update rules, written out in float64."""

import math

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.training import begin, gradients, update
from lamina.training.steps import learning_rate, moments, put_moments
from tests.training.tiny import Tiny, blobs, weights


def by_hand(kind, start, slopes, rates, *, momentum, decay):
    """Weights after the updates, one rule a branch, for one weight array."""
    w, v, s = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t, (g, rate) in enumerate(zip(slopes, rates, strict=True), start=1):
        if kind == "adamw":
            w = w - rate * decay * w
        else:
            g = g + decay * w
        if kind == "sgd":
            w = w - rate * g
        elif kind == "momentum":
            v = g if t == 1 else momentum * v + g
            w = w - rate * v
        else:
            v, s = 0.9 * v + 0.1 * g, 0.999 * s + 0.001 * g**2
            w = w - rate * (v / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_updates_are_the_published_ones(kind, decay):
    model = Tiny(1).double()
    state = begin(model, kind, 0.1, momentum=0.8, weight_decay=decay)
    start = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    slopes = {n: [] for n in start}
    rates = [0.1, 0.03, 0.05, 0.02, 0.01, 0.07]
    for rate, batch in zip(rates, blobs(60).train.batches(10), strict=True):
        _, given = gradients(model, {"x": batch["x"].double(), "y": batch["y"]})
        for name, slope in given.items():
            slopes[name].append(slope.numpy().copy())
        assert update(state, given, rate) is state
    for name, parameter in model.named_parameters():
        expected = by_hand(kind, start[name], slopes[name], rates, momentum=0.8, decay=decay)
        assert np.allclose(parameter.detach().numpy(), expected, rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam", "adamw"])
def test_updates_are_those_of_torch_s_plain_optimiser(kind):
    ours, theirs = Tiny(2), Tiny(2)
    state = begin(ours, kind, 0.05)
    other = {
        "sgd": lambda p: torch.optim.SGD(p, 0.05),
        "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, 0.05, foreach=False, fused=False),
        "adamw": lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.0, foreach=False, fused=False),
    }[kind](theirs.parameters())
    for batch in blobs(100).train.batches(10):
        update(state, gradients(ours, batch)[1], 0.05)
        other.zero_grad()
        theirs.loss(batch).backward()
        other.step()
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_gradients_are_the_slope_of_the_loss():
    model = Tiny(3).double()
    batch = next(iter(blobs().train.batches(7)))
    batch = {"x": batch["x"].double(), "y": batch["y"]}
    value, given = gradients(model, batch)
    assert set(given) == {name for name, _ in model.named_parameters()}
    step = 1e-6
    for name, parameter in model.named_parameters():
        flat = parameter.data.view(-1)
        for i in range(len(flat)):
            kept = flat[i].item()
            flat[i] = kept + step
            up = model.loss(batch).item()
            flat[i] = kept - step
            down = model.loss(batch).item()
            flat[i] = kept
            assert given[name].view(-1)[i].item() == pytest.approx((up - down) / (2 * step), abs=1e-6)
    assert value.item() == pytest.approx(model.loss(batch).item())


def test_a_weight_without_a_gradient_stays():
    model = Tiny(4)
    state = begin(model, "adamw", 0.1, weight_decay=0.5)
    before = weights(model)
    _, given = gradients(model, next(iter(blobs().train.batches(9))))
    update(state, {k: v for k, v in given.items() if not k.startswith("fc1")}, 0.1)
    after = weights(model)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False, False]


def test_frozen_weights_have_no_part():
    model = Tiny(5)
    for parameter in model.fc1.parameters():
        parameter.requires_grad_(False)
    assert set(begin(model, "adam", 0.1).parameters) == {"fc2.weight", "fc2.bias"}
    model.requires_grad_(False)
    with pytest.raises(BadInput, match="no trainable parameters"):
        begin(model, "adam", 0.1)


@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_moments_are_put_back(kind):
    batches = list(blobs().train.batches(9))
    model = Tiny(6)
    state = begin(model, kind, 0.1)
    for batch in batches[:3]:
        update(state, gradients(model, batch)[1], 0.1)
    other = Tiny(7)
    other.load_state_dict(model.state_dict())
    fresh = begin(other, kind, 0.1)
    put_moments([fresh], {k: v.clone() for k, v in moments(state).items()})
    for batch in batches[3:6]:
        for m, s in ((model, state), (other, fresh)):
            update(s, gradients(m, batch)[1], 0.1)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), weights(other), strict=True))
    with pytest.raises(BadInput, match="'fc9"):
        put_moments([fresh], {"fc9.weight:exp_avg": torch.zeros(2)})
    with pytest.raises(BadInput, match=r"'fc1\.weight'"):
        put_moments([fresh], {"fc1.weight:exp_avg": torch.zeros(2)})


def test_schedules_are_their_closed_forms():
    peak, steps = 0.2, 200
    rates = {s: [learning_rate(s, peak, t, steps) for t in range(steps)] for s in ("constant", "cosine", "step")}
    assert set(rates["constant"]) == {peak}
    parameter = torch.nn.Parameter(torch.zeros(1))
    for name, scheduler in (
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)),
        ("step", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [steps // 2, 3 * steps // 4])),
    ):
        optimiser = torch.optim.SGD([parameter], peak)
        theirs = scheduler(optimiser)
        for rate in rates[name]:
            assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
            optimiser.step()
            theirs.step()


def test_one_cycle_goes_up_and_down():
    def rate(t):
        return learning_rate("one_cycle", 2.0, t, 1000)

    assert rate(0) == pytest.approx(0.2)
    assert rate(150) == pytest.approx((0.2 + 2.0) / 2)
    assert rate(300) == pytest.approx(2.0)
    assert rate(650) == pytest.approx((2.0 + 0.002) / 2)
    assert rate(1000) == pytest.approx(0.002)
    assert all(rate(t) < rate(t + 1) for t in range(300))
    assert all(rate(t) > rate(t + 1) for t in range(300, 1000))
    # a quarter of the way up: 0.1 + 0.9·(1 − cos 45°)/2 of the peak
    assert rate(75) == pytest.approx(0.2 + 1.8 * (1 - math.cos(math.pi / 4)) / 2)
