"""The row-stationary array against NumPy; its ticks and words against the closed form, for any mapping at all."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation import _emulate, emulate, row_stationary
from lamina.hw import registry
from lamina.hw.families import _row_stationary_mapping as search
from lamina.hw.families import row_stationary as family
from lamina.hw.families._row_stationary_mapping import Mapping
from lamina.hw.families.row_stationary import RowStationary
from lamina.ir import Fixed, Float, Integer, Layer, Type
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from tests.emulation.closed_form import forbidden
from tests.network_builder import Builder
from tests.networks import integer_network, integer_networks, lenet5, random_inputs, tie_rich_network

SEEDS = st.integers(0, 2**32 - 1)
EYERISS = registry.registered("eyeriss")


def array(**fields):
    return registry.with_fields(EYERISS, fields)


@st.composite
def cases(draw):
    """A layer, a machine of random buses, and a mapping that need not be a good one."""
    small = st.integers(1, 4)
    r, s, p, q = draw(small), draw(small), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    layer = Layer(
        n=draw(st.integers(1, 3)), k=draw(st.integers(1, 6)), c=draw(st.integers(1, 5)), p=p, q=q, r=r, s=s,
        stride=(draw(small), draw(small)), dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
    )  # fmt: skip
    per_pass = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    mapping = Mapping(
        n=draw(st.integers(1, 3)), e=draw(st.integers(1, 5)), p=per_pass[0], q=draw(st.integers(1, 3)),
        r=draw(st.integers(1, 2)), t=per_pass[1], m=per_pass[0] * per_pass[1] * draw(st.integers(1, 3)),
    )  # fmt: skip
    machine = RowStationary(
        filter_bus_words=draw(small), input_bus_words=draw(small), sum_bus_words=draw(small), glb_bytes=2**24
    )
    return layer, machine, mapping


def by_numpy(x_EBCHW, w_KCRS, layer):
    """Loops over the taps, nothing else."""
    (sy, sx), (dy, dx) = layer.stride, layer.dilation
    sums = 0
    for i in range(layer.r):
        for j in range(layer.s):
            seen = x_EBCHW[..., i * dy : i * dy + (layer.p - 1) * sy + 1 : sy, :][
                ..., j * dx : j * dx + (layer.q - 1) * sx + 1 : sx
            ]
            sums = sums + np.einsum("ebchw,kc->ebkhw", seen, w_KCRS[:, :, i, j])
    return sums


@given(cases(), st.integers(1, 2), SEEDS)
@settings(max_examples=200, deadline=None)
def test_any_mapping_computes_the_layer_in_the_ticks_and_words_of_the_closed_form(case, examples, seed):
    layer, machine, mapping = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 256, (examples, layer.n, layer.c, *layer.input_size))
    w = rng.integers(-127, 128, (layer.k, layer.c, layer.r, layer.s))
    window = row_stationary.Window(stride=layer.stride, dilation=layer.dilation, size=(layer.p, layer.q))
    counters = row_stationary.Counters()
    with ExitStack() as stack:
        stack.enter_context(forbidden(family))
        for name in ("counts", "pass_ticks", "best", "_best"):
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(search, name, None)
        found = row_stationary.convolve(x, w, window, mapping, machine, counters)
    np.testing.assert_array_equal(found, by_numpy(x, w, layer))
    shape = search.shape_of(layer)
    expected = search.counts(shape, machine, mapping, shape.rows(mapping.e))
    assert counters.ticks == expected.passes * expected.ticks
    assert counters.filter_words == expected.passes * expected.filter_words
    assert counters.input_words == expected.input_words
    assert counters.sum_words == expected.sum_words


@st.composite
def machines(draw):
    """Small arrays, so that layers are cut into strips and passes; registers hold every filter row of the tests."""
    return array(
        rows=draw(st.integers(5, 12)), columns=draw(st.integers(1, 14)), filter_words=draw(st.integers(12, 60)),
        input_words=draw(st.integers(8, 12)), sum_words=draw(st.integers(1, 24)), glb_banks=draw(st.integers(2, 25)),
        glb_bytes=draw(st.integers(8_000, 100_000)), filter_bus_words=draw(st.integers(1, 4)),
        sum_bus_words=draw(st.integers(1, 4)), clock_w=draw(st.sampled_from([1e-6, 0.109, 10.0])),
    )  # fmt: skip


@given(integer_networks() | integer_networks(rounding="float"), machines(), st.integers(1, 3), SEEDS)
@settings(max_examples=200, deadline=None)
def test_random_networks_equal_the_interpreter_and_the_closed_form(network, machine, batch, seed):
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    with forbidden(family):
        values, ticks = _emulate.run(network, machine, inputs)
    expected = trace(network, inputs)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name])
    layers = {x.name: x for x in network.with_batch(1).layers() if x.operator in ("conv2d", "linear")}
    assert ticks == {name: family.cycles(x, machine.parameters) for name, x in layers.items()}


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves(rounding):
    network = tie_rich_network(rounding)
    found = emulate(network, EYERISS, random_inputs(network, np.random.default_rng(0), batch=20))
    assert found.holds
    assert found.compared > 20 * 500


def test_lenet5_in_the_chips_16_bits():
    network = to_fixed(lenet5(), Fixed(integer_bits=6, fraction_bits=10), products="exact", rounding="power_of_two")
    found = emulate(network, EYERISS, random_inputs(network, np.random.default_rng(0), batch=2))
    assert found.holds
    assert len(found.cycles) == 5


def test_vectors_of_an_example_are_images_of_a_pass():
    """A reshape puts 6 vectors of an example on axis 0: they are 6 images, not 6 examples."""
    b = Builder(rng=np.random.default_rng(0))
    x = Integer(bits=8, signed=True)
    b.input("x", Type(shape=(2, 6, 4), element=x))
    b.op("reshape", (b.value,), (12, 4), x, shape=(-1, 4))
    weight = b.const("w", b.rng.integers(-9, 9, (5, 4)), Type(shape=(5, 4), element=x))
    b.op("linear", (b.value, weight), (12, 5), x)
    b.op("reshape", (b.value,), (2, 6, 5, 1), x, shape=(-1, 6, 5, 1))
    network = b.finish("vectors", {"y": b.value})
    found = emulate(network, EYERISS, random_inputs(network, np.random.default_rng(1), batch=4))
    assert found.holds


def test_refuses_what_the_array_cannot_compute():
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3)))
    b.op("linear", (b.value, b.const("w", np.ones((2, 3)), Type(shape=(2, 3)))), (1, 2), Float())
    with pytest.raises(BadInput, match=r"multiplies in float \(linear0\).*lamina quantise"):
        emulate(b.finish("float", {"y": b.value}), EYERISS, {"x": np.zeros((1, 3))})
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1,), element=Integer()))
    b.op("linear", (b.value, b.const("w", np.ones((2, 1)), Type(shape=(2, 1), element=Integer()))), (2,), Integer())
    with pytest.raises(BadInput, match="axis 0 of its input is not the examples"):
        emulate(b.finish("lone", {"y": b.value}), EYERISS, {"x": np.zeros(1, np.int8)})
    network = integer_network(1)
    inputs = random_inputs(network, np.random.default_rng(0))
    with pytest.raises(BadInput, match="the machine's words have 1"):
        emulate(network, array(bits=1), inputs)
    with pytest.raises(Unsupported, match="does not fit the array, its registers or its buffer"):
        emulate(network, array(glb_bytes=25, glb_banks=25), inputs)


BROKEN = {  # the ceilings of the closed form, in the order in which it takes them
    "strips": 0, "groups of images": 1, "groups of filters": 2, "groups of channels": 3, "filter network": 5,
    "first window": 6, "later windows": 7, "sums": 8,
}  # fmt: skip


@pytest.mark.parametrize("place", BROKEN.values(), ids=BROKEN)
def test_a_floor_for_a_ceiling_is_seen(place, monkeypatch):
    """Bound by the filters and the products, by the input network, by the sums: one ceiling broken, one case tells."""
    layer = Layer(n=3, k=5, c=3, p=4, q=3, r=2, s=3, stride=(2, 3))
    mapping = Mapping(m=6, n=2, e=3, p=3, q=2, r=1, t=1)
    cases = [
        (mapping, RowStationary(filter_bus_words=4)),
        (replace(mapping, p=1, m=1), RowStationary(input_bus_words=5)),
        (replace(mapping, q=1), RowStationary(sum_bus_words=2, input_bus_words=8)),
    ]
    emulated = [ticks_of(layer, *case) for case in cases]
    assert [expected_ticks(layer, *case) for case in cases] == emulated
    exact, calls = search._ceil, [0]

    def broken(a, b):
        calls[0] += 1
        return a // b if (calls[0] - 1) % 9 == place else exact(a, b)

    monkeypatch.setattr(search, "_ceil", broken)
    assert [expected_ticks(layer, *case) for case in cases] != emulated
    assert calls == [27]


def ticks_of(layer, mapping, machine):
    counters = row_stationary.Counters()
    x, w = np.ones((1, 3, 3, *layer.input_size), np.int64), np.ones((5, 3, 2, 3), np.int64)
    window = row_stationary.Window(stride=layer.stride, dilation=layer.dilation, size=(layer.p, layer.q))
    row_stationary.convolve(x, w, window, mapping, machine, counters)
    return counters.ticks


def expected_ticks(layer, mapping, machine):
    shape = search.shape_of(layer)
    found = search.counts(shape, machine, mapping, shape.rows(mapping.e))
    return found.passes * found.ticks
