"""DianNao: the ten layers of its paper, its peak, its power; and hand calculations of time, traffic and energy."""

from dataclasses import replace

import pytest

from lamina.core.errors import BadInput
from lamina.core.units import MiB
from lamina.hw import registry
from lamina.hw.families.nfu import Nfu, cost, cycles, dram_bytes
from lamina.hw.workloads._private import private
from lamina.hw.workloads.dadiannao_layers import dadiannao_layers
from lamina.hw.workloads.diannao_layers import diannao_layers, with_shared_kernels
from lamina.ir.layer import Layer, dense

DIANNAO = registry.find("diannao").parameters


# The paper's ten layers: MACs, cycles and utilisation derived by hand from the sizes (ACCELERATORS section 2), valid
# output size, ceil(Ni/16) ceil(No/16) Kx Ky Ox Oy; pooling ceil(channels / 16) Kx Ky Ox Oy, nothing is multiplied.
TEN = {
    "CONV1": (22.47e9, 87_754_104, 1.0, "compute"),
    "POOL1": (0, 246 * 183 * 4, None, "compute"),
    "CLASS1": (19_200, 120, 0.625, "memory"),
    "CONV2*": (0.694e9, 10_850_436, 0.25, "compute"),
    "CONV3": (0.291e9, 1_224_496, 0.93, "compute"),
    "POOL3": (0, 7 * 8 * 8 * 16, None, "compute"),
    "CLASS3": (20_000, 91, 0.86, "memory"),
    "CONV4": (0.271e9, 1_059_968, 1.0, "compute"),
    "CONV5*": (720e9, 2_811_815_424, 1.0, "memory"),
    "POOL5": (0, 16 * 128 * 128 * 4, None, "compute"),
}


def test_the_ten_layers_of_the_paper():
    rows = cost(diannao_layers(), DIANNAO)
    assert [row.name for row in rows] == list(TEN)
    for row in rows:
        macs, wanted, utilisation, bound = TEN[row.name]
        assert row.macs == pytest.approx(macs, rel=2e-3)
        assert (row.cycles, row.bound) == (wanted, bound)
        assert row.utilisation == (None if utilisation is None else pytest.approx(utilisation, abs=5e-3))


def test_private_kernels_take_the_cycles_of_shared_ones_and_the_synapses_of_every_pixel():
    """18 x 18 x 8 x 8 weights for each of 183 x 183 pixels; each is used once, so it crosses the pins once."""
    private = {layer.name: layer for layer in diannao_layers()}
    shared = {layer.name: layer for layer in with_shared_kernels()}
    for name, pixels, weights in (("CONV2", 183**2, 8 * 8 * 18**2), ("CONV5", 246**2, 256 * 384 * 11**2)):
        one, other = private[f"{name}*"], shared[name]
        assert (one.macs, one.outputs) == (other.macs, other.outputs)
        assert (one.weights, other.weights) == (pixels * weights, weights)
        assert cycles(one, DIANNAO) == cycles(other, DIANNAO)
        assert 0 <= one.inputs / one.weights - other.inputs / one.weights < 1 / one.k
        assert dram_bytes(one, DIANNAO) == 2 * (one.weights + one.inputs + one.outputs)


def test_private_kernels_by_brute_force():
    """The nest's counts against loops over pixels."""
    layer = private("small", 3, 5, (6, 7), (3, 2))
    pixels = [(y, x) for y in range(6 - 3 + 1) for x in range(7 - 2 + 1)]
    weights = {
        (y, x, k, c, r, s) for y, x in pixels for k in range(5) for c in range(3) for r in range(3) for s in (0, 1)
    }
    assert layer.macs == layer.weights == len(weights)
    assert (layer.outputs, layer.inputs) == (5 * len(pixels), 3 * 3 * 2 * len(pixels))


