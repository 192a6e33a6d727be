"""The studies of XOR in space and time in miniature: what a trial finds, how figures judge it, what is refused."""

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import temporal_xor, xor
from lamina.recipes._results import Figure

XOR = xor.Config(seeds=2, passes=40, updates=500, sets=5)
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
