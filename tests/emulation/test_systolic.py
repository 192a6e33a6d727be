"""The array against NumPy, against an array in plain Python, and its ticks against SCALE-Sim and the closed form."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation import _emulate, emulate, systolic
from lamina.hw import registry
from lamina.hw.families import systolic as family
from lamina.ir import Float, Integer, Layer, Type
from lamina.ir.interpreter import trace
from tests.emulation import scalar_array
from tests.emulation.closed_form import forbidden
from tests.network_builder import Builder
from tests.networks import integer_network, integer_networks, random_inputs, tie_rich_network
from tests.rounding import round_half_away_from_zero

DATAFLOWS = ("output_stationary", "weight_stationary", "input_stationary")
SEEDS = st.integers(0, 2**32 - 1)


def array(rows: int, columns: int, dataflow: str):
    return registry.with_fields(
        registry.registered("systolic"), {"rows": rows, "columns": columns, "dataflow": dataflow}
    )


@st.composite
def arrays(draw):
    return array(draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.sampled_from(DATAFLOWS)))


@given(arrays(), st.tuples(*[st.integers(1, 15)] * 3), st.integers(1, 3), st.integers(1, 4), SEEDS)
@settings(max_examples=250, deadline=None)
def test_products_and_ticks_of_random_matrices(machine, sizes, examples, block, seed):
    m, n, k = sizes
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 256, (examples, m, k), np.int32), rng.integers(-127, 128, (k, n), np.int32)
    with forbidden(family):
        clock = systolic.Clock()
        found = systolic.multiply(a, b, machine.parameters, clock)
        other = systolic.Clock()
        again = systolic.multiply(a, b, machine.parameters, other, block=block)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, a @ b)
    np.testing.assert_array_equal(again, found)
    layer = Layer(n=1, k=n, c=k, p=m)
    assert clock.ticks - 1 == other.ticks - 1 == family.cycles(layer, machine.parameters)


@given(arrays(), st.tuples(*[st.integers(1, 9)] * 3), SEEDS)
@settings(max_examples=100, deadline=None)
def test_equals_an_array_of_single_registers(machine, sizes, seed):
    m, n, k = sizes
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 256, (m, k)), rng.integers(-127, 128, (k, n))
    p = machine.parameters
    clock = systolic.Clock()
    found = systolic.multiply(a[None], b, p, clock)[0]
    expected, ticks = scalar_array.multiply(a.tolist(), b.tolist(), p.rows, p.columns, p.dataflow)
    assert (found.tolist(), clock.ticks) == (expected, ticks)


# reported by scalesim itself for M, N, K = 256, 128, 256 on 32 x 32, compute only
@pytest.mark.parametrize(
    ("dataflow", "reported"),
    [("output_stationary", 10175), ("weight_stationary", 11199), ("input_stationary", 14207)],
)
def test_ticks_are_those_of_scale_sim(dataflow, reported):
    assert ticks_of(256, 128, 256, array(32, 32, dataflow)) == reported


def test_ticks_are_those_of_scale_sims_golden_file():
    with (Path(__file__).parents[1] / "golden" / "scalesim.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1200
    for row in rows:
        m, n, k, r, c, cycles = (int(row[name]) for name in ("m", "n", "k", "rows", "columns", "cycles"))
        if cycles < 1500:  # the others take most of the time
            assert ticks_of(m, n, k, array(r, c, row["dataflow"])) == cycles, row


def ticks_of(m: int, n: int, k: int, machine) -> int:
    """The index of the last tick of random matrices, whose product is checked too."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (1, m, k), np.int32), rng.integers(-128, 128, (k, n), np.int32)
    clock = systolic.Clock()
    np.testing.assert_array_equal(systolic.multiply(a, b, machine.parameters, clock), a @ b)
    return clock.ticks - 1


