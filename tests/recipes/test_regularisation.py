"""The study of five helps in miniature: what each arm differs in, what is chosen on what, how figures judge."""

import json

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _work, regularisation
from lamina.recipes.regularisation import ARMS, Config, figures, plan, trial
from lamina.training import evaluation, fitting

SMALL = Config(
    seeds=2, examples=30, epochs=2, batch_size=10, hidden=(6, 5), rates=(0.1, 0.5), decays=(0.01, 0.02), lenet_epochs=1
)


def made(count=40):
    """Ten classes of pictures: a bright row at the class's height, under noise."""
    parts = {}
    for seed, part in enumerate(("train", "validation", "test")):
        y = torch.arange(count) % 10
        x = 0.3 * torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
        x[torch.arange(count), 0, 4 + 2 * y] += 0.5
        parts[part] = Split(tensors={"x": x, "y": y})
    return Dataset(name="made", classes=tuple("0123456789"), checksum="0" * 64, **parts)


@pytest.fixture
def watched(monkeypatch):
    """Made-up digits; what each training was told, and which splits were read. What is trained last validates best."""
    data, told, read = made(), [], []
    monkeypatch.setattr(_work, "data_set", lambda name, limit: data)
    fit, evaluate = fitting.fit, evaluation.evaluate

    def watched_fit(model, given, *, config, seed, augment=None):
        told.append((model, config, augment))
        assert len(given.validation) == 0
        return fit(model, given, config=config, seed=seed, augment=augment)

    def watched_evaluate(model, split):
        if split is data.validation:
            read.append("validation")
            return {"accuracy": [one for one, _, _ in told].index(model) / 10}
        read.append("test" if split is data.test else "?")
        return evaluate(model, split)

    monkeypatch.setattr("lamina.training.fit", watched_fit)
    monkeypatch.setattr(evaluation, "evaluate", watched_evaluate)
    return told, read


def run(arm, tmp_path, config=SMALL):
    found = trial({t.name: t for t in plan(config)}[f"{arm}-1"].settings, tmp_path)
    assert json.loads(json.dumps(found)) == found
    return found


def test_each_arm_differs_from_plain_in_one_thing(watched, tmp_path):
    told, read = watched
    steps, dropped = {}, {}
    for arm in ARMS[:4]:
        found = run(arm, tmp_path)
        steps[arm] = [(c.momentum, round(c.learning_rate / (1 - c.momentum), 9), c.weight_decay) for _, c, _ in told]
        dropped[arm] = {(getattr(m.config, "dropout", None), getattr(m.config, "share", None)) for m, _, _ in told}
        assert len({(c.epochs, c.batch_size, c.schedule, c.optimiser) for _, c, _ in told}) == 1
        assert 0 <= found["error"] <= 100
        assert found["rate"] == told[1][1].learning_rate
        chosen_then_judged = ["validation"] * 2 + ["test"] * (2 if arm == "dropconnect" else 1)
        assert read == chosen_then_judged * (2 if arm == "plain" else 1)
        if arm == "plain":
            assert steps[arm][2:] == [(0, 0.5, 0.01), (0, 0.5, 0.02)]
            assert found["decay"] == 0.02
            assert 0 <= found["decayed_error"] <= 100
        told.clear(), read.clear()
    assert steps["plain"][:2] == steps["dropout"] == steps["dropconnect"] == [(0, 0.1, 0), (0, 0.5, 0)]
    assert steps["momentum"] == [(0.9, 0.1, 0), (0.9, 0.5, 0)]
    assert dropped == {
        "plain": {(0, None)}, "momentum": {(0, None)}, "dropout": {(0.5, None)}, "dropconnect": {(None, 0.5)},
    }  # fmt: skip


def test_augmentation_alone_differs_between_the_two_lenets(watched, tmp_path):
    told, read = watched
    for arm in ("lenet", "augmented"):
        assert 0 <= run(arm, tmp_path)["error"] <= 100
    assert read == ["test", "test"]
    (_, one, nothing), (_, other, moved) = told
    assert one == other
    assert nothing is None
    assert moved.elastic > 0 < moved.translate


def test_a_rate_that_diverges_is_not_chosen(watched, tmp_path):
    config = Config(seeds=2, examples=30, epochs=2, batch_size=10, hidden=(6,), rates=(0.1, 1e38))
    assert run("dropout", tmp_path, config)["rate"] == 0.1
    config = Config(seeds=2, examples=30, epochs=2, batch_size=10, hidden=(6,), rates=(1e38,))
    with pytest.raises(BadInput, match=r"no rate of .* keeps the loss finite: lower ones are needed"):
        run("dropout", tmp_path, config)


def test_figures_say_how_much_each_helps_and_how_surely():
    errors = {"plain": 5.0, "dropout": 4.0, "dropconnect": 3.5, "momentum": 4.5, "lenet": 2.0, "augmented": 1.0}
    found = {f"{arm}-{seed}": {"error": error + seed * error / 10} for arm, error in errors.items() for seed in (0, 1)}
    for seed in (0, 1):
        found[f"plain-{seed}"]["decayed_error"] = 4.9 + seed * 0.4
        found[f"dropconnect-{seed}"]["error_of_mean"] = 4.0 + seed
    judged = {f.name: f for f in figures(SMALL, found)}
    gains = ("dropout_gain", "dropconnect_gain", "momentum_gain", "weight_decay_gain", "augmentation_gain")
    assert set(judged) == {
        *gains, *(f"{name}_p" for name in gains), "dropout_less_dropconnect", "dropout_less_dropconnect_p",
        "gaussian_inference_gain",
    }  # fmt: skip
    assert judged["dropout_gain"].values == pytest.approx((1.0, 1.1))
    assert judged["weight_decay_gain"].values == pytest.approx((0.1, 0.2))
    assert judged["augmentation_gain"].values == pytest.approx((1.0, 1.1))
    assert judged["dropout_less_dropconnect"].values == pytest.approx((0.5, 0.55))
    assert judged["gaussian_inference_gain"].values == pytest.approx((0.5, 1.15))
    # two values a and b: t = (a + b) / |a - b| with one degree of freedom, p = 1 / 2 - atan(t) / pi
    assert judged["dropout_gain_p"].measured == pytest.approx(0.015151, abs=1e-5)
    assert judged["dropout_gain_p"].holds
    assert judged["weight_decay_gain_p"].measured == pytest.approx(0.102416, abs=1e-5)
    assert not judged["weight_decay_gain_p"].holds
    assert all(f.title_zh for f in judged.values())
    assert {f.row for f in judged.values()} == set(regularisation.ROWS)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seeds": 1}, "seeds is 1: at least 2"),
        ({"share": 0.0}, r"share is 0.0: \(0, 1\) is allowed"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"rates": ()}, "rates is \\(\\): positive numbers"),
        ({"decays": (0.1, 0.1)}, "each once"),
        ({"rates": (-1.0,)}, "positive numbers"),
    ],
)
def test_bad_input_says_what_is_needed(given, says):
    with pytest.raises(BadInput, match=says):
        Config(**given)
