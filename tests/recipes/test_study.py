"""Studies: every trial once, in processes of their own, gone on with where they stopped; intervals of their figures."""

import json
import os

import pytest
from scipy import stats

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.recipes import _interval, _results
from lamina.recipes._study import Trial, line
from tests.recipes import study_sample
from tests.recipes.study_sample import Config


def test_a_study_runs_its_trials_and_says_what_it_found(tmp_path, capsys):
    found = study_sample.study_sample(tmp_path / "run")
    assert "6 of 6 trials to do" in capsys.readouterr().err
    (figure,) = found.figures
    assert figure.values == pytest.approx((0.5, 0.4, 0.3))
    assert figure.measured == pytest.approx(0.4)
    assert figure.verdict == "holds"
    assert "0.4 [0.1516, 0.6484] points" in str(found)
    stored = [files.read_json(path)["found"] for path in sorted((tmp_path / "run" / "trials").glob("*.json"))]
    assert len(stored) == 6
    assert all(s["threads"] == 1 and s["process"] != os.getpid() for s in stored)
    assert files.read_json(tmp_path / "run" / "curves.json")["curves"][0]["lines"][0]["y"] == [0.5, 1.5, 2.5]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "one over the other" in page
    assert "0.4 [0.1516, 0.6484] points" in page


def test_a_study_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(ValueError, match="a trial that is broken"):
        study_sample.study_sample(tmp_path / "run", Config(broken="other-2"))
    done = {path.name: path.read_bytes() for path in (tmp_path / "run" / "trials").glob("*.json")}
    assert done, "what ended before the error is kept"
    with pytest.raises(BadInput, match="another configuration"):
        study_sample.study_sample(tmp_path / "run", Config())
    again = tmp_path / "again"
    study_sample.study_sample(again)
    before = files.read(again / "figures.json")
    kept = {path.name: path.read_bytes() for path in (again / "trials").glob("*.json") if "one" in path.name}
    for name in ("figures.json", "trials/other-0.json", "trials/other-1.json"):
        (again / name).unlink()
    study_sample.study_sample(again)
    assert {path.name: path.read_bytes() for path in (again / "trials").glob("one*.json")} == kept
    assert json.loads(before)["figures"] == files.read_json(again / "figures.json")["figures"]


def test_a_trial_is_named_as_a_file_may_be():
    with pytest.raises(BadInput, match="small letters"):
        Trial(name="../x", settings={})


def test_intervals_and_p_values_are_those_of_scipy():
    values = (0.3, 0.1, 0.25, 0.4, 0.2)
    reference = stats.ttest_1samp(values, 0.05)
    above = stats.ttest_1samp(values, 0.05, alternative="greater")
    assert _interval.p_value(values, 0.05) == pytest.approx(above.pvalue)
    assert _interval.p_value([-v for v in values], -0.05) == pytest.approx(1 - above.pvalue)
    assert _interval.interval(values) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert _interval.interval((0.5, 0.5)) == (0.5, 0.5)
    assert (_interval.p_value((0.5, 0.5), 0.5), _interval.p_value((0.5, 0.5))) == (1.0, 0.0)
    with pytest.raises(BadInput, match="2 or more"):
        _interval.interval((1.0,))


def _figure(values, rule="at_least", limit=0.0):
    fields = {"row": "M25", "name": "x", "title": "x", "unit": "", "rule": rule, "limit": limit}
    return _results.over_seeds(values, **fields)


def test_of_several_values_the_whole_interval_decides():
    assert _figure((1.0, 1.1, 0.9)).verdict == "holds"
    assert _figure((1.0, -1.1, 0.9)).verdict == "undecided"
    assert _figure((-1.0, -1.1, -0.9)).verdict == "does not hold"
    assert _figure((-1.0, -1.1, -0.9), rule="at_most").holds


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"values": [1.0]}, "values is not a list of none or of two"),
        ({"values": [1.0, float("nan")]}, "values nan is not a finite number"),
        ({"values": [1.0, 3.0]}, "is not the mean of the values"),
    ],
)
def test_a_result_file_with_broken_values_is_refused(tmp_path, change, complaint):
    result = _results.Result(recipe="x", commit="0" * 40, configuration="0" * 64, figures=(_figure((1.0, 2.0)),))
    path = _results.write(result, tmp_path)
    value = files.read_json(path)
    value["figures"][0] |= change
    path.write_text(json.dumps(value))
    with pytest.raises(BadInput, match=complaint):
        _results.read(path)


def test_a_line_has_the_mean_and_the_interval_of_every_place():
    found = line("one", (1, 2), iter([(0.3, 0.1, 0.2), (0.5, 0.5, 0.5)]))
    low, high = _interval.interval((0.3, 0.1, 0.2))
    assert (found.name, found.x, found.y) == ("one", [1, 2], pytest.approx([0.2, 0.5]))
    assert (found.low, found.high) == ([low, 0.5], [high, 0.5])
