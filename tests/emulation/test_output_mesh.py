"""ShiDianNao's mesh against the interpreter, ticks and neurons read against the closed forms, its words and modes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation import _emulate, emulate, output_mesh
from lamina.emulation.output_mesh import _chip, _control
from lamina.emulation.output_mesh._banks import NeuronBuffer
from lamina.emulation.output_mesh._control import Instruction, Operation, Phase, Windows, decode, encode
from lamina.hw import registry
from lamina.hw.families import output_mesh as family
from lamina.ir import Fixed, Integer, Layer, Type
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from tests.emulation.closed_form import forbidden
from tests.network_builder import Builder
from tests.networks import (
    fixed_networks,
    float_network,
    integer_network,
    integer_networks,
    lenet5,
    random_inputs,
    tie_rich_network,
)
from tests.rounding import round_half_away_from_zero

SHIDIANNAO = registry.registered("shidiannao")
Q = Fixed(integer_bits=6, fraction_bits=10)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def machines(draw):
    """ShiDianNao, or a small mesh whose tiles are often not filled."""
    if draw(st.integers(0, 3)) == 0:
        return registry.with_fields(SHIDIANNAO, {"segments": 64})  # random tables have their own number
    sizes = {name: draw(st.integers(1, 5)) for name in ("rows", "columns", "alu_results_per_cycle")}
    return registry.with_fields(SHIDIANNAO, {**sizes, "segments": 64})


@given(fixed_networks(products="truncated") | integer_networks() | integer_networks(rounding="float"), machines(),
       st.integers(1, 3), SEEDS)  # fmt: skip
@settings(max_examples=250, deadline=None)
def test_random_networks_equal_the_interpreter_and_the_closed_form(network, machine, batch, seed):
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    with forbidden(family):
        network = output_mesh.prepare(network, machine.parameters)
        values, ticks = _emulate.run(network, machine, inputs)
    expected = trace(network, inputs)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name])
    layers = {x.name: x for x in network.with_batch(1).layers() if x.operator in output_mesh.OPERATORS}
    assert ticks == {name: family.cycles(x, machine.parameters) for name, x in layers.items()}


def padded(layer: Layer) -> tuple[int, int]:
    """Height and width of the neurons that the windows of a layer touch."""
    sizes = zip((layer.p, layer.q), (layer.r, layer.s), layer.stride, layer.dilation, strict=True)
    h, w = ((o - 1) * stride + (k - 1) * dilation + 1 for o, k, stride, dilation in sizes)
    return h, w


@given(
    st.tuples(*[st.integers(1, 11)] * 2, *[st.integers(1, 6)] * 2, *[st.integers(1, 4)] * 2, *[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(2, 9)] * 2),
    SEEDS,
)
@settings(max_examples=200, deadline=None)
def test_convolutions_of_all_shapes_and_what_they_read(window, maps, mesh, seed):
    """Kernels larger than the mesh, strides larger than the kernel, dilations, tiles cut off: sums, ticks, reads."""
    p, q, r, s, sy, sx, dy, dx = window
    k, c = maps
    rng = np.random.default_rng(seed)
    machine = registry.with_fields(SHIDIANNAO, {"rows": mesh[0], "columns": mesh[1]}).parameters
    layer = Layer(k=k, c=c, p=p, q=q, r=r, s=s, stride=(sy, sx), dilation=(dy, dx))
    values = dict(zip([n for n, _ in _control.WINDOW], [r, s, sy, sx, dy, dx, p, q, c, k], strict=True))
    word = encode(Instruction(operation=Operation.CONVOLVE, values=values))
    x, w = rng.integers(-99, 100, (c, *padded(layer), 2)), rng.integers(-99, 100, (k, c, r, s))
    chip = _chip.Chip(machine=machine, examples=2)
    with forbidden(family):
        found = chip.convolve(word, x, w)
    taps = np.array(
        [[x[:, ky * dy :, kx * dx :][:, : sy * p : sy, : sx * q : sx][:, :p, :q] for kx in range(s)] for ky in range(r)]
    )
    np.testing.assert_array_equal(found, np.einsum("rscpqe,kcrs->kpqe", taps, w))
    if p * q > 1:
        assert chip.ticks == family.cycles(layer, machine)
        assert chip.nbin.neurons == family.neurons_read(layer, machine)
    assert sum(chip.nbin.reads.values()) == chip.ticks


def test_modes_of_a_tile_of_lenets_first_layer():
    """64 neurons, then 4 columns of 8; a row of 8 and 4 single ones for each other row: 144 = 12 x 12 in 25 ticks."""
    values = dict(zip([n for n, _ in _control.WINDOW], [5, 5, 1, 1, 1, 1, 8, 8, 1, 1], strict=True))
    chip = _chip.Chip(machine=SHIDIANNAO.parameters, examples=1)
    chip.convolve(
        encode(Instruction(operation=Operation.CONVOLVE, values=values)),
        np.ones((1, 12, 12, 1), int),
        np.ones((1, 1, 5, 5), int),
    )
    assert dict(chip.nbin.reads) == {"a": 1, "f": 4, "c": 4, "d": 16}
    assert (chip.nbin.neurons, chip.ticks) == (64 + 4 * 8 + 4 * 8 + 16, 25)


def test_states_of_the_second_level():
    """A kernel of 3 x 3 at stride 1, and at stride 2: two columns and two rows are loaded before anything moves."""

    def states(stride: int) -> str:
        values = dict(zip([n for n, _ in _control.WINDOW], [3, 3, stride, stride, 1, 1, 4, 4, 1, 1], strict=True))
        machine = Windows(instruction=Instruction(operation=Operation.SUM, values=values), rows=8, columns=8)
        seen = [machine.second]
        while machine.advance():
            seen.append(machine.second)
        return "".join(phase.name[0] for phase in seen)

    assert states(1) == "LRR" + "DCC" * 2
    assert states(2) == "LLR" * 2 + "DDC"
    assert states(3) == "L" * 9
    assert [phase.name for phase in Phase] == ["LOAD", "RIGHT", "DOWN", "CORNER"]


@given(st.data())
def test_words_of_61_bits_come_back(data):
    operation = data.draw(st.sampled_from(Operation))
    values = {name: data.draw(st.integers(1, 2**bits)) for name, bits in _control.FIELDS[operation]}
    instruction = Instruction(operation=operation, values=values)
    assert 0 <= encode(instruction) < 2**61
    assert decode(encode(instruction)) == instruction


def test_a_value_that_no_field_holds_is_named():
    values = dict(zip([n for n, _ in _control.WINDOW], [33, 5, 1, 1, 1, 1, 8, 8, 1, 1], strict=True))
    with pytest.raises(BadInput, match="kernel_height is 33, an instruction of CONVOLVE holds 1 to 32"):
        encode(Instruction(operation=Operation.CONVOLVE, values=values))


def test_the_program_of_lenet():
    network = output_mesh.prepare(lenet5(), SHIDIANNAO.parameters)
    words = output_mesh.program(network)
    names = [decode(word).operation.name for word in words]
    assert names == ["CONVOLVE", "FUNCTION", "SUM"] * 2 + ["CLASSIFY", "FUNCTION"] * 2 + ["CLASSIFY"]
    assert len(words) * 61 < 8 * 1024  # the paper: 1 KB of code


@given(st.tuples(*[st.integers(1, 6)] * 2), st.tuples(st.integers(1, 3), *[st.integers(1, 20)] * 2))
def test_banks_give_back_what_was_written(mesh, shape):
    c, h, w = shape
    maps = np.arange(c * h * w).reshape(c, h, w, 1)
    buffer = NeuronBuffer(rows=mesh[0], columns=mesh[1])
    buffer.write(maps)
    assert len(buffer.store) == 2 * mesh[0]
    for channel, y, x in np.ndindex(c, h, w):
        assert buffer.one(channel, y, x)[0, 0, 0] == maps[channel, y, x, 0]
    found = buffer.stepped(c - 1, np.arange(0, h, 2), np.arange(0, w, 3))
    np.testing.assert_array_equal(found, maps[c - 1, ::2, ::3])


@given(SEEDS, machines())
@settings(max_examples=40, deadline=None)
def test_float_networks_are_computed_in_the_machines_format(seed, machine):
    network = float_network(seed)
    found = emulate(network, machine, random_inputs(network, np.random.default_rng(seed)))
    fixed = to_fixed(network, Q, segments=64)
    assert found.holds
    for name, array in fixed.run(random_inputs(network, np.random.default_rng(seed))).items():
        np.testing.assert_array_equal(found.outputs[name], array)


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves(rounding, monkeypatch):
    network = tie_rich_network(rounding)
    inputs = random_inputs(network, np.random.default_rng(0), batch=20)
    assert emulate(network, SHIDIANNAO, inputs).holds
    expected = trace(network, inputs)
    with monkeypatch.context() as patch:
        round_half_away_from_zero(patch)
        values, _ = _emulate.run(network, SHIDIANNAO, inputs)
    assert sum(int((values[o.name] != expected[o.name]).sum()) for o in network.operations) > 20


def test_a_mean_that_leaves_padding_out_is_divided_by_what_it_sees():
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 2, 5, 5), element=Q))
    window = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "rounding": "truncate"}
    b.op("average_pool2d", ("x",), (1, 2, 3, 3), Q, include_padding=False, **window)
    network = b.finish("mean", {"y": b.value})
    found = emulate(network, SHIDIANNAO, random_inputs(network, np.random.default_rng(0), batch=3))
    assert found.holds
    assert found.cycles == {"average_pool2d0": 2 * 9 + 2 * 9}


def test_lenet_runs_and_its_ticks_are_the_closed_form():
    network = lenet5()
    found = emulate(network, SHIDIANNAO, random_inputs(network, np.random.default_rng(0), batch=2))
    assert found.holds
    convolutions = [ticks for name, ticks in found.cycles.items() if name.startswith("conv")]
    assert convolutions == [16 * 6 * 25, 4 * 16 * 6 * 25]
    assert found.total_cycles == 2400 + 9600 + (96 + 1176) + (64 + 400) + 800 + 240 + 84 + 4704 + 1600 + 120 + 84


def test_one_tile_too_few_or_one_stall_less_is_seen(monkeypatch):
    """The mutations that the property tests have to catch: a ceil that rounds down, an ALU that takes no tick."""
    network = lenet5()
    inputs = random_inputs(network, np.random.default_rng(0), batch=1)
    with monkeypatch.context() as patch:
        patch.setattr(_chip.Chip, "alu", lambda chip, numbers, function: function(numbers, slice(0, len(numbers))))
        assert not emulate(network, SHIDIANNAO, inputs).cycles_agree
    with monkeypatch.context() as patch:
        make = Windows.__post_init__

        def floor(state: Windows) -> None:
            make(state)
            state.limits[1] = max(1, state.instruction["height"] // state.rows)

        patch.setattr(Windows, "__post_init__", floor)
        found = emulate(network, SHIDIANNAO, inputs)
        assert not found.cycles_agree
        assert not found.bits_agree


def test_refuses_what_the_mesh_cannot_compute():
    wide = integer_network(3)
    inputs = random_inputs(wide, np.random.default_rng(0))
    with pytest.raises(BadInput, match="the machine's have 2"):
        emulate(wide, registry.with_fields(SHIDIANNAO, {"bits": 2, "fraction_bits": 1}), inputs)
    fixed = to_fixed(lenet5(), Q)
    image = {"x": np.zeros((1, 1, 28, 28))}
    with pytest.raises(BadInput, match=r"in q6\.10, the machine computes in q4\.12"):
        emulate(fixed, registry.with_fields(SHIDIANNAO, {"fraction_bits": 12}), image)
    with pytest.raises(BadInput, match="products is 'exact', the machine's is 'truncated'"):
        emulate(to_fixed(lenet5(), Q, products="exact"), SHIDIANNAO, image)
    with pytest.raises(BadInput, match="more segments than the machine's 8"):
        emulate(fixed, registry.with_fields(SHIDIANNAO, {"segments": 8}), image)
    with pytest.raises(BadInput, match="takes 11 instructions of 61 bits, ib_bytes=80 holds 10"):
        emulate(lenet5(), registry.with_fields(SHIDIANNAO, {"ib_bytes": 80}), image)
    with pytest.raises(BadInput, match="bits is 48"):
        emulate(lenet5(), registry.with_fields(SHIDIANNAO, {"bits": 48}), image)
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3)))
    b.op("relu", ("x",), (1, 3), b.element)
    b.op("quantise", (b.value,), (1, 3), Integer())
    with pytest.raises(BadInput, match="relu0 is float in a network that is not"):
        emulate(b.finish("mixed", {"y": b.value}), SHIDIANNAO, {"x": np.zeros((1, 3))})
