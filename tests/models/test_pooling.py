"""Pooling against windows walked by hand; switches; the mean of stochastic pooling."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lamina
from lamina.core.errors import BadInput
from lamina.models.pooling_cnn import Config
from lamina.nn import pooling


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def walked(x, window, stride, sum_up):
    """`sum_up` of each window, in loops."""
    n, c, h, w = x.shape
    y = torch.zeros(n, c, (h - window) // stride + 1, (w - window) // stride + 1, dtype=x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            part = x[:, :, i * stride : i * stride + window, j * stride : j * stride + window]
            y[:, :, i, j] = sum_up(part.flatten(2))
    return y


def of_size(part):
    """The mean weighted by probabilities: sum p_i x_i."""
    total = part.sum(-1, keepdim=True)
    return (part * torch.where(total > 0, part / total.clamp(min=1e-30), 0)).sum(-1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    height=st.integers(4, 9),
    width=st.integers(4, 9),
)
def test_each_kind_is_what_its_windows_say(seed, window, stride, height, width):
    x = torch.relu(torch.randn(2, 3, height, width, generator=seeded(seed)))
    x[0, 0] = 0  # windows of nothing
    maxima = walked(x, window, stride, lambda part: part.amax(-1))
    assert torch.equal(pooling.max_pool(x, window, stride), maxima)
    assert torch.equal(pooling.max_pool_with_switches(x, window, stride)[0], maxima)
    average = walked(x, window, stride, lambda part: part.mean(-1))
    assert torch.allclose(pooling.average_pool(x, window, stride), average, atol=1e-6)
    if window > stride:
        assert torch.equal(pooling.overlapping_pool(x, window, stride), maxima)
    expected = walked(x, window, stride, of_size)
    found = pooling.stochastic_pool(x, window, stride, training=False)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    # a draw is a value of its window, above 0 where one is
    drawn = pooling.stochastic_pool(x, window, stride, training=True, generator=seeded(seed))
    assert torch.equal(drawn > 0, maxima > 0)
    if window <= stride:
        assert torch.isin(drawn, x).all()


def test_the_mean_of_stochastic_pooling_is_the_weighted_average():
    x = torch.relu(torch.randn(1, 2, 6, 6, generator=seeded(3)))
    count = 20_000
    drawn = pooling.stochastic_pool(x.expand(count, -1, -1, -1), 3, 2, training=True, generator=seeded(4))
    error = drawn.std(0) / count**0.5
    expected = pooling.stochastic_pool(x, 3, 2, training=False)[0]
    assert ((drawn.mean(0) - expected).abs() <= 5 * error + 1e-6).all()
    one = x[0, 0, :2, :2].flatten()  # and every value comes as often as its size says
    picks = pooling.stochastic_pool(x[:, :1, :2, :2].expand(count, -1, -1, -1), 2, training=True, generator=seeded(5))
    for value in one[one > 0]:
        share = float((picks == value).float().mean())
        assert share == pytest.approx(float(value / one.sum()), abs=0.02)


def test_stochastic_pooling_sends_the_gradient_to_what_it_drew():
    x = torch.rand(2, 3, 6, 6, generator=seeded(1)).requires_grad_()
    y = pooling.stochastic_pool(x, training=True, generator=seeded(2))
    y.sum().backward()
    assert float(x.grad.sum()) == y.numel()
    assert x.grad.unique().tolist() == [0, 1]
    assert torch.allclose((x.grad * x).sum(), y.sum())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), height=st.integers(2, 9), width=st.integers(2, 9))
def test_unpooling_puts_the_maxima_back_where_they_were(seed, height, width):
    x = torch.rand(2, 3, height, width, generator=seeded(seed))
    y, switches = pooling.max_pool_with_switches(x)
    back = pooling.unpool(y, switches, height, width)
    assert torch.equal(back, nn.functional.max_unpool2d(y, switches, 2, output_size=(height, width)))
    assert torch.equal(back[back > 0], x[back > 0])
    assert int((back > 0).sum()) == y.numel()
    again, same = pooling.max_pool_with_switches(back)
    assert torch.equal(again, y), "pooling what was unpooled is the identity"
    assert torch.equal(same, switches)


def test_the_model_s_pooling_is_all_that_differs():
    x = torch.rand(2, 1, 28, 28, generator=seeded())
    outputs = {}
    for kind in ("max", "average", "overlapping", "stochastic", "stride"):
        model = lamina.models.pooling_cnn(Config(pooling=kind, widths=(3, 4), hidden=5), seed=1).eval()
        outputs[kind] = model(x)
        assert sum(p.numel() for p in model.parameters()) == 78 + 304 + 4 * 49 * 5 + 5 + 60
    kinds = list(outputs.values())
    assert all(not torch.allclose(a, b) for i, a in enumerate(kinds) for b in kinds[:i])
    model = lamina.models.pooling_cnn(Config(pooling="none", widths=(3, 4), hidden=5), seed=1).eval()
    assert sum(p.numel() for p in model.parameters()) == 78 + 304 + 4 * 784 * 5 + 5 + 60
    assert model(x).shape == (2, 10)


def test_bad_input_says_what_is_needed():
    x = torch.randn(1, 1, 4, 4, generator=seeded())
    with pytest.raises(BadInput, match=r"stochastic pooling of a value -.*at least 0"):
        pooling.stochastic_pool(x, training=True)
    with pytest.raises(BadInput, match=r"windows of 5 x 5 do not fit \[1, 1, 4, 4\]"):
        pooling.max_pool(x, 5)
    with pytest.raises(BadInput, match="do not overlap"):
        pooling.overlapping_pool(x, 2, 2)
    y, switches = pooling.max_pool_with_switches(x)
    with pytest.raises(BadInput, match="outside a map of 2 x 2"):
        pooling.unpool(y, switches + 12, 2, 2)
    with pytest.raises(BadInput, match="one switch each"):
        pooling.unpool(y, switches[:, :, :1], 4, 4)
    with pytest.raises(BadInput, match="multiple of 4"):
        lamina.models.pooling_cnn(Config(size=30))
