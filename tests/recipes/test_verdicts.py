"""The survey's claims on processors and chips: each verdict pinned with the range of its figures."""

import pytest

from lamina.recipes import _rows
from lamina.recipes._verdicts import Verdict, verdicts

ALL = {v.says: v for v in verdicts()}


def test_every_verdict_is_of_a_claim():
    known = {claim.id for claim in _rows.claims()}
    assert {v.claim for v in ALL.values()} <= known
    for verdict in ALL.values():
        assert all(value > 0 for value in verdict.figures.values())
        assert len(verdict.why) > 20


@pytest.mark.parametrize(
    ("says", "holds", "least", "most"),
    [
        ("a GPU is tens to a thousand times one core (scalar core)", "holds in part", 160, 2494),
        ("a GPU is tens to a thousand times one core (vector core)", "holds", 21.9, 312),
        ("a card replaces tens to hundreds of servers (server of 2012, one socket)", "holds in part", 6.6, 52),
        ("a card replaces tens to hundreds of servers (server of 2016, two sockets)", "does not hold", 0.51, 4.2),
        ("an ASIC is 5 to 10 times as fast as an FPGA", "does not hold", 2.66, 4.6),
        ("an ASIC is 10 to 100 times cheaper in volume", "holds in part", 5.35, 57),
    ],
)
def test_the_verdicts(says, holds, least, most):
    verdict = ALL[says]
    assert verdict.holds == holds
    assert min(verdict.figures.values()) == pytest.approx(least, rel=0.02)
    assert max(verdict.figures.values()) == pytest.approx(most, rel=0.02)


def test_where_training_and_inference_are_best():
    """C26: ASICs beat the card in energy a picture, Zhang's float32 FPGA of 2015 does not; training is the card's."""
    energy = ALL["FPGAs and ASICs take less energy a picture than a GPU"].figures
    assert energy["FPGA (zhang_fpga15, float32)"] < 1
    assert energy["ASIC (diannao, 16 bits)"] > 3
    assert energy["ASIC (eyeriss, 16 bits)"] > 3
    assert ALL["training is fastest on a GPU (time of a step over the GPU's)"].holds == "holds"


def test_the_rule():
    verdict = Verdict(claim="C1", says="x", low=1, high=2, figures={"a": 1, "b": 2})
    assert verdict.holds == "holds"
    assert Verdict(claim="C1", says="x", low=1, high=2, figures={"a": 1, "b": 3}).holds == "holds in part"
    assert Verdict(claim="C1", says="x", low=1, high=2, figures={"a": 0.5, "b": 3}).holds == "does not hold"
