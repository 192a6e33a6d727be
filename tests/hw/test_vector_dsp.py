"""Vector DSPs: packets against a packer that fills them one by one, cycles by hand and by loops, laws, bad fields."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families.vector_dsp import VectorDsp, cost, cycles, packets, refusal
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import multiplying, networks

MACHINE = VectorDsp(
    contexts=2, vector_bits=256, macs_per_cycle_8=64, macs_per_cycle_16=16, load_slots=1, issue_slots=4, registers=8,
    scratchpad_bytes=65536, clock_hz=1e9, dram_bytes_per_s=1e10, power_w=1.0,
)  # fmt: skip
LIKE = ("hexagon_682_like", "ceva_xm4_like", "ceva_xm6_like", "myriad2_like")

some = st.builds(
    VectorDsp,
    contexts=st.integers(1, 16),
    vector_bits=st.sampled_from([16, 64, 128, 512, 1024]),
    macs_per_cycle_8=st.integers(1, 256),
    macs_per_cycle_16=st.integers(1, 128),
    load_slots=st.integers(1, 3),
    issue_slots=st.integers(1, 8),
    registers=st.integers(2, 64),
    scratchpad_bytes=st.integers(2, 10**7),
    clock_hz=st.floats(1e7, 1e10),
    dram_bytes_per_s=st.floats(1e6, 1e12),
    power_w=st.one_of(st.none(), st.floats(0.01, 10)),
)


def filled(products: int, loads: int, lanes: int, rate: int, load_slots: int, issue_slots: int) -> int:
    """Packets that a greedy packer fills; a product holds its unit for lanes / rate packets."""
    work, instructions, used = products * lanes, products, 0
    while work > 0 or loads > 0 or instructions > 0:
        used += 1
        room = issue_slots
        taken = min(loads, load_slots, room)
        loads -= taken
        room -= taken
        instructions -= min(instructions, room)
        work -= rate
    return used


@given(
    st.integers(1, 40), st.integers(0, 40), st.sampled_from([8, 16, 64]), st.integers(1, 128), st.integers(1, 4),
    st.integers(1, 8),
)  # fmt: skip
def test_packets_as_a_packer_fills_them(products, loads, lanes, rate, load_slots, issue_slots):
    machine = replace(MACHINE, load_slots=load_slots, issue_slots=issue_slots)
    ours = packets(machine, products=products, loads=loads, lanes=lanes, rate=rate)
    assert ours == filled(products, loads, lanes, rate, load_slots, issue_slots)


def test_a_convolution_by_hand():
    # 8 bits: 32 lanes, 64 MACs a cycle; k = 40: 2 vectors; 36 pixels in 9 blocks of 4: 18 blocks, 9 a context.
    # a step: 4 products (128 MACs: 2 packets), 1 + ceil(4 x 8 / 32) = 2 loads (2 packets), 6 instructions (2): 2
    layer = Layer(k=40, c=3, p=6, q=6, r=3, s=3)
    assert cycles(layer, MACHINE) == 9 * 27 * 2
    # 16 bits: 16 lanes, 16 a cycle, 3 vectors, 27 blocks, 14 on the busier context; 4 products are 4 packets
    assert cycles(replace(layer, weight_bits=16), MACHINE) == 14 * 27 * 4


def test_a_block_that_is_not_full_costs_a_whole_one():
    # 10 pixels are 3 blocks of 4, two vectors: 6 blocks, 3 a context
    assert cycles(Layer(k=40, c=3, p=2, q=5, r=3, s=3), MACHINE) == 3 * 27 * 2


def test_one_pixel_waits_for_its_weights():
    # 4096 -> 4096 in 8 bits: 128 vectors of outputs, 4 at a time, 16 blocks a context; 4 weight vectors and an input: 5
    # packets of one load each for 128 products of a lane: two of them would do
    (row,) = cost([dense(4096, 4096)], replace(MACHINE, dram_bytes_per_s=1e15))
    assert row.cycles == 16 * 4096 * 5
    assert row.utilisation == pytest.approx(2 / 5)
    assert cost([dense(4096, 4096)], replace(MACHINE, load_slots=4))[0].cycles == 16 * 4096 * 3  # 9 instructions of 4
    assert cost([dense(4096, 4096)], MACHINE)[0].bound == "memory"


def test_work_without_products_runs_over_the_lanes():
    assert cycles(Layer(operator="add", has_weights=False, operands=2, ops=1000), MACHINE) == 16  # of 64 lanes
    assert refusal(Layer(operator="softmax", has_weights=False, ops=9), MACHINE) is None
    assert "32 bits" in refusal(dense(3, 3, bits=32), MACHINE)


@given(multiplying(), some, st.integers(1, 8))
def test_laws(layer, machine, factor):
    if refusal(layer, machine):
        return
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.dram_bytes >= layer.input_bytes + layer.weight_bytes + layer.output_bytes
    for name in ("contexts", "load_slots", "issue_slots", "clock_hz", "dram_bytes_per_s", "scratchpad_bytes"):
        better = replace(machine, **{name: getattr(machine, name) * factor})
        assert cost([layer], better)[0].latency_s <= row.latency_s * (1 + 1e-12)


@given(networks, some)
def test_energy_is_power_times_time(layers, machine):
    rows = cost([layer for layer in layers if not refusal(layer, machine)], machine)
    for row in rows:
        assert row.energy_j == (None if machine.power_w is None else pytest.approx(machine.power_w * row.latency_s))


def test_peaks_of_the_machines():
    """What the public figures say of each: products a second in 16 bits."""
    peaks = {}
    for name in LIKE:
        machine = registry.find(name).parameters
        peaks[name] = machine.contexts * machine.macs_per_cycle_16 * machine.clock_hz
    assert peaks == pytest.approx(
        {"hexagon_682_like": 64e9, "ceva_xm4_like": 153.6e9, "ceva_xm6_like": 153.6e9, "myriad2_like": 57.6e9}
    )


@pytest.mark.parametrize("field", [
    {"contexts": 0}, {"vector_bits": 24}, {"registers": 1}, {"scratchpad_bytes": 0}, {"clock_hz": float("inf")},
    {"power_w": -1.0}, {"issue_slots": 0},
])  # fmt: skip
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        replace(MACHINE, **field)
