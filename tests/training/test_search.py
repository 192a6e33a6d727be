"""Random search: draws keyed by trial and name, the least value found, nothing done twice."""

import math

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.training.search import LogUniform, Uniform, draw, search

SPACE = {"radius": Uniform(0.5, 1.5), "ridge": LogUniform(1e-8, 1e-2), "groups": (1, 2, 5)}


def bowl(settings, seed):
    return (settings["radius"] - 0.9) ** 2 + (math.log10(settings["ridge"]) + 5) ** 2 / 10 + settings["groups"] / 10


def test_draws_fill_the_space_and_do_not_depend_on_each_other():
    drawn = [draw(SPACE, 3, k) for k in range(2000)]
    radius = np.array([d["radius"] for d in drawn])
    logs = np.log10([d["ridge"] for d in drawn])
    assert radius.mean() == pytest.approx(1.0, abs=0.03)
    assert radius.var() == pytest.approx(1 / 12, rel=0.1)
    assert logs.mean() == pytest.approx(-5, abs=0.2)
    assert logs.var() == pytest.approx(6**2 / 12, rel=0.1)
    assert [round(sum(d["groups"] == g for d in drawn) / 2000, 1) for g in (1, 2, 5)] == [0.3] * 3
    assert abs(np.corrcoef(radius, logs)[0, 1]) < 0.1  # 4.5 standard deviations
    assert draw({"ridge": SPACE["ridge"]}, 3, 7)["ridge"] == drawn[7]["ridge"]
    assert drawn[7] != draw(SPACE, 4, 7)


def test_the_least_value_wins_and_a_longer_search_begins_with_the_shorter():
    short, long = search(bowl, SPACE, count=20, seed=1), search(bowl, SPACE, count=60, seed=1)
    assert [t.settings for t in long.trials[:20]] == [t.settings for t in short.trials]
    assert long.best.value == min(bowl(t.settings, 0) for t in long.trials)
    assert long.best.value <= short.best.value < 0.5


def test_a_killed_search_goes_on_without_repeating(tmp_path):
    seen = []

    def killed(settings, seed):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(seed)
        return math.nan if len(seen) == 2 else bowl(settings, seed)

    with pytest.raises(KeyboardInterrupt):
        search(killed, SPACE, count=8, out=tmp_path / "s")
    again = []

    def counted(settings, seed):
        again.append(seed)
        return bowl(settings, seed)

    found = search(counted, SPACE, count=8, out=tmp_path / "s")
    assert len(again) == 3
    assert len({*seen, *again}) == 8
    assert found.trials[1].value == math.inf
    whole = search(bowl, SPACE, count=8)
    assert [t.value for t in found.trials[2:]] == [t.value for t in whole.trials[2:]]
    assert found.trials[0].settings == whole.trials[0].settings
    with pytest.raises(BadInput, match="another configuration"):
        search(bowl, SPACE, count=8, seed=9, out=tmp_path / "s")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Uniform(2, 1), r"\[2, 1\]"),
        (lambda: LogUniform(0, 1), "positive"),
        (lambda: search(bowl, {}, count=3), "nothing"),
        (lambda: search(bowl, SPACE, count=0), "0 trials"),
        (lambda: search(bowl, {"groups": ()}, count=1), "choice"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
