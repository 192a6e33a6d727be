"""The study of chaos: what a forecast is judged by, ridges that are searched apart from the test, recorded errors."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.models.echo_state_network import EchoStateNetwork
from lamina.recipes import chaos

ROOT = Path(__file__).parents[2]
TINY = chaos.Config(seeds=2, hidden=50, candidates=1)


@pytest.fixture(scope="module")
def found():
    return {t.name: chaos.trial(t.settings, Path()) for t in chaos.plan(TINY)}


def test_a_small_reservoir_tells_the_next_value_and_goes_on_for_a_while(found):
    for one in found.values():
        assert one["told"] < 0.02
        assert one["told_chosen"] < 0.02
        assert 1e-10 <= one["told_ridge"] <= 1e-5
        assert len(one["free"]) == chaos.AHEAD
        assert one["free"][0] < 0.05  # the first step is told
        assert one["free"][0] < one["free"][30]
    assert found["reservoir-0"]["told"] != found["reservoir-1"]["told"]


def test_figures_are_ratios_and_errors_of_the_last_step(found):
    by_name = {f.name: f for f in chaos.figures(TINY, found)}
    told, _ = chaos.RECORDED["told"]
    assert by_name["told_over_reservoirpy"].values[1] == pytest.approx(found["reservoir-1"]["told"] / told, rel=1e-4)
    assert by_name["nrmse_84"].values[0] == pytest.approx(1e6 * found["reservoir-0"]["free_chosen"][83], rel=1e-6)
    assert by_name["nrmse_84"].limit == pytest.approx(63.1)
    assert by_name["told_over_reservoirpy"].limit == 1.2
    (plot,) = chaos.curves(TINY, found)
    for line in plot.lines:
        assert all(low <= y <= high for low, y, high in zip(line.low, line.y, line.high, strict=True))


@pytest.mark.parametrize("name", ["told", "free"])
def test_the_errors_of_reservoirpy_are_those_on_record(name):
    error, path = chaos.RECORDED[name]
    record = json.loads((ROOT / path).read_text())
    if name == "told":
        assert error == record["rows"]["reservoirpy"][record["columns"].index("nrmse")]
        assert record["setting"] == {**chaos.TOLD, "ridge": chaos.RIDGE}
    else:
        assert error == record["nrmse_mean"]["reservoirpy"]
        assert record["setting"] == {**chaos.FREE, "ridge": chaos.RIDGE}


def test_what_is_learned_searched_and_judged_are_apart():
    judged = {s + k for s in chaos.starts(chaos.FREE_TEST) for k in range(chaos.AHEAD)}
    searched = {s + k for s in chaos.starts(chaos.FREE_VALIDATION) for k in range(chaos.AHEAD)}
    assert not judged & searched
    assert min(judged | searched) >= chaos.FREE_LEARNED
    assert abs(chaos.TOLD_TEST - chaos.TOLD_VALIDATION) >= 500
    assert min(chaos.TOLD_TEST, chaos.TOLD_VALIDATION) >= chaos.TOLD_LEARNED
    assert max(judged) < len(chaos.series())


def test_a_forecast_hears_only_what_came_before_its_start(monkeypatch):
    heard = []
    true = EchoStateNetwork.forecast
    monkeypatch.setattr(EchoStateNetwork, "forecast", lambda self, x, n: heard.append(x) or true(self, x, n))
    values = chaos.series()
    found = chaos.free_running(values, 0, 50, 1e-6)
    first = chaos.FREE_TEST
    assert np.allclose(heard[0][0, :, 0], values[first - chaos.CONTEXT : first])
    spoilt = values.copy()
    spoilt[first:] = 0.5 + 0.1 * np.sin(np.arange(len(values) - first))
    assert chaos.free_running(spoilt, 0, 50, 1e-6)[0] > 10 * found[0]


@pytest.mark.parametrize("setting", [{"seeds": 1}, {"hidden": 0}, {"hidden": 105}, {"candidates": 0}])
def test_settings_are_checked(setting):
    with pytest.raises(BadInput, match="is needed"):
        chaos.Config(**{**asdict(TINY), **setting})
