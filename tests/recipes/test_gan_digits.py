"""The study in miniature: distances in the features of a LeNet-5, and what it reads in ordered digits."""

import pytest
import torch

from lamina import models
from lamina.core.errors import BadInput
from lamina.recipes import gan_digits
from lamina.recipes.gan_digits import Config

TINY = Config(updates=2, batch_size=16, width=2, samples=200, judge_epochs=12, data="digits", limit=400)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trials")
    return {t.name: gan_digits.trial(t.settings, folder / t.name) for t in gan_digits.plan(TINY)}


def test_training_digits_are_nearer_than_gaussian_pixels_and_those_nearer_than_untrained_pairs(found):
    best, simple = found["bounds"]["training digits"], found["bounds"]["gaussian"]
    assert best < 0.5 * simple
    assert found["bounds"]["read"] > 0.5
    assert all(found[name]["distance"] > simple for name in gan_digits.MODELS)


def test_figures_are_ratios_to_gaussian_pixels(found):
    figures = {f.name: f for f in gan_digits.figures(TINY, found)}
    assert len(figures) == 5
    assert figures["dcgan_distance"].measured == pytest.approx(
        found["dcgan"]["distance"] / found["bounds"]["gaussian"], abs=1e-6
    )
    assert not figures["dcgan_distance"].holds
    assert figures["conditional_gan_read"].measured == pytest.approx(100 * found["conditional_gan"]["read"])
    as_good = {name: {"distance": 0.0, "read": 0.99} for name in gan_digits.MODELS} | {"bounds": found["bounds"]}
    assert all(f.holds for f in gan_digits.figures(TINY, as_good))


def test_features_are_what_the_last_layer_sees():
    model, x = models.lenet5().eval(), torch.rand(3, 1, 28, 28)
    features = gan_digits._features(model, x)
    assert features.shape == (3, 84)
    assert torch.equal(model.fc3(features), model(x))


def test_gaussian_pixels_have_the_moments_of_the_pictures():
    drawn = torch.Generator().manual_seed(0)
    x = 0.5 + 0.05 * torch.randn(4000, 1, 2, 3, generator=drawn) + 0.05 * torch.randn(4000, 1, 1, 1, generator=drawn)
    made = gan_digits._gaussian(x, {"seed": 0, "samples": 40_000}).flatten(1)
    assert torch.allclose(made.mean(0), x.flatten(1).mean(0), atol=2e-3)
    assert torch.allclose(made.T.cov(), x.flatten(1).T.cov(), atol=3e-4)


def test_it_refuses_what_cannot_be():
    with pytest.raises(BadInput, match="width is 0"):
        Config(width=0)
