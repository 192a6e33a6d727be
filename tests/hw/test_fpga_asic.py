"""FPGA against ASIC: ratios by hand, prices by hand, the crossover against a search, what is out of range."""

from itertools import count
from math import exp, inf, pi, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.core.units import mm2, nm
from lamina.hw import registry
from lamina.hw.components import silicon_price
from lamina.hw.fpga_asic import as_asic, crossover, curve, engine_area_m2, fpga_unit_dollars
from lamina.hw.workloads import alexnet


def test_the_published_ratios():
    """Kuon and Rose: 3.4 to 4.6 in delay, 14 in energy for logic; 7.1 with hard blocks."""
    assert as_asic(clock_hz=1e8, power_w=14, fabric="logic") == pytest.approx((3.4e8, 3.4))
    assert as_asic(clock_hz=1e8, power_w=7.1, delay_ratio=4.6) == pytest.approx((4.6e8, 4.6))


def test_one_design_on_both():
    """The same tiles: 3.4 times as fast where arithmetic decides, and no faster than the same memory allows."""
    fpga, asic = registry.find("zhang_fpga15"), registry.find("zhang_asic_like")
    layers = alexnet.tower(bits=32)
    slow, fast = (m.family.cost(layers, m.parameters) for m in (fpga, asic))
    assert [row.cycles for row in slow] == [row.cycles for row in fast]
    assert slow[0].latency_s / fast[0].latency_s == pytest.approx(3.4, rel=0.08)  # conv1 is compute bound on both
    ratio = sum(r.latency_s for r in slow) / sum(r.latency_s for r in fast)
    assert 1 < ratio < 3.4
    assert asic.marks()["latency_s"] == "assumed"


def test_the_price_of_a_chip_by_hand():
    # 100 mm2 at 28 nm: pi 150^2 / 100 - pi 300 / sqrt(200) = 640.2 dies, yield exp(-0.1) = 0.905, 2891 dollars
    dies = pi * 150**2 / 100 - pi * 300 / sqrt(200)
    assert silicon_price.chip_dollars(100 * mm2, 28 * nm) == pytest.approx(2891 / dies / exp(-0.1) + 5)
    assert silicon_price.chip_dollars(1200 * mm2, 28 * nm) == pytest.approx(
        2 * silicon_price.chip_dollars(600 * mm2, 28 * nm)
    )
    assert silicon_price.design_dollars(16 * nm) == pytest.approx(80e6)


@given(st.floats(0.1, 5000), st.floats(1.01, 5), st.sampled_from([7, 16, 28, 65, 90]))
def test_a_larger_chip_costs_more(area_mm2, factor, node):
    small, large = (silicon_price.chip_dollars(a * mm2, node * nm) for a in (area_mm2, area_mm2 * factor))
    assert large > small


def test_the_crossover_is_the_first_volume_that_pays():
    given_ = {"fpga_dollars": 47.0, "asic_dollars": 11.0, "one_time_dollars": 10_000.0}
    found = next(v for v in count(1) if v * 47 >= v * 11 + 10_000)
    assert found - 1 < crossover(**given_) <= found
    points = curve([found - 1, found], **given_)
    assert points[0].asic > points[0].fpga
    assert points[1].asic <= points[1].fpga
    assert crossover(fpga_dollars=5, asic_dollars=5, one_time_dollars=1) == inf


@given(st.floats(1, 1e5), st.floats(0.1, 1e3), st.floats(0, 1e9))
def test_the_curves_meet_at_the_crossover(fpga, asic, one_time):
    volume = crossover(fpga_dollars=fpga, asic_dollars=asic, one_time_dollars=one_time)
    if 0 < volume < inf:
        (point,) = curve([volume], fpga_dollars=fpga, asic_dollars=asic, one_time_dollars=one_time)
        assert point.asic == pytest.approx(point.fpga)


def test_prices_of_the_engine():
    area = engine_area_m2(multipliers=448, memory_bits=1024 * 18 * 1024, node_m=28 * nm)
    assert 4 * mm2 < area < 6 * mm2
    fpga, asic = fpga_unit_dollars(area, 28 * nm), silicon_price.chip_dollars(area, 28 * nm)
    assert 4 < fpga / asic < 7
    assert fpga == pytest.approx(3 * silicon_price.chip_dollars(18 * area, 28 * nm))


@pytest.mark.parametrize("call", [
    lambda: as_asic(clock_hz=0, power_w=1), lambda: as_asic(clock_hz=1, power_w=1, delay_ratio=-1),
    lambda: crossover(fpga_dollars=0, asic_dollars=1, one_time_dollars=1),
    lambda: crossover(fpga_dollars=2, asic_dollars=1, one_time_dollars=-1),
    lambda: curve([0], fpga_dollars=2, asic_dollars=1, one_time_dollars=1),
    lambda: silicon_price.chip_dollars(-1, 28 * nm), lambda: silicon_price.chip_dollars(1e-6, 3 * nm),
    lambda: silicon_price.design_dollars(90 * nm),
])  # fmt: skip
def test_what_is_out_of_range(call):
    with pytest.raises(BadInput, match=r"positive|0 or more|7 to \d+ nm"):
        call()
