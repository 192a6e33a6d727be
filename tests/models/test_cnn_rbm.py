"""The classification RBM on convolutions: its posterior and its slope against enumeration of the hidden units."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Split
from lamina.models.cnn_rbm import SMALL, CnnRbm, cnn_rbm, example
from lamina.models.rbm import states
from lamina.training import FitConfig, evaluate, fit


@pytest.fixture(scope="module")
def model() -> CnnRbm:
    made = cnn_rbm(SMALL, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in ("weight", "class_weight", "visible_bias", "hidden_bias", "class_bias"):
            getattr(made, name).normal_(0, 0.7, generator=generator)
    return made


def energy(model, v, y, h):
    """E(v, y, h) by its definition."""
    p = {name: parameter.detach().double().numpy() for name, parameter in model.named_parameters()}
    given = -p["visible_bias"] @ v - p["class_bias"][y] - p["hidden_bias"] @ h
    return given - h @ p["weight"] @ v - h @ p["class_weight"][y]


def test_the_posterior_sums_the_hidden_units_out(model):
    v = torch.rand(3, SMALL.visible, generator=torch.Generator().manual_seed(2))
    found = torch.softmax(model.posterior(v), dim=1).detach().numpy()
    for i, one in enumerate(v.double().numpy()):
        sums = [
            sum(math.exp(-energy(model, one, y, h)) for h in states(SMALL.hidden).double().numpy())
            for y in range(SMALL.classes)
        ]
        assert np.allclose(found[i], np.array(sums) / sum(sums), atol=1e-5)
        free = [model.free_energy(v[i : i + 1], torch.tensor([y])).item() for y in range(SMALL.classes)]
        assert np.allclose(free, -np.log(sums), atol=1e-4)


def test_gibbs_steps_draw_from_the_conditionals(model):
    """From one (v, y), shares of the next class and units against sums over every h."""
    v, y = (torch.rand(SMALL.visible, generator=torch.Generator().manual_seed(3)) > 0.5).float(), 4
    chance = np.array(
        [math.exp(-energy(model, v.double().numpy(), y, h)) for h in states(SMALL.hidden).double().numpy()]
    )
    h = states(SMALL.hidden)
    weights = torch.from_numpy(chance / chance.sum()).float()
    wanted_v = weights @ torch.sigmoid(h @ model.weight + model.visible_bias)
    wanted_y = weights @ torch.softmax(h @ model.class_weight.T + model.class_bias, dim=1)
    count = 40_000  # standard errors of 0.0025 at most
    drawn = torch.Generator().manual_seed(4)
    next_v, next_y = model.gibbs_step(v.expand(count, -1), torch.full((count,), y), generator=drawn)
    assert (next_v.mean(dim=0) - wanted_v).abs().max() < 0.012
    assert (torch.bincount(next_y, minlength=10) / count - wanted_y).abs().max() < 0.012


def test_the_contrastive_slope_is_that_of_cd_and_leaves_the_convolutions_alone(model):
    given = example(SMALL, 8, generator=torch.Generator().manual_seed(5))
    v, y = model.features(given["x"]).detach(), given["y"]
    model.zero_grad(set_to_none=True)
    model.contrastive(model.features(given["x"]), y, generator=torch.Generator().manual_seed(6)).backward()
    end_v, end_y = model.gibbs_step(v, y, generator=torch.Generator().manual_seed(6))

    def hidden(v, y):
        return torch.sigmoid(v @ model.weight.T + model.hidden_bias + model.class_weight[y]).detach()

    wanted = (hidden(end_v, end_y).T @ end_v - hidden(v, y).T @ v) / 8
    assert torch.allclose(model.weight.grad, wanted, atol=1e-6)
    assert torch.allclose(model.visible_bias.grad, (end_v - v).mean(dim=0), atol=1e-6)
    assert model.conv1.weight.grad is None
    model.zero_grad(set_to_none=True)


def test_it_learns_which_half_is_bright():
    generator = torch.Generator().manual_seed(7)
    y = torch.randint(0, 2, (200,), generator=generator)
    x = 0.5 * torch.rand(200, 1, 8, 8, generator=generator)
    x[y == 0, :, :4] += 0.3
    x[y == 1, :, 4:] += 0.3
    split = Split(tensors={"x": x, "y": y})
    data = SimpleNamespace(name="halves", checksum="0" * 64, classes=("top", "bottom"), train=split, validation=split)
    model = cnn_rbm(replace(SMALL, classes=2), seed=0)
    fit(model, data, config=FitConfig(epochs=15, batch_size=20, learning_rate=0.02))
    assert evaluate(model, split)["accuracy"] > 0.97


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 1, 8, 7), torch.zeros(2, dtype=torch.int64), r"\[n, 1, 8, 8\] is needed"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([0, 10]), r"the classes are 0\.\.9"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([-1, 1]), r"the classes are 0\.\.9"),
    ],
)
def test_batches_that_are_none_are_named(x, y, message):
    with pytest.raises(BadInput, match=message):
        cnn_rbm(SMALL).loss({"x": x, "y": y})


@pytest.mark.parametrize("setting", [{"size": 10}, {"generative": -1.0}, {"k": 0}])
def test_settings_are_checked(setting):
    with pytest.raises(BadInput, match=r"must be|are needed"):
        cnn_rbm(replace(SMALL, **setting))
