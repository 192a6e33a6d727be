"""DianNao's unit against the interpreter and against sums made by hand; its ticks against the closed form."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation import _emulate, emulate, nfu
from lamina.emulation.nfu import layers
from lamina.emulation.nfu.control import product_type
from lamina.hw import registry
from lamina.hw.families import nfu as family
from lamina.ir import Fixed, Type
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from lamina.ir.segments import fit
from tests.emulation.closed_form import forbidden
from tests.network_builder import Builder
from tests.networks import fixed_networks, float_network, integer_network, lenet5, random_inputs
from tests.rounding import round_half_away_from_zero

DIANNAO = registry.registered("diannao")
Q = Fixed(integer_bits=6, fraction_bits=10)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def machines(draw):
    """DianNao, or a small one whose buffers hold little."""
    if draw(st.booleans()):
        return DIANNAO
    ti, tn = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rows = [draw(st.integers(1, 6)) for _ in range(3)]
    sizes = {"nbin_bytes": rows[0] * ti * 2, "sb_bytes": rows[1] * ti * tn * 2, "nbout_bytes": rows[2] * tn * 2}
    return registry.with_fields(DIANNAO, {"inputs": ti, "outputs": tn, **sizes})


@given(fixed_networks(products="truncated"), machines(), st.integers(1, 3), SEEDS)
@settings(max_examples=250, deadline=None)
def test_random_networks_equal_the_interpreter_and_the_closed_form(network, machine, batch, seed):
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    machine = registry.with_fields(machine, {"segments": 64})  # random tables have their own number
    network = nfu.prepare(network, machine.parameters)
    with forbidden(family):
        values, ticks = _emulate.run(network, machine, inputs)
    expected = trace(network, inputs)
    for name, value in values.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name])
    driven = {x.name: x for x in network.with_batch(1).layers() if x.operator in nfu.OPERATORS}
    assert ticks == {name: family.cycles(x, machine.parameters) for name, x in driven.items()}


@given(SEEDS, machines())
@settings(max_examples=60, deadline=None)
def test_float_networks_are_computed_in_the_machines_format(seed, machine):
    network = float_network(seed)
    found = emulate(network, machine, random_inputs(network, np.random.default_rng(seed)))
    fixed = to_fixed(network, Q)
    expected = fixed.run(random_inputs(network, np.random.default_rng(seed)))
    assert found.bits_agree
    assert found.cycles_agree
    for name, array in expected.items():
        np.testing.assert_array_equal(found.outputs[name], array)


def linear(c: int, k: int, seed: int = 0, vectors: int | None = None):
    rng = np.random.default_rng(seed)
    b = Builder(rng=rng)
    middle = () if vectors is None else (vectors,)
    b.input("x", Type(shape=(1, *middle, c), element=Q))
    weight = b.const("w", rng.integers(-2000, 2000, (k, c)), Type(shape=(k, c), element=Q))
    bias = b.const("b", rng.integers(-2000, 2000, k), Type(shape=(k,), element=Q))
    b.op(
        "linear",
        (b.value, weight, bias),
        (1, *middle, k),
        Q,
        rounding="truncate",
        products="truncated",
        accumulator=64,
    )
    return b.finish("linear", {"y": b.value})


# CLASS1 and CLASS3 of the paper's table, and its example layer of 8 chunks (64 rows of 16 inputs each)
@pytest.mark.parametrize(("c", "k", "ticks"), [(960, 20, 120), (200, 100, 91), (8192, 256, 8192)])
def test_ticks_of_the_papers_classifiers(c, k, ticks):
    network = linear(c, k)
    found = emulate(network, DIANNAO, random_inputs(network, np.random.default_rng(0), batch=2))
    assert found.cycles == {"linear0": ticks}
    assert found.bits_agree


def test_each_product_is_truncated_and_the_order_of_additions_does_not_matter():
    network, rng = linear(37, 5), np.random.default_rng(3)
    x = rng.integers(-8000, 8000, (2, 37))
    w, b = (network.data(name).astype(int) for name in "wb")
    by_hand = [
        [sum(int(x[e, c]) * int(w[k, c]) // 1024 for c in range(37)) + int(b[k]) for k in range(5)] for e in (0, 1)
    ]
    expected = np.clip(by_hand, -32768, 32767)
    assert (expected == by_hand).any()
    order = rng.permutation(37)
    constants = {**network.constants, "w": replace(network.constants["w"], data=network.data("w")[:, order].copy())}
    for net, inputs in ((network, x), (network.replaced(constants=constants), x[:, order])):
        found = emulate(net, DIANNAO, {"x": inputs.astype(np.int16)})
        assert found.outputs["y"].tolist() == expected.tolist()


def test_vectors_on_axis_one():
    network = linear(20, 18, vectors=3)
    found = emulate(network, DIANNAO, random_inputs(network, np.random.default_rng(0), batch=2))
    assert found.bits_agree
    assert found.cycles == found.expected_cycles == {"linear0": 3 * 2 * 2}


@pytest.mark.parametrize("function", ["tanh", "sigmoid"])
def test_every_number_through_the_segments(function):
    table = fit(function, Q)
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 2**16), element=Q))
    parts = (("starts", table.starts), ("slopes", table.slopes), ("intercepts", table.intercepts))
    names = [b.const(name, data, Type(shape=data.shape, element=Q)) for name, data in parts]
    b.op("piecewise_linear", ("x", *names), (1, 2**16), Q)
    x = np.arange(-(2**15), 2**15, dtype=np.int16)[None]
    found = emulate(b.finish(function, {"y": b.value}), DIANNAO, {"x": x})
    assert found.bits_agree
    assert found.cycles == {"piecewise_linear0": 0}
    real = {"tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}[function](x / 1024)
    assert np.abs(found.outputs["y"] / 1024 - real).max() < 0.004


@pytest.fixture
def controls(monkeypatch):
    """The control processors that run, in their order."""
    found = []
    make = layers.Control
    monkeypatch.setattr(layers, "Control", lambda **named: found.append(make(**named)) or found[-1])
    return found


def test_what_fits_is_loaded_once(controls):
    """LeNet-5's first layer: 25 rows of synapses; windows of 25 rows slide along x and load five new ones each."""
    network = nfu.prepare(lenet5(), DIANNAO.parameters)
    _, ticks = _emulate.run(network, DIANNAO, random_inputs(network, np.random.default_rng(0), batch=1))
    programs = [name for name in ticks if name.startswith(("conv", "average", "linear"))]
    by_name = dict(zip(programs, controls, strict=True))
    first = by_name["conv2d0"]
    assert first.ticks == 28 * 28 * 25
    assert first.sb.loads == 25
    assert first.nbin.loads == 28 * (25 + 27 * 5)
    classifier = by_name["linear7"]  # 400 -> 120: 25 x 8 rows of synapses, each once; inputs once
    assert (classifier.ticks, classifier.sb.loads, classifier.nbin.loads) == (200, 200, 25)
    assert all(len(b.held) <= b.rows for c in controls for b in (c.nbin, c.sb, c.nbout))


