"""The study in miniature: it judges what it trained, beside true samples, and refuses what cannot be."""

import dataclasses

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import gan_mixture
from lamina.recipes.gan_mixture import Config

TINY = Config(updates=12, batch_size=32, examples=300, samples=400, hidden=8)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trials")
    return {t.name: gan_mixture.trial(t.settings, folder / t.name) for t in gan_mixture.plan(TINY)}


def test_every_pair_is_judged_on_every_mixture(found):
    assert list(found) == ["ring-gan", "grid-gan", "ring-wgan_gp", "grid-wgan_gp"]
    assert [found[f"{m}-gan"]["true"]["covered"] for m in ("ring", "grid")] == [8, 25]
    assert all(row["true"]["divergence"] < 0.1 for row in found.values())
    figures = {f.name: f for f in gan_mixture.figures(TINY, found)}
    assert len(figures) == 8
    assert figures["grid_wgan_gp_covered"].limit == 25
    assert figures["ring_gan_covered"].measured == found["ring-gan"]["covered"]
    assert figures["ring_gan_divergence"].measured == pytest.approx(found["ring-gan"]["divergence"], abs=1e-6)


def test_a_pair_that_covers_all_modes_evenly_holds(found):
    true = {name: {**row, **row["true"]} for name, row in found.items()}
    assert all(f.holds for f in gan_mixture.figures(TINY, true))
    assert not all(f.holds for f in gan_mixture.figures(TINY, found))


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(found, tmp_path):
    one = gan_mixture.plan(TINY)[0]
    assert gan_mixture.trial(one.settings, tmp_path / "again") == found[one.name]
    other = gan_mixture.plan(dataclasses.replace(TINY, seed=1))[0]
    assert gan_mixture.trial(other.settings, tmp_path / "other") != found[one.name]


def test_it_refuses_what_cannot_be():
    with pytest.raises(BadInput, match="updates is 0"):
        Config(updates=0)
