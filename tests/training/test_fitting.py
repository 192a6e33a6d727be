"""`fit` against a loop written by hand, and what it promises."""

import json
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lamina
from lamina.core.errors import BadInput
from lamina.core.run_folder import open_run
from lamina.training import FitConfig, evaluate, fit, retrainer
from lamina.training.steps import learning_rate
from tests.training.tiny import Tiny, blobs, noisy, weights


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_it_is_the_plain_loop_to_the_bit(schedule):
    data, ours, theirs = lamina.data.digits().limited(150), lamina.models.lenet5(), lamina.models.lenet5()
    config = FitConfig(epochs=2, batch_size=64, learning_rate=3e-3, schedule=schedule)
    found = fit(ours, data, config=config, seed=5)
    theirs = theirs.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(theirs.parameters(), fused=True)
    step, losses = 0, []
    for epoch in range(2):
        order = data.train.order(5, epoch)
        total = 0.0
        for start in range(0, 150, 64):
            chosen = order[start : start + 64]
            optimiser.param_groups[0]["lr"] = learning_rate(schedule, 3e-3, step, 6)
            optimiser.zero_grad()
            loss = F.cross_entropy(theirs(data.train.inputs[chosen]), data.train.labels[chosen])
            loss.backward()
            optimiser.step()
            step, total = step + 1, total + loss.item() * len(chosen)
        losses.append(total / 150)
    assert equal(ours, theirs)
    assert [row["train_loss"] for row in found.history] == losses
    assert [row["step"] for row in found.history] == [3, 6]
    assert found.history[-1]["validation_accuracy"] == evaluate(ours, data.validation)["accuracy"]
    assert found.validation_accuracy == found.history[-1]["validation_accuracy"]


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam", "adamw"])
def test_every_optimiser_learns(optimiser):
    data = blobs(300)
    rate = 0.3 if optimiser in ("sgd", "momentum") else 0.03
    model = Tiny(1)
    before = evaluate(model, data.validation)["loss"]
    fit(model, data, config=FitConfig(epochs=8, batch_size=20, optimiser=optimiser, learning_rate=rate))
    found = evaluate(model, data.validation)
    assert found["loss"] < 0.7 * before
    assert found["accuracy"] > 0.85


def test_one_cycle_reaches_digits():
    model, data = lamina.models.lenet5(), lamina.data.digits()
    fit(model, data, config=FitConfig(epochs=3))
    assert evaluate(model, data.validation)["accuracy"] > 0.9


def test_the_same_seed_gives_the_same_bits_whatever_the_global_generator():
    def trained(seed, state):
        torch.manual_seed(state)
        model = Tiny(dropout=0.3)
        fit(model, blobs(), config=FitConfig(epochs=2, batch_size=20), seed=seed, loss=noisy)
        return model

    first = trained(1, 10)
    assert equal(first, trained(1, 11))
    assert not equal(first, trained(2, 10))


