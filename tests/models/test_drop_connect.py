"""DropConnect's moments and its Gaussian inference, against every mask, draws of masks, and draws of the normal."""

import itertools

import pytest
import torch

import lamina
from lamina.core.errors import BadInput
from lamina.models.dropconnect_mlp import Config
from lamina.nn.drop_connect import drop_connect, expected_relu, moments, sampled_relu


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_moments_are_those_of_all_masks():
    weight, bias = torch.tensor([[0.5, -1.5]], dtype=torch.float64), torch.tensor([0.25], dtype=torch.float64)
    x, keep = torch.tensor([[2.0, 3.0]], dtype=torch.float64), 0.7
    terms = [float(w * v) for w, v in zip(weight[0], x[0], strict=True)] + [float(bias)]
    cases = [
        (
            sum(t for t, kept in zip(terms, mask, strict=True) if kept),
            keep ** sum(mask) * (1 - keep) ** (3 - sum(mask)),
        )
        for mask in itertools.product((0, 1), repeat=3)
    ]
    mean = sum(u * p for u, p in cases)
    mean_found, variance_found = moments(x, weight, bias, 1 - keep)
    assert float(mean_found) == pytest.approx(mean)
    assert float(variance_found) == pytest.approx(sum((u - mean) ** 2 * p for u, p in cases))


def test_the_expected_relu_is_the_integral_over_the_normal():
    for mean, deviation in ((-2.0, 0.5), (-0.3, 1.0), (0.0, 2.0), (1.5, 0.7), (4.0, 0.1)):
        u = torch.linspace(mean - 10 * deviation, mean + 10 * deviation, 200_001, dtype=torch.float64)
        density = torch.exp(-0.5 * ((u - mean) / deviation) ** 2) / (deviation * (2 * torch.pi) ** 0.5)
        wanted = float(torch.trapezoid(density * u.clamp(min=0), u))
        found = expected_relu(torch.tensor(mean).double(), torch.tensor(deviation**2).double())
        assert float(found) == pytest.approx(wanted, abs=1e-7)
    assert expected_relu(torch.tensor([-1.0, 0.0, 2.0]), torch.zeros(3)).tolist() == pytest.approx([0, 0, 2], abs=1e-5)


@pytest.mark.parametrize("each_example", [True, False])
def test_inference_is_the_mean_over_masks(each_example):
    inputs, draws = 60, 20_000
    weight = torch.randn(8, inputs, generator=seeded(1)) / inputs**0.5
    bias, x = torch.randn(8, generator=seeded(2)), torch.randn(1, inputs, generator=seeded(3))
    generator = seeded(4)
    if each_example:
        drawn = torch.cat(
            [drop_connect(x.expand(2000, -1), weight, bias, 0.5, generator=generator) for _ in range(draws // 2000)]
        )
    else:
        drawn = torch.cat(
            [drop_connect(x, weight, bias, 0.5, each_example=False, generator=generator) for _ in range(draws)]
        )
    mean, variance = moments(x, weight, bias, 0.5)
    error = drawn.std(0) / draws**0.5
    assert ((drawn.mean(0) - mean[0]).abs() < 5 * error).all()
    assert torch.allclose(drawn.var(0), variance[0], rtol=0.08)
    # the sum of 60 terms is nearly normal: the third moment that is left out moves the mean of a ReLU by a percent
    assert torch.allclose(torch.relu(drawn).mean(0), expected_relu(mean, variance)[0], atol=0.02)
    sampled = sampled_relu(mean, variance, 50_000, generator=seeded(5))
    assert torch.allclose(sampled, expected_relu(mean, variance), atol=0.02)


def test_the_network_s_inference_is_the_limit_of_the_paper_s():
    config = Config(shape=(30,), hidden=(20, 20), classes=4)
    model = lamina.models.dropconnect_mlp(config, seed=3).eval()
    x = torch.rand(5, 30, generator=seeded())
    few, many = (model.sampled(x, count, generator=seeded(9)) for count in (50, 20_000))
    exact = model(x)
    assert (many - exact).abs().max() < 0.005
    assert (many - exact).abs().max() < (few - exact).abs().max()
    shortcut = lamina.models.dropconnect_mlp(
        Config(shape=(30,), hidden=(20, 20), classes=4, inference="mean"), seed=3
    ).eval()
    assert (shortcut(x) - exact).abs().max() > 0.01, "relu of the mean is not the mean of the relu"


def test_every_example_has_a_mask_of_its_own_or_all_share_one():
    x, weight, bias = torch.ones(6, 10), torch.randn(7, 10, generator=seeded()), torch.zeros(7)
    own = drop_connect(x, weight, bias, 0.5, generator=seeded(1))
    shared = drop_connect(x, weight, bias, 0.5, each_example=False, generator=seeded(1))
    assert len(own.unique(dim=0)) == 6
    assert torch.allclose(shared, shared[:1].expand(6, -1))
    assert torch.allclose(drop_connect(x, weight, bias, 0.0, generator=seeded(1)), x @ weight.T + bias)
    assert torch.equal(own, drop_connect(x, weight, bias, 0.5, generator=seeded(1)))
    with pytest.raises(BadInput, match=r"a share of -0.1"):
        drop_connect(x, weight, bias, -0.1)
