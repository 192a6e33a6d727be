"""Published figures beside ours: every machine's file, the page that is written from them, the verb."""

import pytest

import lamina
from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.recipes import _rows
from lamina.recipes._reproduced import zhang_fpga15
from lamina.recipes._reproduction import Reproduction, figures, geometric_mean, spread
from tests.house.tool import load

ALL = figures()


def test_every_figure_is_of_a_machine_and_a_row_and_is_named_once():
    rows = {row.id for row in _rows.rows()}
    for figure in ALL:
        assert figure.row in rows
        assert figure.machine in registry.names()
        assert figure.published > 0
        assert figure.ours > 0
        assert figure.mark in ("published", "unverified")
        assert len(figure.source) > 10
        assert "\n" not in figure.reason + figure.title + figure.source
        assert "|" not in figure.reason + figure.title + figure.unit
    keys = [(f.machine, f.name) for f in ALL]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("figure", [f for f in ALL if not f.within], ids=lambda f: f"{f.machine}-{f.name}")
def test_a_figure_that_is_far_off_says_why(figure):
    assert len(figure.reason) > 20


def test_the_page_is_what_the_models_say_today():
    tool = load("reproduced")
    assert tool.TARGET.read_text(encoding="utf-8") == tool.text(), "python tools/reproduced.py"


def test_the_verb_tells_rows_and_machines():
    assert {f["machine"] for f in lamina.reproduce("H3").to_json()} == {"zhang_fpga15", None}
    assert "Tm that the sweep finds" in str(lamina.reproduce("zhang_fpga15"))
    with pytest.raises(BadInput, match="zhang_fpga15"):
        lamina.reproduce("zhang_fpga")


def test_claims_on_machines_have_verdicts():
    found = lamina.reproduce("C28", "C30")
    assert {c.claim for c in found.claims} == {"C28", "C30"}
    assert "servers" in str(found)
    assert all(f["verdict"] in ("holds", "holds in part", "does not hold") for f in found.to_json())
    assert found.holds  # a claim that fails is a finding, not a failure


def test_a_miss_without_a_reason_does_not_hold():
    from lamina.api.reproducing import Reproduced

    figure = Reproduction(
        row="H3", machine="zhang_fpga15", name="x", title="x", unit="s", published=1.0, ours=1.16, mark="published",
        source="nowhere at all",
    )  # fmt: skip
    assert not Reproduced([figure], []).holds
    assert not figure.within
    assert "no stated reason" in str(Reproduced([figure], []))


def test_means():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1)
    assert spread([0.5, 2.0]) == pytest.approx(2)
    assert spread([3.0, 3.0]) == pytest.approx(1)


def test_zhangs_sweep_finds_the_published_tile_among_all_that_fit():
    machine = registry.find("zhang_fpga15").parameters
    assert zhang_fpga15.best_tile(machine) == (64, 7)