def test_torch_s_global_generator_is_given_back():
    model = Tiny(dropout=0.5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(model, blobs(), config=FitConfig(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_steps_in_place_of_epochs():
    found = fit(Tiny(), blobs(90), config=FitConfig(steps=5, batch_size=30, schedule="cosine"))
    assert [(row["epoch"], row["step"]) for row in found.history] == [(1, 3), (2, 5)]
    assert found.history[-1]["learning_rate"] == pytest.approx(2e-3 * (1 + math.cos(math.pi * 4 / 5)) / 2)
    whole = fit(Tiny(), blobs(90), config=FitConfig(steps=6, batch_size=30))
    other = fit(Tiny(), blobs(90), config=FitConfig(epochs=2, batch_size=30))
    assert equal(whole.model, other.model)
    assert len(fit(Tiny(), blobs(90), config=FitConfig(steps=1, batch_size=500)).history) == 1


def test_patience_keeps_the_best_weights(tmp_path):
    config = FitConfig(epochs=30, batch_size=25, patience=2, learning_rate=1.0, schedule="constant")
    model, data = Tiny(), blobs()
    found = fit(model, data, out=tmp_path / "run", config=config)
    losses = [row["validation_loss"] for row in found.history]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 30
    assert evaluate(model, data.validation)["loss"] == pytest.approx(losses[best], rel=1e-6)
    assert found.validation_accuracy == found.history[best]["validation_accuracy"] != losses[-1]
    assert [row["kept"] for row in found.history][best:] == [True, False, False]
    again = Tiny(9)
    fit(again, data, out=tmp_path / "run", config=config)
    assert equal(again, model)


def test_after_update_is_called_behind_every_update():
    model, shares = Tiny(), []
    mask = torch.arange(30).reshape(5, 6) % 3 == 0

    def prune(share):
        shares.append(share)
        with torch.no_grad():
            model.fc1.weight.mul_(mask)

    fit(model, blobs(90), config=FitConfig(epochs=2, batch_size=30), after_update=prune)
    assert shares == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
    assert ((model.fc1.weight != 0) == mask).all()


def test_retrainer_draws_by_its_calls():
    def retrained(*, calls):
        retrain = retrainer(blobs(), FitConfig(epochs=1, batch_size=20), seed=4)
        for _ in range(calls):
            model = Tiny()
            retrain(model, after_update=lambda share: None)
        return model

    assert equal(retrained(calls=2), retrained(calls=2))
    assert not equal(retrained(calls=2), retrained(calls=1))


def test_a_run_folder_has_what_it_should(tmp_path):
    model, data = lamina.models.lenet_300_100(), lamina.data.digits().limited(60)
    config = FitConfig(epochs=2, batch_size=32)
    found = fit(model, data, out=tmp_path / "run", config=config, seed=3)
    from safetensors.torch import load_file

    saved = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())
    rows = rows_of(tmp_path / "run")
    assert [dict(row) for row in found.history] == rows
    assert [(row["stage"], row["epoch"], row["step"]) for row in rows] == [("train", 1, 2), ("train", 2, 4)]
    text = (tmp_path / "run" / "run.toml").read_text()
    assert all(part in text for part in ("lenet_300_100", data.checksum, "seed = 3", "batch_size = 32"))
    assert len(list((tmp_path / "run" / "checkpoint").iterdir())) <= 2

    other = lamina.models.lenet_300_100(seed=8)
    again = fit(other, data, out=tmp_path / "run", config=config, seed=3)
    assert equal(other, model)
    assert again.history == found.history
    assert rows_of(tmp_path / "run") == rows
    for changed in ({"seed": 4}, {"seed": 3, "loss": noisy}):
        with pytest.raises(BadInput, match="holds a run of another configuration"):
            fit(other, data, out=tmp_path / "run", config=config, **changed)
    with pytest.raises(BadInput, match="there is no run to resume"):
        fit(other, data, out=tmp_path / "absent", config=config, resume=True)


def test_two_stages_share_a_run_folder(tmp_path):
    with open_run(tmp_path / "run", {"verb": "both"}) as run:
        for _ in range(2):  # the second time everything is done
            model = Tiny()
            fit(model, blobs(), out=run, config=FitConfig(epochs=2), stage="first")
            fit(model, blobs(), out=run, config=FitConfig(epochs=1), stage="second")
    rows = rows_of(tmp_path / "run")
    assert [(row["stage"], row["epoch"]) for row in rows] == [("first", 1), ("first", 2), ("second", 1)]
    assert not (tmp_path / "run" / "weights.safetensors").exists(), "a stage of a recipe names its own files"


def test_half_a_row_that_a_full_disk_left_is_cut(tmp_path):
    with open_run(tmp_path / "run", {"verb": "x"}) as run:
        run.file("metrics.jsonl").write_text('{"stage": "tra')
        fit(Tiny(), blobs(), out=run, config=FitConfig(epochs=2))
    assert [row["epoch"] for row in rows_of(tmp_path / "run")] == [1, 2]


@pytest.mark.parametrize("where", ["loss", "weights"])
def test_a_diverging_run_names_the_step_and_keeps_its_checkpoint(where, tmp_path, monkeypatch):
    monkeypatch.setattr("lamina.training._loop.SAVE_AT_LEAST_S", -1.0)
    monkeypatch.setattr("lamina.training._loop.SAVE_EVERY_S", -1.0)

    def loss(model, batch, *, generator):
        value = model.loss(batch)
        if where == "loss":
            return value * (math.nan if len(calls) == 5 else 1.0)
        return value

    calls, model = [], Tiny()

    def after(share):
        calls.append(share)
        if where == "weights" and len(calls) == 5:
            with torch.no_grad():
                model.fc1.weight[0, 0] = math.inf

    config = FitConfig(epochs=3, batch_size=30, learning_rate=0.6)
    with pytest.raises(BadInput, match=r"at step 5: lower the learning rate \(learning_rate=0\.2\)"):
        fit(model, blobs(90), out=tmp_path / "run", config=config, loss=loss, after_update=after)
    kept = sorted(p.name for p in (tmp_path / "run" / "checkpoint").iterdir())
    assert kept[-1] == ("00000005" if where == "loss" else "00000004")


def test_what_does_not_fit_is_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match=r"Linear has no loss\(batch, generator=\.\.\.\)"):
        fit(nn.Linear(6, 2), blobs())
    with pytest.raises(BadInput, match=r"LeNet5 does not take a batch of x \[64, 6\], y \[64\]: "):
        fit(lamina.models.lenet5(), blobs())
    narrow = nn.Linear(6, 1)
    with pytest.raises(BadInput, match=r"Linear does not take a batch of .*Target 1 is out of bounds"):
        fit(narrow, blobs(), loss=lambda m, b, generator: F.cross_entropy(m(b["x"]), b["y"]))
    with pytest.raises(BadInput, match="the training split is empty"):
        fit(Tiny(), blobs(0))
    with open_run(tmp_path / "run", {"verb": "x"}) as run:
        fit(Tiny(), blobs(), out=run, config=FitConfig(epochs=1))
        with pytest.raises(BadInput, match="the checkpoint does not fit the model"):
            fit(lamina.models.lenet5(), blobs(), out=run, config=FitConfig(epochs=1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("steps", 0),
        ("batch_size", -1),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("optimiser", "adm"),
        ("schedule", "linear"),
    ],
)
def test_a_configuration_that_cannot_be(field, value):
    with pytest.raises(BadInput, match=field):
        FitConfig(**{field: value})


def test_a_module_of_torch_trains_with_a_loss_handed_in():
    data = blobs(300)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    def loss(model, batch, *, generator):
        return F.cross_entropy(model(batch["x"]), batch["y"])

    found = fit(model, data, config=FitConfig(epochs=5, batch_size=30, learning_rate=0.03), loss=loss)
    assert found.validation_accuracy == evaluate(model, data.validation)["accuracy"]
    assert evaluate(model, data.test)["accuracy"] > 0.8
    assert model.training is False
    assert all(p.grad is None for p in model.parameters())


def test_a_model_that_is_no_classifier_is_validated_by_its_loss():
    class Autoencoder(nn.Linear):
        def loss(self, batch, *, generator=None):
            x = batch["x"] + 0.01 * torch.rand(batch["x"].shape, generator=generator)
            return F.mse_loss(self(x), batch["x"])

    model, data = Autoencoder(6, 6), blobs(300)
    config = FitConfig(epochs=5, batch_size=30, learning_rate=0.03, patience=2)
    found = fit(model, data, config=config)
    assert found.validation_accuracy is None
    assert "accuracy" not in str(found)
    split = data.validation
    exact = F.mse_loss(model(split.inputs), split.inputs).item()
    assert found.history[-1]["validation_loss"] == pytest.approx(exact, rel=0.05)
    assert found.history[-1]["validation_loss"] < found.history[0]["validation_loss"]


def test_patience_without_a_validation_split():
    with pytest.raises(BadInput, match="patience needs a validation split"):
        fit(Tiny(), blobs(validation=0), config=FitConfig(patience=1))
    assert fit(Tiny(), blobs(validation=0), config=FitConfig(epochs=1)).validation_accuracy is None