@given(integer_networks() | integer_networks(rounding="float"), arrays(), st.integers(1, 3), SEEDS)
@settings(max_examples=250, deadline=None)
def test_random_networks_equal_the_interpreter_and_the_closed_form(network, machine, batch, seed):
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    with forbidden(family):
        values, ticks = _emulate.run(network, machine, inputs)
    expected = trace(network, inputs)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name])
    layers = {x.name: x for x in network.with_batch(1).layers() if x.operator in ("conv2d", "linear")}
    assert ticks == {name: family.cycles(x, machine.parameters) for name, x in layers.items()}


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves(dataflow, rounding, monkeypatch):
    network, machine = tie_rich_network(rounding), array(4, 3, dataflow)
    inputs = random_inputs(network, np.random.default_rng(0), batch=20)
    found = emulate(network, machine, inputs)
    assert found.bits_agree
    assert found.cycles_agree
    assert found.compared > 20 * 500
    expected = trace(network, inputs)
    with monkeypatch.context() as patch:  # rounded half away from zero, the emulator alone is no longer equal
        round_half_away_from_zero(patch)
        values, _ = _emulate.run(network, machine, inputs)
    assert sum(int((values[o.name] != expected[o.name]).sum()) for o in network.operations) > 20


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_sums_that_fill_the_accumulator(dataflow):
    b = Builder(rng=np.random.default_rng(0))
    x, w = Integer(bits=16, signed=False), Integer(bits=16, signed=True)
    b.input("x", Type(shape=(1, 3), element=x))
    weight = b.const("w", np.array([[-32768, -21845, 10923]]), Type(shape=(1, 3), element=w))
    b.op("linear", (b.value, weight), (1, 1), Integer(bits=33), accumulator=64)
    network = b.finish("full", {"y": b.value})
    inputs = {"x": np.array([[65535, 65535, 0], [0, 0, 65535], [1, 2, 3]], np.uint16)}
    with pytest.raises(BadInput, match="linear0: its sums reach 3579062955"):
        emulate(network, array(2, 2, dataflow), inputs)
    machine = registry.with_fields(array(2, 2, dataflow), {"accumulator_bits": 64})
    found = emulate(network, machine, inputs)
    assert found.bits_agree
    assert found.outputs["y"].ravel().tolist() == [-65535 * 54613, 65535 * 10923, -32768 - 2 * 21845 + 3 * 10923]


def test_examples_that_become_vectors_keep_their_cycles():
    """A reshape puts 6 vectors of an example on axis 0: they are 6 rows of its matrix product, not 6 examples."""
    b = Builder(rng=np.random.default_rng(0))
    x, w = Integer(bits=8, signed=True), Integer(bits=8, signed=True)
    b.input("x", Type(shape=(2, 6, 4), element=x))
    b.op("reshape", (b.value,), (12, 4), x, shape=(-1, 4))
    weight = b.const("w", b.rng.integers(-9, 9, (5, 4)), Type(shape=(5, 4), element=w))
    b.op("linear", (b.value, weight), (12, 5), x)
    b.op("reshape", (b.value,), (2, 6, 5, 1), x, shape=(-1, 6, 5, 1))
    network = b.finish("vectors", {"y": b.value})
    inputs = random_inputs(network, np.random.default_rng(1), batch=4)
    for dataflow in DATAFLOWS:
        found = emulate(network, array(3, 2, dataflow), inputs)
        assert found.bits_agree
        assert found.cycles_agree


def test_refuses_what_the_array_cannot_compute():
    machine = array(2, 2, "weight_stationary")
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3)))
    b.op("linear", (b.value, b.const("w", np.ones((2, 3)), Type(shape=(2, 3)))), (1, 2), Float())
    network = b.finish("float", {"y": b.value})
    with pytest.raises(BadInput, match=r"multiplies in float \(linear0\).*lamina quantise"):
        emulate(network, machine, {"x": np.zeros((1, 3))})
    large = registry.with_fields(machine, {"rows": 65536, "columns": 65536})
    with pytest.raises(BadInput, match="65536 x 65536"):
        emulate(integer_network(1), large, random_inputs(integer_network(1), np.random.default_rng(0)))
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1,), element=Integer()))
    b.op("linear", (b.value, b.const("w", np.ones((2, 1)), Type(shape=(2, 1), element=Integer()))), (2,), Integer())
    with pytest.raises(BadInput, match="axis 0 of its input is not the examples"):
        emulate(b.finish("lone", {"y": b.value}), machine, {"x": np.zeros(1, np.int8)})


def test_large_layers_run_few_examples_side_by_side():
    network, machine = integer_network(3), array(2, 2, "weight_stationary").parameters
    assert systolic.lockstep(network, machine) == systolic.MOST_EXAMPLES
    assert systolic.lockstep(network, replace(machine, rows=4096, columns=4096)) == 4
