"""What every registered machine keeps, found by listing the folder: nothing here names one.

The layers are of the kinds that networks are made of. A machine may refuse a layer by name (its word length, its
memories, its units); what it accepts adds up exactly, takes time, and obeys the laws of bandwidth and buffers.
"""

import dataclasses
from dataclasses import replace
from functools import cache

import pytest

from lamina.core.errors import BadInput
from lamina.core.units import MiB
from lamina.hw import registry, table
from lamina.hw.cost import Cost, settled, total
from lamina.hw.machine import Machine
from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.ir.layer import Layer

NAMES = registry.names()
BITS = 8
LAYERS = (
    conv("first", 3, 16, 34, 5, stride=2, padding=1, bits=BITS),
    conv("narrow", 16, 24, 16, 3, padding=1, bits=BITS),
    conv("pointwise", 24, 70, 14, 1, bits=BITS, bias=False),
    conv("grouped", 32, 64, 9, 3, groups=4, padding=1, bits=BITS),
    conv("depthwise", 40, 40, 13, 3, groups=40, padding=1, bits=BITS),
    conv("wide", 130, 270, 8, 3, padding=1, bits=BITS),
    conv("several", 12, 20, 11, 3, batch=3, bits=BITS),
    pool("pool", 16, 16, 2, bits=BITS),
    pool("average", 24, 13, 3, stride=2, operator="average_pool2d", bits=BITS),
    dense(400, 120, bits=BITS, name="dense"),
    dense(1200, 700, bits=BITS, name="large"),
    dense(64, 10, batch=16, bits=BITS, name="batch"),
    Layer(
        name="sum", operator="add", groups=24, p=14, q=14, has_weights=False, operands=2, ops=24 * 14 * 14,
        input_bits=BITS, output_bits=BITS,
    ),
    Layer(
        name="relu", operator="relu", groups=24, p=14, q=14, has_weights=False, ops=24 * 14 * 14, input_bits=BITS,
        output_bits=BITS,
    ),
)  # fmt: skip


@cache
def found(name: str) -> Machine:
    return registry.registered(name)


def runs(machine: Machine, parameters: object = None) -> list[Layer]:
    """The layers that the machine runs."""
    kind = parameters or machine.parameters
    return [layer for layer in LAYERS if machine.family.refusal(layer, kind) is None]


def costs(machine: Machine, layers: list[Layer], parameters: object = None) -> tuple[Cost, ...]:
    return settled(machine.family.cost(layers, parameters or machine.parameters))


def fields(machine: Machine, ending: str) -> list[str]:
    return [
        f.name
        for f in dataclasses.fields(machine.parameters)
        if f.name.endswith(ending) and isinstance(getattr(machine.parameters, f.name), int | float)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_runs_most_kinds_of_layers_and_adds_up(name):
    machine = found(name)
    layers = runs(machine)
    assert sum(layer.macs for layer in layers) > 0.3 * sum(layer.macs for layer in LAYERS)
    rows = costs(machine, layers)
    assert [r.name for r in rows] == [layer.name for layer in layers]
    whole = total(rows)
    assert whole.macs == sum(layer.macs for layer in layers)
    for quantity in ("latency_s", "energy_j", "dram_bytes", "cycles"):
        values = [getattr(r, quantity) for r in rows]
        told = [v for v in values if v is not None]
        assert len(told) in (0, len(values)), f"{quantity} of some layers only"
        assert (getattr(whole, quantity) is None) == (not told)
        if told:
            assert all(v >= 0 for v in told)
            assert sum(reversed(told)) == getattr(whole, quantity)
    for row in rows:
        if row.energy_by_component_j is not None:
            assert sum(row.energy_by_component_j.values()) == row.energy_j


@pytest.mark.parametrize("name", NAMES)
def test_a_multiplying_layer_takes_time_and_keeps_at_most_every_multiplier_busy(name):
    machine = found(name)
    for layer in runs(machine):
        (row,) = costs(machine, [layer])
        assert row.latency_s is None or row.latency_s >= 0
        if layer.macs:
            assert row.latency_s > 0
            assert row.utilisation is None or 0 < row.utilisation <= 1
            assert row.bound in ("compute", "memory", None)


@pytest.mark.parametrize("name", NAMES)
def test_more_bandwidth_is_never_slower(name):
    machine = found(name)
    for field in fields(machine, "_bytes_per_s"):
        value = getattr(machine.parameters, field)
        for factor in (1.5, 16):
            faster = replace(machine.parameters, **{field: value * factor})
            for layer in runs(machine):
                if machine.family.refusal(layer, faster) is None:
                    (slow,), (fast,) = costs(machine, [layer]), costs(machine, [layer], faster)
                    assert fast.latency_s <= slow.latency_s * (1 + 1e-9), (field, layer.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_buffer_never_moves_more_bytes(name):
    machine = found(name)
    for field in fields(machine, "_bytes"):
        value = getattr(machine.parameters, field)
        for factor in (2, 8):
            try:
                larger = replace(machine.parameters, **{field: value * factor})
            except BadInput:
                continue  # a ratio of two memories that the machine fixes
            for layer in runs(machine):
                if machine.family.refusal(layer, larger) is not None:
                    continue
                (small,), (large,) = costs(machine, [layer]), costs(machine, [layer], larger)
                if small.dram_bytes is not None:
                    assert large.dram_bytes <= small.dram_bytes, (field, layer.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_is_told_to_programs(name):
    """The whole way of `lamina cost`: marks, sources, JSON; also that costing depends on no order of layers."""
    machine = found(name)
    layers = runs(machine)
    result = table.on_machine(layers, machine).to_json()
    assert result["machine"] == name
    assert result["coverage"] == 1
    assert set(result["marks"]) >= {"latency_s"}
    assert len(result["sources"]) > 1
    assert result["area_m2"] is None or 1e-8 < result["area_m2"] < 1e-2 * 10_000
    assert machine.parameters == found(name).parameters


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_no_machine_knows_is_refused_or_costed_never_free(name):
    machine = found(name)
    layer = Layer(
        name="odd", operator="sort", groups=64, p=32, q=32, has_weights=False, ops=10 * MiB, input_bits=BITS,
        output_bits=BITS,
    )  # fmt: skip
    if machine.family.refusal(layer, machine.parameters) is None:
        (row,) = costs(machine, [layer])
        assert row.latency_s > 0
