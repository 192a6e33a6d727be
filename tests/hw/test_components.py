"""Components: published figures come out as printed, the fit is the least-squares one, laws of size, width and node."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.core.units import KiB, MiB, nm, pJ
from lamina.hw.components import (
    arithmetic,
    dram,
    edram,
    link,
    lookup_table,
    memory,
    network_on_chip,
    register_file,
    scaling,
    sram,
)
from lamina.hw.power_law import power_law

ROOT = Path(__file__).parents[2]
KINDS = ("high_performance", "low_standby_power")
NODES = [180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7]
# area of a circuit at the second node over its area at the first, as the paper's table prints it (two digits)
PRINTED_AREA = [
    (180, 130, 0.34), (180, 65, 0.08), (130, 90, 0.44), (90, 65, 0.53), (65, 45, 0.66), (65, 32, 0.31), (45, 32, 0.46),
    (45, 20, 0.21), (32, 14, 0.38), (20, 16, 0.89), (16, 14, 0.91), (14, 10, 0.59), (10, 7, 0.58), (180, 7, 0.0032),
    (90, 180, 6.6), (7, 130, 110), (32, 45, 2.2),
]  # fmt: skip


def test_horowitz_as_printed():
    assert arithmetic.add_energy_j(8) == pytest.approx(0.03 * pJ)
    assert arithmetic.add_energy_j(16) == pytest.approx(0.05 * pJ)
    assert arithmetic.mac_energy_j(8) == pytest.approx((0.2 + 0.1) * pJ)
    assert arithmetic.mac_energy_j(32) == pytest.approx((3.1 + 0.1) * pJ)
    assert arithmetic.float_mac_energy_j(16) == pytest.approx(1.5 * pJ)
    assert arithmetic.float_mac_energy_j(32) == pytest.approx(4.6 * pJ)
    assert arithmetic.mac_area_m2(32) == pytest.approx((3495 + 137) * 1e-12)
    assert arithmetic.float_mac_area_m2(32) == pytest.approx((7700 + 4184) * 1e-12)
    assert [memory.sram_byte_j(c) * 8 / pJ for c in (8 * KiB, 32 * KiB, MiB)] == pytest.approx([10, 20, 100])
    assert register_file.access_j(32) == pytest.approx(1 * pJ)


def test_between_two_widths_is_a_power_law():
    """A 16-bit multiplication: the geometric mean of 8 and 32 bits."""
    assert arithmetic.multiply_energy_j(16) == pytest.approx((0.2 * 3.1) ** 0.5 * pJ)
    assert power_law(4, [(1, 3), (2, 6), (8, 6 * 4**2)]) == pytest.approx(6 * 2**2)
    assert power_law(16, [(1, 3), (2, 6)]) == pytest.approx(48)


@pytest.mark.parametrize(("start", "end", "factor"), PRINTED_AREA)
def test_area_between_nodes_as_printed(start, end, factor):
    assert scaling.area(start * nm, end * nm) == pytest.approx(factor, rel=0.06)  # both sides have two digits


def test_energy_between_nodes_by_hand():
    # 65 nm at 1.1 V: 3.755 x 1.21 - 4.398 x 1.1 + 1.975 = 1.68075; 45 nm at 1 V: 1.018 - 0.3107 + 0.1539 = 0.8612
    assert scaling.energy(65 * nm, 45 * nm) == pytest.approx(0.8612 / 1.68075)
    # 14 nm at 0.8 V: -40.66 x 0.512 + 109.2 x 0.64 - 100.6 x 0.8 + 35.92 = 4.51008
    # 7 nm at 0.7 V: -28.58 x 0.343 + 76.6 x 0.49 - 70.26 x 0.7 + 24.69 = 3.23906
    assert scaling.delay(14 * nm, 7 * nm) == pytest.approx(3.23906 / 4.51008)


@given(st.floats(7, 180), st.floats(7, 180), st.floats(7, 180))
def test_scaling_there_and_back(a, b, c):
    for quantity in (scaling.energy, scaling.delay, scaling.area):
        assert quantity(a * nm, b * nm) * quantity(b * nm, c * nm) == pytest.approx(quantity(a * nm, c * nm))
        assert quantity(a * nm, a * nm) == 1


def test_smaller_is_cheaper():
    for larger, smaller in pairwise(NODES):
        assert scaling.energy(larger * nm, smaller * nm) < 1
        assert scaling.area(larger * nm, smaller * nm) < 1
        if (larger, smaller) != (32, 20):  # planar to FinFET: two families of models
            assert scaling.delay(larger * nm, smaller * nm) < 1


@pytest.mark.parametrize("call", [
    lambda: scaling.energy(45 * nm, 5 * nm), lambda: scaling.area(250 * nm, 45 * nm),
    lambda: scaling.delay(45, 32), lambda: scaling.energy(45 * nm, 32 * nm, from_v=3.3),
])  # fmt: skip
def test_scaling_out_of_range(call):
    with pytest.raises(BadInput, match=r"nm|V"):
        call()


def test_voltage_lowers_energy_and_slows():
    assert scaling.energy(45 * nm, 45 * nm, to_v=0.9) < 1 < scaling.delay(45 * nm, 45 * nm, to_v=0.9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quantity", ["read_j", "write_j", "leakage_w", "area_m2", "access_s"])
def test_the_fit_is_a_least_squares_one(kind, quantity):
    """Normal equations: no term of the polynomial is left in the residuals of the logarithm."""
    table = sram.points(kind)
    x, y = np.log2(table["capacity_bytes"] / KiB), np.log2(table["width_bits"] / 32)
    left = np.log2(1 + sram.residuals(kind, quantity))
    for i, j in sram.exponents():
        term = x**i * y**j
        assert abs(term @ left) < 1e-6 * np.linalg.norm(term)
    assert np.sqrt(np.mean(sram.residuals(kind, quantity) ** 2)) < 0.19


def test_the_fit_at_its_points():
    table = sram.points("low_standby_power")
    for index in range(0, len(table["read_j"]), 7):
        capacity, width = table["capacity_bytes"][index], int(table["width_bits"][index])
        for quantity, function in (("read_j", sram.read_j), ("write_j", sram.write_j), ("area_m2", sram.area_m2)):
            fitted = table[quantity][index] * (1 + sram.residuals("low_standby_power", quantity)[index])
            assert function(capacity, width) == pytest.approx(fitted)


def test_cacti_beside_horowitz():
    """Two sources of one figure: a 64-bit word of 8 KiB, 32 KiB and 1 MiB, within a factor of two."""
    for capacity, joules in memory.SRAM_WORD_J:
        assert 0.5 < sram.read_j(capacity, 64, kind="high_performance") / joules < 2


@given(st.floats(16, 1e9), st.integers(1, 8192), st.floats(1.01, 64), st.sampled_from(KINDS))
def test_a_larger_memory_costs_more(capacity, width, factor, kind):
    for function in (sram.read_j, sram.write_j, sram.area_m2, sram.leakage_w):
        assert function(capacity * factor, width, kind=kind) >= function(capacity, width, kind=kind) * (1 - 1e-9)
    assert sram.access_s(capacity * factor, kind=kind) >= sram.access_s(capacity, kind=kind) * (1 - 1e-9)


def test_wide_words_are_memories_abreast():
    assert sram.read_j(32 * KiB, 4096) == pytest.approx(4 * sram.read_j(8 * KiB, 1024))
    assert sram.area_m2(32 * KiB, 4096) == pytest.approx(4 * sram.area_m2(8 * KiB, 1024))
    assert sram.read_j(64 * MiB, 64) == pytest.approx(2 * sram.read_j(16 * MiB, 64))
    assert sram.leakage_w(64 * MiB, 64) == pytest.approx(4 * sram.leakage_w(16 * MiB, 64))


@pytest.mark.parametrize("call", [lambda: sram.read_j(0, 32), lambda: sram.area_m2(-1), lambda: sram.write_j(99, 0)])
def test_sram_needs_a_size(call):
    with pytest.raises(BadInput, match="positive"):
        call()


def test_dram_by_type():
    assert dram.byte_j("hbm2") == pytest.approx(8 * 3.92 * pJ)
    assert dram.byte_j("ddr4") == pytest.approx(8 * 1.2 * 0.145 / 19.2e9, rel=1e-3)
    assert dram.byte_j("lpddr3") == pytest.approx((dram.byte_j("lpddr2") * dram.byte_j("lpddr4")) ** 0.5, rel=1e-3)
    assert dram.byte_j("horowitz") == memory.dram_byte_j()
    with pytest.raises(BadInput, match="hbm2"):
        dram.byte_j("hbm22")


def test_edram_beside_dram_and_sram():
    """The paper's two comparisons: 1/321 of a DDR3 access of 256 bits (6.18 nJ), 2.85 times denser than SRAM."""
    assert 6.18e-9 / edram.access_j(256) == pytest.approx(321, rel=5e-3)
    at_45 = edram.area_m2(MiB, 45 * nm)
    assert sram.area_m2(MiB) / at_45 == pytest.approx(2.85)


