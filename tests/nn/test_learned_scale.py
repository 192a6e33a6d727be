"""Learned scales: the integers of `nn.integer`, the gradients of the paper written out in NumPy, powers of two."""

import numpy as np
import pytest
import torch

from lamina.ir.types import Integer
from lamina.nn import integer
from lamina.nn.learned_scale import PACE, LearnedScale, fake_activation, fake_quantise, fake_weight, round_straight

KINDS = [
    Integer(bits=2, scale=(0.5,)),
    Integer(bits=4, signed=False, scale=(0.25,)),
    Integer(bits=8, signed=False, scale=(float(np.float32(0.0371)),), zero_point=77),
    Integer(bits=12, scale=(2.0**-9,)),
]


def numbers(element: Integer, count: int = 400) -> torch.Tensor:
    """Reals inside the range of `element`, beyond both ends, and at exact halves."""
    g = torch.Generator().manual_seed(element.bits)
    beyond = 4 + (element.high - element.low) // 4
    units = torch.randint(2 * element.low - beyond, 2 * element.high + beyond, (count,), generator=g) / 2
    noise = torch.rand(count, generator=g) * (torch.arange(count) % 2)
    return (units + noise - element.zero_point) * element.scale[0]


@pytest.mark.parametrize("element", KINDS, ids=str)
def test_the_numbers_are_those_that_the_integers_stand_for(element: Integer) -> None:
    x, scale = numbers(element), torch.tensor(element.scale)
    q = integer.quantise(x, scale, element.zero_point, element.low, element.high)
    assert torch.equal(fake_activation(x, scale, element), integer.dequantise(q, scale, element.zero_point))
    assert q.min() == element.low
    assert q.max() == element.high


@pytest.mark.parametrize("element", KINDS, ids=str)
def test_gradients_are_those_of_the_paper(element: Integer) -> None:
    x = numbers(element).reshape(4, 100).requires_grad_()
    scale = torch.tensor(element.scale, requires_grad=True)
    given = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    fake_activation(x, scale, element).backward(given)
    v, s, g = x.detach().numpy().astype(np.float64), element.scale[0], given.numpy().astype(np.float64)
    low, high = element.low - element.zero_point, element.high - element.zero_point
    inside = (low < v / s) & (v / s < high)
    slope = np.where(inside, np.rint((v / s).astype(np.float32)) - v / s, np.where(v / s <= low, low, high))
    assert x.grad is not None
    assert scale.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.where(inside, given.numpy(), 0))
    wanted = (g * slope).sum() / np.sqrt(100 * high)  # 100 features of an example share the scale
    np.testing.assert_allclose(scale.grad.numpy(), [wanted], rtol=1e-4, atol=1e-5 * np.abs(slope).max())
    assert 0 < inside.sum() < inside.size


def test_each_channel_has_the_gradient_it_would_have_alone() -> None:
    w = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1))
    element = Integer(bits=4, scale=(0.25, 0.5, 0.125), axis=0)
    scale = torch.tensor(element.scale, requires_grad=True)
    found = fake_weight(w, scale, element)
    found.square().sum().backward()
    for k in range(3):
        alone = torch.tensor([element.scale[k]], requires_grad=True)
        row = fake_weight(w[k], alone, Integer(bits=4, scale=(element.scale[k],)))
        row.square().sum().backward()
        assert torch.equal(row, found[k])
        torch.testing.assert_close(alone.grad[0], scale.grad[k])  # type: ignore[index]


def test_weights_are_symmetric_around_zero() -> None:
    w = torch.tensor([-9.0, -1.6, -0.4, 0.0, 9.0])
    assert fake_weight(w, torch.tensor([1.0]), Integer(bits=2)).tolist() == [-1, -1, 0, 0, 1]
    assert fake_quantise(w, torch.tensor([1.0]), Integer(bits=2), shared=1).tolist() == [-2, -2, 0, 0, 1]


def test_a_power_of_two_stays_one_and_learns() -> None:
    scale = LearnedScale((0.25, 2.0**-20), power_of_two=True)
    assert scale.numbers() == (0.25, 2.0**-20)
    with torch.no_grad():
        scale.exponent.copy_(torch.tensor([0.51, -3.4]) / PACE)
    assert scale.numbers() == (0.5, 2.0**-23)
    found = scale()
    assert found.tolist() == [*scale.numbers()]
    found.sum().backward()
    # d 2^e / d e = ln 2 2^e, as if nothing had been rounded
    wanted = PACE * np.log(2) * np.array(scale.numbers())
    np.testing.assert_allclose(scale.exponent.grad.numpy(), wanted, rtol=1e-6)  # type: ignore[union-attr]


def test_a_float_scale_starts_as_it_was_given() -> None:
    start = float(np.float32(0.0371))
    scale = LearnedScale((start,), power_of_two=False)
    assert scale.numbers() == (start,)
    with torch.no_grad():
        scale.exponent.fill_(1.5 / PACE)
    assert scale.numbers()[0] == pytest.approx(start * 2**1.5)
    assert scale.numbers()[0] == float(np.float32(scale.numbers()[0]))


def test_straight_through_rounding() -> None:
    x = torch.tensor([0.5, 1.5, -2.5, 3.2], requires_grad=True)
    y = round_straight(x)
    assert y.tolist() == [0, 2, -2, 3]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1, 1]
