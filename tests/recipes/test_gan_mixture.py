"""The recipe in miniature: it judges what it trained, goes on where it was killed, and refuses what cannot be."""

import json

import pytest

from lamina.core.errors import BadInput
from lamina.recipes.gan_mixture import Config, gan_mixture
from lamina.training import _loop

TINY = Config(updates=12, batch_size=32, examples=300, samples=400, hidden=8)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return gan_mixture(tmp_path_factory.mktemp("mixture") / "run", TINY)


def test_every_pair_is_judged_on_every_mixture(done):
    assert {mixture: list(found) for mixture, found in done.coverage.items()} == {
        name: ["the mixture", "gan", "wgan_gp"] for name in ("ring", "grid")
    }
    assert done.coverage["ring"]["the mixture"]["covered"] == 8
    assert done.coverage["grid"]["the mixture"]["covered"] == 25
    assert json.loads((done.path / "coverage.json").read_text()) == done.to_json()["coverage"]
    assert "25/25" in str(done)
    rows = [json.loads(line) for line in (done.path / "metrics.jsonl").read_text().splitlines()]
    last = {row["stage"]: row["step"] for row in rows}
    assert last == {"ring_gan": 24, "ring_wgan_gp": 72, "grid_gan": 24, "grid_wgan_gp": 72}


def test_killed_in_between_it_goes_on_to_the_same_numbers(done, tmp_path, monkeypatch):
    monkeypatch.setattr(_loop, "SAVE_AT_LEAST_S", 0.0)
    original = _loop.Loop._end_of_epoch

    def killed(self, seconds):
        original(self, seconds)
        if self.stage == "ring_wgan_gp" and self.at.epoch == 3:
            raise RuntimeError("killed")

    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", killed)
    with pytest.raises(RuntimeError, match="killed"):
        gan_mixture(tmp_path / "run", TINY)
    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", original)
    assert gan_mixture(tmp_path / "run", TINY).coverage == done.coverage


def test_it_refuses_what_cannot_be(done):
    with pytest.raises(BadInput, match="updates is 0"):
        Config(updates=0)
    with pytest.raises(BadInput, match="another configuration"):
        gan_mixture(done.path, Config(seed=5))
