"""MNIST in miniature: what a trial reads and hands over, how errors become figures, and what is refused."""

import importlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import lamina
from lamina.core.errors import BadInput
from lamina.recipes import mnist as recipe
from lamina.recipes.mnist import ARMS, Config, ensemble, figures, plan, trial

SMALL = Config(data="digits", seeds=2, augmented_seeds=1, nets=2, epochs=1, limit=128)
SETTINGS = {"seed": 0, "epochs": 1, "data": "digits", "limit": 128}


def net(parts, labels=(0, 1, 2, 1)):
    wrong = sum(row.index(max(row)) != label for row, label in zip(parts, labels, strict=True))
    error = 100 * wrong / len(labels)
    return {"error": 99.0, "error_shifted": error, "validation_error": [3.0], "parts": parts, "labels": list(labels)}


def found(**errors):
    """What 2 seeds of each arm found; the nets of the ensemble are wrong once each, and once together."""
    one = net([[6000, 4000, 0], [0, 9000, 1000], [9000, 0, 1000], [0, 9000, 1000]])
    other = net([[4000, 6000, 0], [0, 9000, 1000], [0, 0, 10_000], [0, 9000, 1000]])
    alone = {"mlp": (1.5, 1.3), "lenet5": (0.7, 0.9), "lenet5_augmented": (0.5,)} | errors
    return {
        f"{arm}-{seed}": {"error": error, "error_shifted": error + 0.1, "validation_error": [3.0 + seed, 2.0]}
        for arm, values in alone.items()
        for seed, error in enumerate(values)
    } | {"dropconnect-0": one, "dropconnect-1": other}


def test_the_plan_has_every_seed_of_every_arm():
    names = [t.name for t in plan(replace(SMALL, seed=4))]
    assert names == ["mlp-4", "lenet5-4", "lenet5_augmented-4", "dropconnect-4", "mlp-5", "lenet5-5", "dropconnect-5"]
    assert len(plan(Config())) == 3 + 3 + 2 + 5
    assert plan(Config())[0].settings["epochs"] == ARMS["mlp"].epochs


@pytest.mark.parametrize("arm", ARMS)
def test_a_trial_judges_what_it_learnt_by_the_test_set(arm, tmp_path):
    result = trial({**SETTINGS, "arm": arm}, tmp_path)
    test = lamina.data.digits().test.first(128)
    module = importlib.import_module(f"lamina.models.{ARMS[arm].model}")
    model = getattr(lamina.models, ARMS[arm].model)(module.Config(**ARMS[arm].settings)).eval()
    model.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    wide = torch.zeros(len(test), 1, 30, 30)
    wide[:, :, 1:29, 1:29] = test.inputs
    places = [(1, 1), (2, 1), (0, 1), (1, 2), (1, 0)]
    with torch.no_grad():
        views = [torch.softmax(model(wide[:, :, i : i + 28, j : j + 28]), dim=1) for i, j in places]

    def error(probabilities):
        return pytest.approx(100 * float((probabilities.argmax(1) != test.labels).float().mean()))

    mean = sum(views) / 5
    assert result["error"] == error(views[0])
    assert result.get("error_shifted") == (error(mean) if ARMS[arm].augmented else None)
    assert len(result["validation_error"]) == 1
    if arm == "dropconnect":
        assert (torch.tensor(result["parts"]) - 10_000 * mean).abs().max() < 1.5
        assert result["labels"] == test.labels.tolist()
    assert json.loads(json.dumps(result)) == result
    assert trial({**SETTINGS, "arm": arm}, tmp_path) == result, "a trial that ended is not repeated"


def test_the_worst_seed_is_judged_and_the_mean_stands_beside_it():
    judged = {f.name: f for f in figures(SMALL, found())}
    assert len(judged) == len(figures(SMALL, found())) == 10
    assert {f.row for f in judged.values()} == set(recipe.ROWS)
    assert (judged["mlp_error"].measured, judged["mlp_error_mean"].measured) == (1.5, 1.4)
    names = ("mlp_error", "lenet5_error", "lenet5_augmented_error", "lenet5_augmented_error_shifted")
    assert [judged[name].verdict for name in names] == ["holds", "does not hold", "holds", "does not hold"]
    assert judged["lenet5_error_mean"].holds
    assert all(f.title_zh for f in judged.values())


def test_the_ensemble_votes_by_mean_probability():
    """Each net is wrong once, on another picture; the surer of the two decides."""
    assert ensemble(SMALL, found()) == (0.0, 25.0)
    judged = {f.name: f for f in figures(SMALL, found())}
    assert judged["dropconnect_ensemble_error"].measured == 0
    assert judged["dropconnect_ensemble_gain"].measured == 25
    alike = found() | {"dropconnect-1": found()["dropconnect-0"]}
    assert ensemble(SMALL, alike) == (25.0, 25.0)
    assert not next(f for f in figures(SMALL, alike) if f.name == "dropconnect_ensemble_error").holds


def test_the_page_draws_the_validation_error_of_each_arm():
    (drawn,) = recipe.curves(SMALL, found())
    assert [line.name for line in drawn.lines] == [arm.title for arm in ARMS.values()]
    assert (list(drawn.lines[0].x), list(drawn.lines[0].y)) == ([1, 2], [3.5, 2.0])


@pytest.mark.parametrize("bad", [{"seeds": 0}, {"augmented_seeds": 0}, {"nets": 0}, {"epochs": -1}, {"limit": 0}])
def test_numbers_out_of_range_are_refused(bad):
    (name,) = bad
    with pytest.raises(BadInput, match=f"{name} is {bad[name]}: at least 1 is needed"):
        Config(**bad)


def test_a_data_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="nmist"):
        trial({**SETTINGS, "arm": "mlp", "data": "nmist"}, tmp_path)