def test_another_rounding_is_seen(monkeypatch):
    """The unit's divisions truncate; rounding half to even or half away from zero gives other numbers."""
    truncated, rounded = (mean(rounding) for rounding in ("truncate", "power_of_two"))
    inputs = random_inputs(truncated, np.random.default_rng(0), batch=8)
    expected = trace(truncated, inputs)["average_pool2d0"]
    assert emulate(truncated, DIANNAO, inputs).bits_agree
    half_even, _ = _emulate.run(rounded, DIANNAO, inputs)
    with monkeypatch.context() as patch:
        round_half_away_from_zero(patch)
        away, _ = _emulate.run(rounded, DIANNAO, inputs)
    assert (half_even["average_pool2d0"] != expected).any()
    assert (away["average_pool2d0"] != half_even["average_pool2d0"]).any()


def mean(rounding: str):
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3, 4, 4), element=Q))
    b.op("average_pool2d", ("x",), (1, 3, 2, 2), Q, kernel=(2, 2), stride=(2, 2), rounding=rounding)
    return b.finish("mean", {"y": b.value})


def test_refuses_what_the_unit_cannot_compute():
    integers = integer_network(1)
    with pytest.raises(BadInput, match=r"the machine in q6\.10: give it the float network"):
        emulate(integers, DIANNAO, random_inputs(integers, np.random.default_rng(0)))
    network = linear(4, 4)
    inputs = random_inputs(network, np.random.default_rng(0))
    with pytest.raises(BadInput, match=r"q6\.10.*the machine in q4\.12"):
        emulate(network, registry.with_fields(DIANNAO, {"fraction_bits": 12}), inputs)
    exact = to_fixed(lenet5(), Q, products="exact")
    with pytest.raises(BadInput, match="products is 'exact', the machine's is 'truncated'"):
        emulate(exact, DIANNAO, random_inputs(exact, np.random.default_rng(0)))
    half_even = to_fixed(lenet5(), Q, rounding="power_of_two")
    with pytest.raises(BadInput, match="rounding is 'power_of_two'"):
        emulate(half_even, DIANNAO, random_inputs(half_even, np.random.default_rng(0)))
    eight = registry.with_fields(DIANNAO, {"segments": 8})
    with pytest.raises(BadInput, match="more segments than the machine's 8"):
        emulate(to_fixed(lenet5(), Q), eight, {"x": np.zeros((1, 1, 28, 28))})
    with pytest.raises(BadInput, match="nbin_bytes is 31, one row of 16 x 16 bits does not fit"):
        emulate(network, registry.with_fields(DIANNAO, {"nbin_bytes": 31}), inputs)
    with pytest.raises(BadInput, match="bits is 48"):
        emulate(network, registry.with_fields(DIANNAO, {"bits": 48}), inputs)


def test_sums_of_whole_products_do_not_wrap():
    """Multipliers that drop few bits or none: the unit then computes in 64 bits."""
    wide = replace(DIANNAO.parameters, bits=24, fraction_bits=20)
    assert product_type(DIANNAO.parameters, 10) is np.int32
    assert product_type(DIANNAO.parameters, 0) is np.int64
    assert product_type(wide, 20) is np.int64  # fits after the shift, not before