def test_what_the_paper_prints_in_bytes():
    """DaDianNao, table 1: synapses of 16 bits, binary megabytes; private kernels make the gigabytes."""
    synapses = {layer.name: layer.weight_bytes / MiB for layer in dadiannao_layers()}
    for name, printed in {"CLASS1": 12.5, "CONV1": 22.69, "CONV2": 0.24}.items():
        assert synapses[name] == pytest.approx(printed, abs=5e-3)
    for name, printed in {"CONV3*": 1.29, "CONV4*": 1.32}.items():
        assert synapses[name] / 1024 == pytest.approx(printed, abs=5e-3)


def test_published_figures():
    machine = registry.find("diannao")
    for quantity, (figure, tolerance) in machine.published.items():
        assert getattr(machine.parameters, quantity) == pytest.approx(figure, rel=tolerance)
    assert machine.family.area_m2(machine.parameters) == 3.02e-6


def test_the_headline_is_not_the_peak():
    """452 GOP/s of the abstract is 7 % below 496 operations x 0.98 GHz: cycles are tested, not operations a second."""
    peak = DIANNAO.ops_per_cycle * DIANNAO.clock_hz
    assert (DIANNAO.ops_per_cycle, peak) == (256 + 16 * 15, pytest.approx(486.08e9))
    assert 452e9 / peak == pytest.approx(0.93, abs=5e-3)


def test_a_dense_layer_waits_for_memory():
    # 4096 x 4096: 256 * 256 cycles are 67 us; 2 bytes a weight at 250 GB/s take 134 us
    (row,) = cost([dense(4096, 4096)], DIANNAO)
    assert (row.cycles, row.bound) == (65_536, "memory")
    assert row.latency_s == pytest.approx(134.3e-6, rel=2e-2)


def test_a_convolution_keeps_the_multipliers_busy():
    (row,) = cost([Layer(k=64, c=64, p=56, q=56, r=3, s=3)], DIANNAO)
    assert (row.cycles, row.bound, row.utilisation) == (56 * 56 * 9 * 4 * 4, "compute", 1.0)


def test_energy_is_power_times_time_and_dram_by_the_byte():
    (row,) = cost([Layer(k=64, c=64, p=56, q=56, r=3, s=3)], DIANNAO)
    chip = sum(value for name, value in row.energy_by_component_j.items() if name != "dram")
    assert chip == pytest.approx(0.485 * row.latency_s)
    assert row.energy_by_component_j["dram"] == pytest.approx(row.dram_bytes * 1.95e-9 / 8)


def test_traffic_by_hand():
    # 10 -> 20 over 9 x 9 windows of 3 x 3 in 16-bit words: everything fits, each tensor once
    small = Layer(k=20, c=2, p=4, q=4, r=3, s=3)
    inputs, weights, outputs = 2 * 2 * 36, 2 * 360, 2 * 320
    assert dram_bytes(small, DIANNAO) == inputs + weights + outputs
    # 64 -> 64 on 56 x 56: 430,592 bytes of inputs do not fit NBin, 73,728 of synapses fill five halves of SB:
    # synapses once and inputs five times is less than inputs once and synapses ceil(430592 / 1024) = 421 times
    large = Layer(k=64, c=64, p=56, q=56, r=3, s=3)
    assert dram_bytes(large, DIANNAO) == 73_728 + 5 * 430_592 + 2 * 64 * 56 * 56


def test_words_are_the_machines_own():
    """An 8-bit network moves 16-bit words on a 16-bit machine."""
    assert dram_bytes(dense(100, 10, bits=8), DIANNAO) == dram_bytes(dense(100, 10, bits=16), DIANNAO)


def test_groups_share_no_inputs():
    one = Layer(k=4, c=3, p=5, q=5, r=3, s=3)
    assert cycles(replace(one, groups=6), DIANNAO) == 6 * cycles(one, DIANNAO)


@pytest.mark.parametrize(
    "field", [{"inputs": 0}, {"clock_hz": float("inf")}, {"sb_bytes": -1}, {"nfu_w": float("nan")}]
)
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        Nfu(**field)
