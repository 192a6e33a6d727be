"""Processors by data sheet: peaks against the data sheets, times and traffic by hand, the laws of the blocked cache."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import machines, registry
from lamina.hw.families import processor
from lamina.hw.families.processor import Processor, cost, cycles, refusal, traffic_bytes
from lamina.hw.workloads import alexnet
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import multiplying, networks

FOLDER = Path(machines.__path__[0])
PROCESSORS = [n for n in registry.names() if "families.processor import" in (FOLDER / f"{n}.py").read_text()]
# 4 cores x 8 operations x 1 GHz = 32 Gop/s in 32 bits, 64 in 16 and 8; 10 GB/s; 40 W
MACHINE = Processor(
    cores=4, clock_hz=1e9, ops_per_cycle_32=8, ops_per_cycle_16=16, ops_per_cycle_8=16,
    cache_bytes=1e6, dram_bytes_per_s=1e10, power_w=40.0,
)  # fmt: skip

some = st.builds(
    Processor,
    cores=st.integers(1, 100),
    clock_hz=st.floats(1e6, 1e10),
    ops_per_cycle_32=st.floats(1, 8),
    ops_per_cycle_16=st.floats(8, 16),
    ops_per_cycle_8=st.floats(16, 32),
    cache_bytes=st.floats(1, 1e8),
    dram_bytes_per_s=st.floats(1e6, 1e12),
    power_w=st.one_of(st.none(), st.floats(0.1, 1e3)),
)


def test_the_machines_are_there():
    assert {"simd_core_like", "k20m", "titan_x", "h100", "rx_480", "xeon_phi_7250", "xeon_e5_2430"} <= set(PROCESSORS)


@pytest.mark.parametrize("name", PROCESSORS)
def test_peaks_are_the_data_sheets(name):
    machine = registry.find(name)
    for quantity, (figure, tolerance) in machine.published.items():
        assert getattr(machine.parameters, quantity) == pytest.approx(figure, rel=tolerance)


@pytest.mark.parametrize(("bits", "rate"), [(32, 32e9), (16, 64e9), (12, 64e9), (8, 64e9)])
def test_a_convolution_by_hand(bits, rate):
    # 115,605,504 MACs; tensors of 434,112 words at most 1.7 MB are 0.17 ms: compute bound in every word length
    layer = Layer(k=64, c=64, p=56, q=56, r=3, s=3, padding=(1,) * 4, input_bits=bits, weight_bits=bits)
    (row,) = cost([layer], MACHINE)
    assert row.latency_s == pytest.approx(2 * 115_605_504 / rate)
    assert (row.bound, row.utilisation) == ("compute", 1)
    assert row.cycles == 2 * 115_605_504 * 1e9 / rate
    assert row.energy_j == pytest.approx(40 * row.latency_s)


def test_a_dense_layer_waits_for_its_weights():
    # 4096 x 4096 float32: 67.1 MB at 10 GB/s are 6.71 ms, 33.5 M operations 1.05 ms
    (row,) = cost([dense(4096, 4096, bits=32)], MACHINE)
    moved = 4 * (4096 * 4096 + 2 * 4096)
    assert (row.bound, row.dram_bytes) == ("memory", moved)
    assert row.latency_s == pytest.approx(moved / 1e10)
    assert row.utilisation == pytest.approx(2 * 4096 * 4096 / 32e9 / (moved / 1e10))


def test_what_a_data_sheet_does_not_tell_is_none():
    (row,) = cost([dense(10, 10)], replace(MACHINE, power_w=None))
    assert row.energy_j is None
    assert processor.area_m2(MACHINE) is None
    assert processor.area_m2(replace(MACHINE, chip_area_m2=1e-4)) == 1e-4


def test_a_product_larger_than_the_cache_moves_more():
    """2048 x 2048 x 2048 in blocks of T x T of a cache of T^2 words: each of (2048 / T)^2 blocks reads 2 x 2048 T."""
    side, block = 2048, 256
    layer = dense(side, side, batch=side, bits=32)
    blocks = (side // block) ** 2
    read = blocks * 2 * side * block * 4  # bytes, what a loop over the blocks loads
    assert traffic_bytes(layer, cache_bytes=block**2 * 4) == read == 2 * side**3 / sqrt(block**2) * 4
    assert traffic_bytes(layer, cache_bytes=1e12) == 3 * side * side * 4


def test_blocked_loads_counted_by_a_loop():
    """The formula against a loop that really cuts a product into blocks and counts the words it loads."""
    rows = columns = inner = 48
    for block in (4, 8, 16):
        loads = 0
        out = np.zeros((rows, columns), int)
        for i in range(0, rows, block):
            for j in range(0, columns, block):
                for _ in range(inner):
                    loads += 2 * block  # a column of one operand, a row of the other
                    out[i : i + block, j : j + block] += 1
        assert (out == inner).all()
        assert traffic_bytes(dense(inner, columns, batch=rows, bits=8), cache_bytes=block**2) == loads


@given(multiplying(), some, st.floats(1, 1e3))
def test_laws(layer, machine, factor):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.latency_s * machine.clock_hz * (1 + 1e-9) >= row.cycles - 1
    assert row.dram_bytes >= layer.input_bytes + layer.weight_bytes + layer.output_bytes
    for name in ("dram_bytes_per_s", "clock_hz", "cache_bytes"):
        better = replace(machine, **{name: getattr(machine, name) * factor})
        assert cost([layer], better)[0].latency_s <= row.latency_s
    assert cost([layer], replace(machine, cores=machine.cores + 3))[0].latency_s <= row.latency_s
    assert traffic_bytes(layer, machine.cache_bytes * factor) <= traffic_bytes(layer, machine.cache_bytes)


@given(networks, some)
def test_every_layer_moves_data_and_takes_time(layers, machine):
    for row in cost(layers, machine):
        assert row.latency_s > 0
        assert row.dram_bytes > 0


def test_words_that_no_data_sheet_names_are_refused():
    assert "64 bits" in refusal(dense(3, 3, bits=64), MACHINE)
    assert refusal(dense(3, 3, bits=32), MACHINE) is None
    assert refusal(Layer(operator="softmax", has_weights=False, ops=5), MACHINE) is None


@pytest.mark.parametrize(
    "field",
    [{"cores": 0}, {"clock_hz": 0.0}, {"cache_bytes": -1.0}, {"dram_bytes_per_s": float("inf")},
     {"power_w": 0.0}, {"chip_area_m2": float("nan")}, {"ops_per_cycle_32": 0.0}, {"ops_per_cycle_8": 1.0}],
)  # fmt: skip
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        replace(MACHINE, **field)


def test_alexnet_on_a_gpu_of_its_time_is_compute_bound_in_a_batch():
    """Fully connected layers wait for their weights at batch 1 and no longer at batch 128."""
    machine = registry.find("k40m").parameters
    one, many = (cost(alexnet.alexnet(batch=b, bits=32), machine) for b in (1, 128))
    assert [row.bound for row in one] == ["compute"] * 5 + ["memory"] * 3
    assert {row.bound for row in many} == {"compute"}


def test_cycles_round_up():
    assert cycles(dense(3, 3, bits=32), MACHINE) == 1  # 18 operations of 32 a cycle
    assert cycles(dense(4, 5, bits=32), MACHINE) == 2
