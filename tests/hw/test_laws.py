"""What holds for every machine: sums are exact, time and energy do not vanish, more of anything is never worse."""

import random
import sys
from dataclasses import replace
from itertools import chain
from math import isclose
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.hw.cost import Cost, settled, total
from lamina.hw.families.roofline import Roofline
from lamina.ir.layer import Layer
from tests.hw.shapes import machines, multiplying, networks, nfu, roofline, systolic

BUFFERS = {
    "Systolic": ("input_sram_bytes", "weight_sram_bytes", "output_sram_bytes"),
    "Nfu": ("nbin_bytes", "nbout_bytes", "sb_bytes"),
    "Roofline": ("cache_bytes",),
}


def family(machine: Any) -> Any:
    return sys.modules[type(machine).__module__]


def cost(layers: Any, machine: Any) -> tuple[Cost, ...]:
    return settled(family(machine).cost(layers, machine))


@given(networks, machines, st.randoms(use_true_random=False))
def test_layers_sum_to_the_total_exactly_in_any_order(layers, machine, shuffler: random.Random):
    rows = list(cost(layers, machine))
    whole = total(rows)
    shuffler.shuffle(rows)
    assert sum(r.macs for r in rows) == whole.macs == sum(layer.macs for layer in layers)
    assert sum(r.latency_s for r in rows) == whole.latency_s
    assert sum(r.dram_bytes for r in rows) == whole.dram_bytes
    for level in whole.bytes_by_level:
        assert sum(r.bytes_by_level[level] for r in rows) == whole.bytes_by_level[level]
    if whole.cycles is not None:
        assert sum(r.cycles for r in rows) == whole.cycles
    if whole.energy_j is None:
        assert all(r.energy_j is None for r in rows)
        return
    parts = list(chain.from_iterable(r.energy_by_component_j.values() for r in rows))
    shuffler.shuffle(parts)
    assert sum(parts) == sum(r.energy_j for r in rows) == whole.energy_j == sum(whole.energy_by_component_j.values())
    for row in rows:
        assert sum(row.energy_by_component_j.values()) == row.energy_j


@given(networks, machines)
def test_the_grid_changes_nothing_that_can_be_seen(layers, machine):
    for raw, row in zip(family(machine).cost(layers, machine), cost(layers, machine), strict=True):
        whole = total(cost(layers, machine))
        assert isclose(raw.latency_s, row.latency_s, abs_tol=2**-48 * whole.latency_s)
        if raw.energy_by_component_j is not None:
            for name, value in raw.energy_by_component_j.items():
                assert isclose(value, row.energy_by_component_j[name], abs_tol=2**-48 * whole.energy_j)
                assert (value > 0) == (row.energy_by_component_j[name] > 0)


@given(multiplying(), machines)
def test_a_multiplying_layer_takes_time_and_fits_the_multipliers(layer, machine):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert 0 < total([row]).utilisation <= 1
    assert row.latency_s > 0
    assert row.bound in ("compute", "memory")
    assert row.energy_j is None or row.energy_j > 0


@given(multiplying(), systolic)
def test_a_systolic_array_cannot_multiply_more_than_it_has(layer, machine):
    (row,) = cost([layer], machine)
    assert (row.cycles + 1) * machine.rows * machine.columns >= layer.macs
    assert row.latency_s >= row.cycles / machine.clock_hz * (1 - 1e-12)


@given(multiplying(), nfu)
def test_an_nfu_cannot_multiply_more_than_it_has(layer, machine):
    (row,) = cost([layer], machine)
    assert row.cycles * machine.inputs * machine.outputs >= layer.macs


@given(multiplying(), st.one_of(systolic, nfu))
def test_every_tensor_crosses_the_pins_once(layer, machine):
    """Also proves that the DRAM bytes are at least compulsory; the NFU's words have its own width."""
    (row,) = cost([layer], machine)
    if type(machine).__name__ == "Nfu":
        assert row.dram_bytes >= (layer.inputs + layer.weights + layer.outputs) * machine.bits / 8 * (1 - 1e-12)
    else:
        assert row.dram_bytes >= (layer.input_bytes + layer.weight_bytes + layer.output_bytes) * (1 - 1e-12)


@given(networks, machines, st.floats(1, 1000))
def test_more_bandwidth_is_never_slower(layers, machine, factor):
    faster = replace(machine, dram_bytes_per_s=machine.dram_bytes_per_s * factor)
    assert total(cost(layers, faster)).latency_s <= total(cost(layers, machine)).latency_s * (1 + 1e-12)


@pytest.mark.parametrize("kind", [systolic, nfu, roofline], ids=["systolic", "nfu", "roofline"])
@settings(max_examples=300)
@given(data=st.data())
def test_more_memory_never_moves_more_bytes(kind, data):
    layers, machine = data.draw(networks), data.draw(kind)
    name = data.draw(st.sampled_from(BUFFERS[type(machine).__name__]))
    larger = replace(machine, **{name: getattr(machine, name) * data.draw(st.integers(1, 50))})
    assert total(cost(layers, larger)).dram_bytes <= total(cost(layers, machine)).dram_bytes


@given(networks, machines)
def test_what_moves_data_is_not_free(layers, machine):
    """A pooling or an addition reads and writes its tensors; one-operand functions act on results as they leave."""
    for layer, row in zip(layers, cost(layers, machine), strict=True):
        if layer.operator in ("max_pool2d", "average_pool2d", "add"):
            assert row.latency_s > 0
            assert sum(row.bytes_by_level.values()) > 0
            assert row.utilisation is None


def test_what_one_layer_cannot_tell_the_total_cannot_tell():
    row = Cost(
        name="a", op="conv2d", macs=1, cycles=1, latency_s=1.0, dram_bytes=1, utilisation=1.0, bound="compute",
        energy_by_component_j={"mac": 1.0}, bytes_by_level={"dram": 1},
    )  # fmt: skip
    silent = replace(row, cycles=None, latency_s=None, energy_by_component_j=None, bytes_by_level=None)
    whole = total([row, silent])
    assert (whole.cycles, whole.latency_s, whole.energy_j, whole.bytes_by_level) == (None, None, None, None)
    assert whole.macs == 2


def test_utilisation_is_at_most_1_where_division_rounds_up():
    """Found by hypothesis: 2 MACs / (2 MACs / peak) / peak is 1 + 2^-52 here."""
    layer = Layer(n=3, k=7, c=9, p=22, q=34, r=3, s=4)
    machine = Roofline(
        peak_ops_per_s=3196086762564.5, dram_bytes_per_s=1e12, cache_bytes_per_s=1e12, cache_bytes=1000.0, call_s=0.0
    )
    (row,) = cost([layer], machine)
    assert row.utilisation == 1
