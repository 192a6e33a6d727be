"""Adversarial pairs: losses and penalty in closed form, who steps when, what is drawn and what is refused."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lamina.core.errors import BadInput
from lamina.data._dataset import Split
from lamina.models import dcgan, wgan_gp
from lamina.models._adversarial import discriminator_loss, frozen, generator_loss
from lamina.models.wgan_gp import gradient_penalty
from lamina.training import FitConfig, fit
from lamina.training.steps import players
from tests.contract.members import batch, build, module

PAIRS = ("gan", "dcgan", "conditional_gan", "wgan_gp")


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def test_losses_in_closed_form():
    half = torch.zeros(5, 1)
    assert float(discriminator_loss(half, half)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(half)) == pytest.approx(math.log(2))
    real, fake = torch.randn(7, 1, generator=drawn()), torch.randn(7, 1, generator=drawn(1))
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
    assert torch.allclose(discriminator_loss(real, fake), -(d_real.log() + (1 - d_fake).log()).mean())
    assert torch.allclose(generator_loss(fake), -d_fake.log().mean())


def test_the_generator_learns_even_from_a_discriminator_that_is_sure():
    logit = torch.tensor([[-30.0]], requires_grad=True)
    generator_loss(logit).backward()
    assert float(logit.grad) == pytest.approx(-1)  # log(1 - D) has a slope of 1e-13 there


def test_the_best_discriminator_is_the_ratio_of_densities():
    """Two known Gaussians: the loss at log p - log q is 2 log 2 - 2 JS, and nothing near it is lower."""
    real, fake = torch.randn(200_000, 1, generator=drawn()), 1 + torch.randn(200_000, 1, generator=drawn(1))

    def loss(slope, shift):
        return float(discriminator_loss(slope * real + shift, slope * fake + shift))

    best = loss(-1.0, 0.5)  # log N(x; 0, 1) - log N(x; 1, 1)
    assert best < 2 * math.log(2)
    assert all(best < loss(-1 + a, 0.5 + b) for a, b in [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)])


@pytest.mark.parametrize("name", PAIRS)
def test_the_frozen_discriminator_gives_the_generator_the_same_gradient(name):
    model, given = build(name), batch(name, 4)
    own, (loss, *_) = list(model.generator_net.parameters()), model.players()["generator_net"]
    found = torch.autograd.grad(loss(given, generator=drawn()), own)
    y = (given["y"],) if "y" in given else ()
    z = torch.randn(4, model.config.latent, generator=drawn())
    judged = model.discriminator(model.generator_net(z, *y), *y)
    wanted = torch.autograd.grad(-judged.mean() if name == "wgan_gp" else generator_loss(judged), own)
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    loss(given, generator=drawn()).backward()
    assert all(parameter.grad is None for parameter in model.discriminator.parameters())


@pytest.mark.parametrize("name", PAIRS)
def test_players_step_in_turn_and_share_no_weight(name):
    found = players(build(name))
    assert [player.name for player in found] == ["discriminator", "generator_net"]
    assert [player.steps for player in found] == ([5, 1] if name == "wgan_gp" else [1, 1])
    names = [set(player.parameters) for player in found]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {name for name, _ in build(name).named_parameters()}


@pytest.mark.parametrize("name", PAIRS)
def test_samples_follow_from_the_key_and_have_the_shape_of_data(name):
    model, given = build(name).eval(), batch(name, 3)
    what = given.get("y", 3)
    first, second, other = (model.sample(what, generator=drawn(seed)) for seed in (1, 1, 2))
    assert first.shape == given["x"].shape
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_penalty_of_a_linear_judge_in_closed_form():
    judge = nn.Linear(3, 1)
    penalty = gradient_penalty(judge, torch.randn(5, 3, generator=drawn()))
    length = judge.weight.detach().norm()
    assert torch.allclose(penalty, (length - 1) ** 2)
    penalty.backward()
    assert torch.allclose(judge.weight.grad, 2 * (length - 1) * judge.weight.detach() / length, atol=1e-6)


def test_the_gradient_of_the_penalty_s_gradient_against_finite_differences():
    judge = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    x = torch.randn(4, 2, generator=drawn(), dtype=torch.float64)
    weights = {name: parameter.detach().clone().requires_grad_() for name, parameter in judge.named_parameters()}

    def penalty(*values):
        given = dict(zip(weights, values, strict=True))
        return gradient_penalty(lambda x: torch.func.functional_call(judge, given, x), x)

    assert torch.autograd.gradcheck(penalty, tuple(weights.values()), eps=1e-6, atol=1e-5)


def test_the_critic_s_loss_is_the_distance_and_the_penalty():
    """A critic x -> 3 x[0] and points made at one place: everything is known."""
    model = wgan_gp(module("wgan_gp").Config(hidden=(2,), latent=2, penalty=10.0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.discriminator.layers[0].weight.copy_(torch.tensor([[3.0, 0.0], [-3.0, 0.0]]))
        model.discriminator.layers[1].weight.copy_(torch.tensor([[1.0, -1.0]]))
    real = torch.tensor([[2.0, 1.0], [4.0, -5.0]])  # mean 3, made: 0
    loss = model.judge({"x": real}, generator=drawn())
    assert loss.item() == pytest.approx(0 - 9 + 10 * (3 - 1) ** 2)
    assert model.metrics({"x": real}) == {"loss": pytest.approx(18), "count": 2}


def test_a_constant_moves_nothing_of_wgan_gp():
    model, given = build("wgan_gp"), batch("wgan_gp", 4)
    before = model.judge(given, generator=drawn()).item()
    with torch.no_grad():
        model.discriminator.layers[-1].bias += 5
    assert model.judge(given, generator=drawn()).item() == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("name", ["gan", "wgan_gp"])
def test_a_pair_finds_where_the_data_are(name):
    points = torch.tensor([1.5, -1.0]) + 0.3 * torch.randn(2000, 2, generator=drawn())
    split = Split(tensors={"x": points})
    data = SimpleNamespace(name="spot", checksum="0" * 64, classes=(), train=split, validation=split.first(0))
    slight = {"penalty": 0.1} if name == "wgan_gp" else {}
    model = build(name, shape=(2,), latent=2, hidden=(32, 32), output="linear", **slight)
    fit(model, data, config=FitConfig(steps=800, learning_rate=2e-3, schedule="cosine", beta1=0.5, beta2=0.9))
    with torch.no_grad():
        made = model.sample(1000, generator=drawn(5))
    assert (made.mean(dim=0) - points.mean(dim=0)).abs().max() < 0.3
    assert 0.1 < float(made.std(dim=0).mean()) < 0.7


def test_dcgan_makes_pictures_of_32_too():
    model = dcgan(module("dcgan").Config(size=32, width=4))
    assert model.sample(2, generator=drawn()).shape == (2, 1, 32, 32)
    assert model.discriminator(torch.rand(2, 1, 32, 32)).shape == (2, 1)
    with pytest.raises(BadInput, match="multiple of 4"):
        dcgan(module("dcgan").Config(size=30))


@pytest.mark.parametrize("name", PAIRS)
def test_pictures_of_another_shape_are_named(name):
    model, given = build(name), batch(name, 3)
    given["x"] = given["x"].flatten(1)[:, :-1]
    with pytest.raises(BadInput, match=r"inputs are .* is needed"):
        model.judge(given)
    with pytest.raises(BadInput, match=r"inputs are .* is needed"):
        model.generator_net(torch.zeros(2, 99), *([given["y"]] if "y" in given else []))


def test_conditions_that_are_none_are_named():
    model, given = build("conditional_gan"), batch("conditional_gan", 3)
    with pytest.raises(BadInput, match=r"labels 0\.\.10: the classes are 0\.\.9"):
        model.judge({**given, "y": torch.tensor([0, 10, 1])})
    with pytest.raises(BadInput, match="one label a picture"):
        model.judge({**given, "y": given["y"][:2]})


def test_no_samples_and_settings_that_are_none_are_named():
    with pytest.raises(BadInput, match="0 samples"):
        build("gan").sample(0)
    with pytest.raises(BadInput, match="n_critic 0"):
        build("wgan_gp", n_critic=0)
    with pytest.raises(BadInput, match="every layer needs a unit"):
        build("gan", hidden=(0,))


def test_frozen_leaves_running_statistics_to_the_module():
    model = build("dcgan")
    x = torch.rand(4, 1, 8, 8, generator=drawn())
    before = model.discriminator.norm2.running_mean.clone()
    frozen(model.discriminator, x)
    assert not torch.equal(model.discriminator.norm2.running_mean, before)
