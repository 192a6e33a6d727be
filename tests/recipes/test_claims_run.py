"""`reproduce claims`: all studies of the survey's statements, their cost said before, their page written after."""

import json

import pytest

import lamina
from lamina.api.reproducing import Reproduced
from lamina.core.errors import BadInput
from lamina.recipes import _claims, _study
from lamina.recipes._claims import Deciding
from tests.recipes import study_sample


@pytest.fixture(autouse=True)
def _one_study(monkeypatch):
    """A study of no time in place of the real ones; its trials run here (tests/recipes/test_study.py has processes)."""

    def run(module, plan, folder, at_once, threads):
        for trial in plan:
            yield trial.name, study_sample.trial(trial.settings, folder), 0.5

    found = [Deciding(module=study_sample.__name__, claims=("C17",), trial_s=30.0)]
    monkeypatch.setattr(_claims, "studies", lambda: found)
    monkeypatch.setattr(_study, "_run", run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("claims") / "run"


def test_it_says_the_cost_runs_and_writes_both_pages(folder, capsys):
    found = lamina.reproduce("claims", out=folder)
    said = capsys.readouterr().err
    assert "claims: 1 studies, 6 trials to do" in said
    assert "C17 study_sample: 6 trials" in said
    assert "100% of all processor time (by its own estimate)" in said
    assert found.to_json()["claims"][3]["verdict"] == "holds"
    assert json.dumps(found.to_json(), allow_nan=False)
    assert "maximum pooling beats average" in str(found)
    assert "| one over the other | 0.4 [0.1516, 0.6484] points | ≥ 0 points | holds | 3 |" in (
        (folder / "survey.md").read_text()
    )
    assert (
        "| 差 | 0.4 [0.1516, 0.6484] 个百分点 | ≥ 0 个百分点 | 成立 | 3 |" in (folder / "survey.zh-CN.md").read_text()
    )


def test_a_claim_that_does_not_hold_is_a_result(folder, monkeypatch):
    def against(config, found):
        return [study_sample.over_seeds((-1.0, -1.1), **_fields)]

    _fields = {"row": "M25", "name": "difference", "title": "x", "title_zh": "差", "unit": "points", "claim": "C17"}
    _fields |= {"rule": "at_least", "limit": 0.0}
    (folder / "study_sample" / "figures.json").unlink()
    monkeypatch.setattr(study_sample, "figures", against)
    found = lamina.reproduce("claims", out=folder)  # its trials are on disk: none runs again
    assert found.to_json()["claims"][3]["verdict"] == "does not hold"
    assert getattr(found, "holds", True), "exit code 0"
    assert "**does not hold**" in (folder / "survey.md").read_text()


@pytest.mark.parametrize(("claim", "holds"), [("C17", True), ("", False)])
def test_only_a_miss_that_decides_no_statement_is_a_failure(claim, holds):
    shared = {"row": "M25", "name": "x", "title": "x", "unit": "points", "rule": "at_least", "limit": 0.0}
    missed = study_sample.over_seeds((-1.0, -1.1), **shared, claim=claim)
    assert Reproduced([], [missed]).holds is holds
    assert "does not hold" in str(Reproduced([], [missed]))


def test_one_claim_is_told_from_what_is_stored():
    (said,) = [f for f in lamina.reproduce("C17").to_json() if f["row"] == "C17"]
    assert said["title"].startswith("maximum pooling")
    assert said["verdict"] in ("holds", "holds in part", "does not hold", "undecided", "not yet run")
    assert "C17" in str(lamina.reproduce("C17"))


def test_a_row_without_a_result_is_told_from_one_that_does_not_exist():
    with pytest.raises(BadInput, match="P8: no result file speaks for it yet"):
        lamina.reproduce("P8")
    with pytest.raises(BadInput, match="unknown row"):
        lamina.reproduce("P88")


def test_claims_stands_alone():
    with pytest.raises(BadInput, match="stands alone"):
        lamina.reproduce("claims", "C17")
