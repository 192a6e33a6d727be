"""The studies of XOR in space and time in miniature: what a trial finds, how figures judge it, what is refused."""

import math

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import adding, temporal_xor, xor
from lamina.recipes._results import Figure

XOR = xor.Config(seeds=2, passes=40, updates=400, sets=5)
TEMPORAL = temporal_xor.Config(steps=12, hidden=8, updates=20, batch_size=32, examples=64)


def found_of(module, config, folder):
    """What each trial of the plan found, one after the other in this process."""
    return {trial.name: module.trial(trial.settings, folder) for trial in module.plan(config)}


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_xor_is_learnt_by_a_hidden_layer_alone(tmp_path):
    found = found_of(xor, XOR, tmp_path)
    assert len(found) == 1 + 2 * 3
    figures = by_name(xor.figures(XOR, found))
    assert all(figure.holds for figure in figures.values()), [f.name for f in figures.values() if not f.holds]
    assert figures["dichotomies"].measured == xor.COVER
    assert figures["perceptron_right"].values == (3, 3)
    assert figures["perceptron_mistakes"].values == (100, 100)
    assert figures["mlp_right"].values == (4, 4)
    assert 0 < figures["mistakes_over_bound"].measured <= 1
    assert 0 < figures["gradient_error"].measured < 1e-7
    found["lines"] = {"dichotomies": 16, "right": 4}
    found["perceptron-1"] = {"right": 5, "mistakes": 97.5}
    found["mlp-1"] = {"right": 3, "gradient_error": 0.1}
    found["bound-1"] = {"share": 1.5}
    assert not any(figure.holds for figure in xor.figures(XOR, found))


def test_bad_settings_are_refused():
    with pytest.raises(BadInput, match="seeds is 1: at least 2"):
        xor.Config(seeds=1)
    with pytest.raises(BadInput, match="passes is 0"):
        xor.Config(passes=0)
    with pytest.raises(BadInput, match="steps is 2: at least 3"):
        temporal_xor.Config(steps=2)
    with pytest.raises(BadInput, match="learning_rate is 0"):
        temporal_xor.Config(learning_rate=0)


def test_a_trial_of_temporal_xor_judges_by_place(tmp_path):
    plan = {trial.name: trial.settings for trial in temporal_xor.plan(TEMPORAL)}
    assert len(plan) == 5 * len(temporal_xor.NETWORKS)
    for network in temporal_xor.NETWORKS:
        found = temporal_xor.trial(plan[f"{network}-3"], tmp_path)
        assert found == temporal_xor.trial(plan[f"{network}-3"], tmp_path)
        assert list(found) == ["first", "second", "third"]
        assert 40 < found["first"] < 60  # nobody knows it


def test_temporal_xor_holds_where_elman_remembers_and_an_mlp_does_not():
    third = {"elman": 99.0, "elman_full": 100.0, "jordan": 90.0, "mlp": 50.0}
    found = {
        trial.name: {"first": 50.0, "second": 50.0, "third": third[trial.settings["network"]]}
        for trial in temporal_xor.plan(TEMPORAL)
    }
    figures = by_name(temporal_xor.figures(TEMPORAL, found))
    assert all(figure.holds for figure in figures.values())
    assert figures["elman_over_mlp"].values == (49, 49, 49, 49, 49)
    (plot,) = temporal_xor.curves(TEMPORAL, found)
    assert {line.name: list(line.y) for line in plot.lines}["elman"] == [50, 50, 99]
    for seed in range(5):
        found[f"elman-{seed}"]["third"] = 51.0 + seed / 10
    figures = by_name(temporal_xor.figures(TEMPORAL, found))
    assert [name for name, figure in figures.items() if not figure.holds] == ["elman_over_mlp", "elman_third"]


ADDING = adding.Config(seeds=2, steps=(6, 8), rates=(0.003, 0.01), rated_steps=8, lag=60, hidden=8, updates=4,
                       batch_size=8, examples=64)  # fmt: skip


def made_up(kind, settings):
    """A finding as the survey has it: the RNN fails beyond 6 steps, the LSTM at the lowest rate."""
    if kind == "gradients":
        return {
            "rnn": [0.5**k for k in range(61)],
            "lstm": [0.99**k for k in range(61)],
            "lstm_1": [0.7**k for k in range(61)],
        }
    if kind == "cost":
        return {"macs": 4.0, "bytes": 3.98, "seconds": 2.0 + settings["seed"] / 10}
    fails = settings["steps"] > 6 if settings["network"] == "rnn" else settings["rate"] < 0.01
    return {"error": 99.0 if fails else 1.0, "right": 90.0}


def test_adding_judges_what_was_found():
    plan = adding.plan(ADDING)
    assert len({trial.name for trial in plan}) == len(plan) == 2 * (3 * 3 + 2 + 2)
    found = {trial.name: made_up(trial.settings["kind"], trial.settings) for trial in plan}
    figures = by_name(adding.figures(ADDING, found))
    assert all(figure.holds for figure in figures.values()), [f.name for f in figures.values() if not f.holds]
    assert figures["rates_over_rnn"].values == (50, 50)  # one rate of two over none
    assert figures["rnn_gradient"].measured == pytest.approx(59 * math.log10(0.5), abs=1e-5)
    reach, by_steps, by_rate = adding.curves(ADDING, found)
    assert [line.name for line in reach.lines] == list(adding.NETWORKS)
    assert reach.lines[0].y[3] == pytest.approx(0.125)
    assert by_steps.lines[0].y == [1, 99]
    assert by_rate.lines[1].y == [99, 1]
    for seed in range(2):
        found[f"lstm-8-0.01-{seed}"]["error"] = 30.0
    failed = [name for name, figure in by_name(adding.figures(ADDING, found)).items() if not figure.holds]
    assert failed == ["lstm_error", "rates_over_rnn", "rates_solving"]


def test_the_trials_of_adding(tmp_path):
    plan = {trial.name: trial.settings for trial in adding.plan(ADDING)}
    for network in adding.NETWORKS:
        found = adding.trial(plan[f"{network}-8-0.01-1"], tmp_path)
        assert found == adding.trial(plan[f"{network}-8-0.01-1"], tmp_path)
        assert 0 < found["error"] < 1000
    norms = adding.trial(plan["gradients-0"], tmp_path)
    assert {len(of_network) for of_network in norms.values()} == {61}
    assert norms["rnn"][60] / norms["rnn"][1] < 1e-6 < 1e-3 < norms["lstm"][60] / norms["lstm"][1]
    cost = adding.trial(plan["cost-0"], tmp_path)
    assert cost["macs"] == 6_656_128 / 1_664_128
    assert cost["bytes"] == 67_713 / 17_025
    assert cost["seconds"] > 0
    with pytest.raises(BadInput, match="each once"):
        adding.Config(steps=(10, 10))
    with pytest.raises(BadInput, match="updates is 0"):
        adding.Config(updates=0)
    with pytest.raises(BadInput, match="clip is -1"):
        adding.Config(clip=-1)
