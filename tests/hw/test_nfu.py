"""DianNao: the ten layers of its paper, its peak, its power; and hand calculations of time, traffic and energy."""

from dataclasses import replace

import pytest

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families.nfu import Nfu, cost, cycles, dram_bytes
from lamina.ir.layer import Layer, dense

DIANNAO = registry.find("diannao").parameters


def convolution(nx, ny, kx, ky, ni, no):
    return Layer(k=no, c=ni, p=ny - ky + 1, q=nx - kx + 1, r=ky, s=kx, input_bits=16, weight_bits=16, output_bits=16)


def pooling(nx, ny, kx, ky, channels):
    p, q = ny // ky, nx // kx
    return Layer(
        operator="max_pool2d", groups=channels, p=p, q=q, r=ky, s=kx, stride=(ky, kx), height=ny, width=nx,
        has_weights=False, ops=channels * p * q * kx * ky, input_bits=16, output_bits=16,
    )  # fmt: skip


# The paper's ten layers: MACs, cycles and utilisation derived by hand from the sizes (ACCELERATORS section 2), valid
# output size, ceil(Ni/16) ceil(No/16) Kx Ky Ox Oy. CONV2 and CONV5 have private kernels: the same cycles.
TEN = {
    "CONV1": (convolution(500, 375, 9, 9, 32, 48), 22.47e9, 87_754_104, 1.0),
    "CLASS1": (dense(960, 20, bits=16), 19_200, 120, 0.625),
    "CONV2": (convolution(200, 200, 18, 18, 8, 8), 0.694e9, 10_850_436, 0.25),
    "CONV3": (convolution(32, 32, 4, 4, 108, 200), 0.291e9, 1_224_496, 0.93),
    "CLASS3": (dense(200, 100, bits=16), 20_000, 91, 0.86),
    "CONV4": (convolution(32, 32, 7, 7, 16, 512), 0.271e9, 1_059_968, 1.0),
    "CONV5": (convolution(256, 256, 11, 11, 256, 384), 720e9, 2_811_815_424, 1.0),
    # pooling: ceil(channels / 16) Kx Ky Ox Oy, nothing is multiplied
    "POOL1": (pooling(492, 367, 2, 2, 12), 0, 246 * 183 * 4, None),
    "POOL3": (pooling(32, 32, 4, 4, 100), 0, 7 * 8 * 8 * 16, None),
    "POOL5": (pooling(256, 256, 2, 2, 256), 0, 16 * 128 * 128 * 4, None),
}


@pytest.mark.parametrize("name", TEN)
def test_the_ten_layers_of_the_paper(name):
    layer, macs, wanted, utilisation = TEN[name]
    (row,) = cost([layer], DIANNAO)
    assert row.macs == pytest.approx(macs, rel=2e-3)
    assert row.cycles == wanted
    assert row.utilisation == (None if utilisation is None else pytest.approx(utilisation, abs=5e-3))


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
