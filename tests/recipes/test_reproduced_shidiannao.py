"""ShiDianNao's published figures: which hold, how far, and that misses have reasons."""

import pytest

from lamina.hw import registry
from lamina.recipes._reproduced.shidiannao import figures, totals
from lamina.recipes._reproduction import geometric_mean

FIGURES = {f.name: f for f in figures()}


@pytest.mark.parametrize("name", ["ops_per_s", "power_w", "area_m2", "sram_bytes", "lenet5_bytes"])
def test_sums_of_parts_are_exact(name):
    assert FIGURES[name].ratio == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("name", ["conv_nn_s", "speed_diannao"])
def test_times_are_within_15_per_cent(name):
    assert FIGURES[name].within


def test_misses_have_reasons():
    misses = {name for name, figure in FIGURES.items() if not figure.within}
    assert misses == {"saved_reads", "energy_diannao", "speed_k20m", "energy_k20m"}
    assert all(FIGURES[name].reason for name in misses)


# cycles of the mesh and the ALU of one example, summed by hand from the layer tables: tiles x kernels x taps,
# then one tick for each result of a function or mean
CYCLES = {
    "gabor": (4 * 4 * 25 + 4 * 1 * 4 + 20 * 9 + 14 * 4 + 14 * 9 + 14) + (4 * 256 + 4 * 64 + 14 * 36 + 14 * 9 + 15),
    "cff": (4 * 16 * 25 + 4 * 4 * 4 + 20 * 4 * 9 + 14 * 4 + 14 * 42 + 14)
    + (4 * 896 + 4 * 224 + 14 * 168 + 14 * 42 + 15),
}


@pytest.mark.parametrize("name", CYCLES)
def test_cycles_by_hand(name):
    assert totals(registry.find("shidiannao"))[name].cycles == CYCLES[name]


def test_a_diannao_of_as_many_multipliers_changes_little():
    """The paper's DianNao is recalled to be one of 8 x 8 multipliers with smaller buffers: 1.87 lies between."""
    changes = {"inputs": 8, "outputs": 8, "nbin_bytes": 1024, "nbout_bytes": 1024, "sb_bytes": 16 * 1024}
    other = totals(registry.with_fields(registry.find("diannao"), changes))
    ours = totals(registry.find("shidiannao"))
    ratio = geometric_mean([other[name].latency_s / cost.latency_s for name, cost in ours.items()])
    assert FIGURES["speed_diannao"].ours < 1.87 < ratio < 2.2
