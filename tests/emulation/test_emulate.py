"""Choosing an emulator, comparing with the interpreter and `hw`, and refusing what does not fit."""

import json

import numpy as np
import pytest

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation import _emulate, emulate, emulator_of, nfu, systolic
from lamina.hw import registry
from lamina.hw.families import systolic as family
from lamina.hw.families.roofline import Roofline
from lamina.hw.machine import Machine
from tests.networks import integer_network, lenet5, random_inputs, tie_rich_network

SYSTOLIC = registry.find("systolic:rows=4,columns=3,dataflow=output_stationary")


def inputs(batch=3):
    return random_inputs(tie_rich_network(), np.random.default_rng(0), batch=batch)


def test_the_family_names_its_emulator():
    assert emulator_of(SYSTOLIC) is systolic
    assert emulator_of(registry.registered("diannao")) is nfu
    roof = Roofline(peak_ops_per_s=1e9, dram_bytes_per_s=1e9, cache_bytes_per_s=1e9, cache_bytes=1e6, call_s=1e-6)
    mine = Machine(name="mine", parameters=roof, sources={}, paper="none")
    with pytest.raises(Unsupported, match=r"mine \(family roofline\) has no emulator: .* nfu, .*systolic.* have one"):
        emulate(tie_rich_network(), mine, inputs())


def test_says_bits_cycles_and_accuracy():
    x = inputs(8)
    plain = emulate(tie_rich_network(), SYSTOLIC, x)
    right = plain.outputs["y"].argmax(axis=1)
    labels = np.where(np.arange(8) < 6, right, right + 1)
    found = emulate(tie_rich_network(), SYSTOLIC, x, labels=labels)
    assert (found.accuracy, found.examples, found.differing, found.first_differing) == (0.75, 8, 0, None)
    assert found.bits_agree
    assert found.cycles_agree
    assert found.total_cycles == sum(found.expected_cycles.values())
    assert "accuracy 75.00%" in str(found)
    assert "equal to the closed form" in str(found)
    told = json.loads(json.dumps(found.to_json()))
    assert told["bits_agree"]
    assert told["cycles"] == told["expected_cycles"]
    np.testing.assert_array_equal(found.outputs["y"], tie_rich_network().run(x)["y"])


def test_names_the_first_layer_that_differs(monkeypatch):
    """One wrong number in the second multiplying layer, and one tick lost in the closed form of the third."""
    real_layer, real_cycles = systolic.layer, family.cycles

    def wrong(operation, site, arrays, examples, parameters):
        stored, ticks = real_layer(operation, site, arrays, examples, parameters)
        if operation.name == "conv2d2":
            stored[0, 0, 0, 0] ^= 1
        return stored, ticks

    monkeypatch.setattr(systolic, "layer", wrong)
    monkeypatch.setattr(family, "cycles", lambda x, m: real_cycles(x, m) - (x.operator == "linear"))
    found = emulate(tie_rich_network(), SYSTOLIC, inputs())
    assert not found.bits_agree
    assert not found.cycles_agree
    assert found.first_differing == "conv2d2"
    assert "differ from the interpreter's, first in conv2d2" in str(found)
    last = found.cycles["linear6"]
    assert f"linear6 takes {last} ticks, hw says {last - 1}" in str(found)


@pytest.mark.parametrize("name", ["systolic", "diannao"])
def test_chunks_change_nothing(name, monkeypatch):
    network = tie_rich_network() if name == "systolic" else lenet5()
    x = random_inputs(network, np.random.default_rng(0), batch=5)
    whole = emulate(network, registry.registered(name), x)
    monkeypatch.setattr(emulator_of(registry.registered(name)), "MOST_EXAMPLES", 2)
    parts = emulate(network, registry.registered(name), x)
    assert whole.cycles == parts.cycles
    assert whole.compared == parts.compared
    for output in whole.outputs:
        np.testing.assert_array_equal(whole.outputs[output], parts.outputs[output])


@pytest.mark.parametrize(
    ("given", "labels", "words"),
    [
        ({}, None, "inputs hold no examples"),
        ({"x": np.zeros((0, 2, 7, 7))}, None, r"inputs hold \[0\] examples"),
        ({"x": np.zeros((2, 2, 7, 7)), "z": np.zeros(3)}, None, r"inputs hold \[2, 3\] examples"),
        ({"z": np.zeros((2, 2, 7, 7))}, None, "no input 'z'"),
        ({"x": np.zeros((2, 2, 7, 8))}, None, r"\[1, 2, 7, 7\] is needed"),
        ({"x": np.full((2, 2, 7, 7), np.nan)}, None, "NaN"),
        ({"x": np.zeros((2, 2, 7, 7))}, np.zeros(3), r"labels of shape \[3\] for 2 examples"),
    ],
)
def test_refuses_inputs_that_do_not_fit(given, labels, words):
    with pytest.raises(BadInput, match=words):
        emulate(tie_rich_network(), SYSTOLIC, given, labels=labels)


def test_layers_that_are_not_driven_run_by_the_table():
    network = integer_network(11)
    x = random_inputs(network, np.random.default_rng(0))
    values, ticks = _emulate.run(network, SYSTOLIC, x)
    assert set(ticks) == {o.name for o in network.operations if o.operator in systolic.OPERATORS}
    assert set(values) == set(network.types)