def test_wires_and_hops():
    assert network_on_chip.wire_j(256, 10e-3, 40 * nm) == pytest.approx(310 * pJ)
    assert network_on_chip.hop_j(16, 3) == pytest.approx(12 * pJ)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("pcie1_x16", 4e9),
        ("pcie2_x16", 8e9),
        ("pcie3_x16", 15.754e9),
        ("pcie4_x16", 31.51e9),
        ("hypertransport2", 6.4e9),
    ],
)
def test_links_by_name(name, rate):
    assert link.LINKS[name].bytes_per_s == pytest.approx(rate, rel=1e-3)
    assert link.seconds(name, rate) == pytest.approx(1, rel=2e-3)
    with pytest.raises(BadInput, match="pcie3_x16"):
        link.seconds("pcie3_x166", 1)


def test_fabric_costs_its_ratio():
    assert lookup_table.mac_j(8, fabric="logic", node_m=45 * nm) == pytest.approx(14 * 0.3 * pJ)
    assert lookup_table.mac_area_m2(8, node_m=45 * nm) == pytest.approx(18 * arithmetic.mac_area_m2(8))


def test_the_document_is_what_the_tool_writes():
    made = subprocess.run(
        [sys.executable, "tools/components.py", "--print"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs/components.md").read_text() == made.stdout
