"""Models that learn otherwise: players in turn, a rule of their own, closed form; clipping and augmentation."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lamina.core.errors import BadInput
from lamina.data._dataset import Split
from lamina.training import FitConfig, fit
from lamina.training.steps import clip, players


def split(count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator)
    return Split(tensors={"x": x, "target": x @ torch.tensor([1.0, -2.0, 0.5])})


def data():
    return SimpleNamespace(name="made", checksum="0" * 64, classes=(), train=split(), validation=split(9, 1))


class Pair(nn.Module):
    """Two players, each with a weight of its own; the calls are written down."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 1), nn.Linear(3, 1)
        self.calls = []

    def players(self):
        def loss(name, layer):
            def of(batch, *, generator):
                self.calls.append(name)
                noise = 0.01 * torch.randn(len(batch["x"]), generator=generator)
                return (layer(batch["x"])[:, 0] - batch["target"] + noise).square().mean()

            return of

        return {"a": (loss("a", self.a), self.a.parameters(), 2), "b": (loss("b", self.b), self.b.parameters(), 1)}

    def metrics(self, batch):
        return {"loss": float((self.a(batch["x"])[:, 0] - batch["target"]).square().sum()), "count": len(batch["x"])}


CONFIG = FitConfig(steps=60, batch_size=8, learning_rate=0.05, schedule="constant", beta1=0.5)


def test_players_step_in_turn_and_move_their_own_weights_alone():
    model = Pair()
    before = [w.detach().clone() for w in model.b.parameters()]
    fit(model, data(), config=FitConfig(steps=2, batch_size=8))
    assert model.calls == ["a", "a"]
    assert all(torch.equal(w, v) for w, v in zip(model.b.parameters(), before, strict=True))
    fit(model, data(), config=replace(CONFIG, steps=400))
    assert model.calls[2:8] == ["a", "a", "b", "a", "a", "b"]
    for layer in (model.a, model.b):
        assert layer.weight[0].tolist() == pytest.approx([1, -2, 0.5], abs=0.1)


def test_players_resume_to_the_same_bits(tmp_path, monkeypatch):
    from lamina.training import _loop

    monkeypatch.setattr(_loop, "SAVE_AT_LEAST_S", 0.0)
    torch.manual_seed(0)
    whole, broken = Pair(), Pair()
    broken.load_state_dict(whole.state_dict())
    again = Pair()
    again.load_state_dict(whole.state_dict())
    fit(whole, data(), config=CONFIG, out=tmp_path / "whole")
    original = _loop.Loop._end_of_epoch

    def killed(self, seconds):
        original(self, seconds)
        if self.at.epoch == 3:
            raise RuntimeError("killed")

    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", killed)
    with pytest.raises(RuntimeError, match="killed"):
        fit(broken, data(), config=CONFIG, out=tmp_path / "broken")
    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", original)
    fit(again, data(), config=CONFIG, out=tmp_path / "broken", resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


class Own(nn.Module):
    """A rule of its own: the gradient is given, not derived."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))

    def gradients(self, batch, *, generator=None):
        error = batch["x"] @ self.w.detach() - batch["target"]
        return error.square().mean(), {"w": 2 * (error[:, None] * batch["x"]).mean(0)}

    def metrics(self, batch):
        error = batch["x"] @ self.w - batch["target"]
        return {"loss": float(error.square().sum()), "count": len(error)}


def test_a_model_may_bring_its_own_rule():
    model = Own()
    found = fit(model, data(), config=FitConfig(steps=200, batch_size=8, learning_rate=0.05, schedule="constant"))
    assert model.w.tolist() == pytest.approx([1, -2, 0.5], abs=0.05)
    assert found.history[-1]["validation_loss"] < 0.01


class Ridge(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.zeros(3))

    def solve(self, batches):
        gram, moment = torch.zeros(3, 3), torch.zeros(3)
        for batch in batches:
            gram += batch["x"].T @ batch["x"]
            moment += batch["x"].T @ batch["target"]
        self.w.copy_(torch.linalg.solve(gram, moment))

    def metrics(self, batch):
        return {"loss": float((batch["x"] @ self.w - batch["target"]).square().sum()), "count": len(batch["x"])}


def test_a_model_may_be_solved_in_one_pass(tmp_path):
    model = Ridge()
    found = fit(model, data(), out=tmp_path / "run", config=FitConfig(batch_size=7))
    assert model.w.tolist() == pytest.approx([1, -2, 0.5], abs=1e-4)
    assert len(found.history) == 1
    again = Ridge()
    fit(again, data(), out=tmp_path / "run", config=FitConfig(batch_size=7), resume=True)
    assert torch.equal(again.w, model.w)


def test_clipping_bounds_the_norm_of_all_gradients_together():
    given = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([[4.0]])}
    clip(given, 1.0)
    assert given["a"].tolist() == pytest.approx([0.6, 0.0])
    assert given["b"].tolist() == [pytest.approx([0.8])]
    clip(given, 5.0)
    assert given["a"].tolist() == pytest.approx([0.6, 0.0])


@dataclass(frozen=True)
class Shift:
    by: float

    def __call__(self, batch, *, generator):
        return {**batch, "target": batch["target"] + self.by}


def test_augmentation_changes_what_a_step_sees_and_identifies_the_run(tmp_path):
    model = Own()
    made = data()
    made.train = Split(tensors={"x": torch.ones(8, 3), "target": torch.zeros(8)})
    config = FitConfig(steps=300, batch_size=8, learning_rate=0.05, schedule="constant")
    fit(model, made, config=config, augment=Shift(3.0), out=tmp_path / "run")
    assert float(model.w.detach().sum()) == pytest.approx(3.0, abs=0.05)
    with pytest.raises(BadInput, match="another configuration"):
        fit(Own(), made, config=config, augment=Shift(2.0), out=tmp_path / "run")


def test_a_player_without_weights_is_named():
    model = Pair()
    for parameter in model.b.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(BadInput, match="player b"):
        players(model)
    with pytest.raises(BadInput, match="beta1"):
        FitConfig(beta1=1.0)
    with pytest.raises(BadInput, match="clip"):
        FitConfig(clip=0.0)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"x": torch.zeros(3, 1), "y": torch.zeros(2)}, "one length"),
        ({}, "one length"),
        ({"x": torch.tensor([1.0, float("nan")])}, "not finite"),
    ],
)
def test_broken_splits_are_named(tensors, message):
    with pytest.raises(BadInput, match=message):
        Split(tensors=tensors)
