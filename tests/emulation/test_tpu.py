"""The TPU's units against the interpreter, against matrix products, and their ticks against the closed form."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation import _emulate, emulate, tpu
from lamina.emulation.tpu import array, chain, chip, isa
from lamina.emulation.tpu.isa import Flag, Instruction, Opcode, Register
from lamina.hw import registry
from lamina.hw.families import tpu as family
from lamina.ir import Float, Integer, Type
from lamina.ir.interpreter import trace
from lamina.ir.quantise import quantise
from tests.emulation.closed_form import forbidden
from tests.network_builder import Builder
from tests.networks import integer_network, integer_networks, lenet5, random_inputs, tie_rich_network
from tests.rounding import round_half_away_from_zero

SEEDS = st.integers(0, 2**32 - 1)
V1 = registry.registered("tpu_v1")
SMALL = {"rows": 4, "columns": 3, "clock_hz": 1e6, "dram_bytes_per_s": 2e6, "link_bytes_per_s": 1e8, "accumulators": 20}


def small(**fields):
    return registry.with_fields(V1, {**SMALL, **fields})


@st.composite
def machines(draw):
    """A small TPU whose memory is fast or slow, whose accumulators hold few vectors."""
    return small(
        rows=draw(st.integers(1, 6)),
        columns=draw(st.integers(1, 6)),
        dram_bytes_per_s=draw(st.floats(1e6, 1e8)),
        link_bytes_per_s=draw(st.floats(5e7, 1e9)),
        fifo_tiles=draw(st.integers(2, 4)),
        accumulators=draw(st.integers(2, 40)),
    )


def closed_form(network, machine):
    layers = {x.name: x for x in network.with_batch(1).layers() if x.operator in tpu.OPERATORS}
    return {name: family.cycles(x, machine.parameters) for name, x in layers.items()}


@given(integer_networks() | integer_networks(rounding="float"), machines(), st.integers(1, 3), SEEDS)
@settings(max_examples=200, deadline=None)
def test_random_networks_equal_the_interpreter_and_the_closed_form(network, machine, batch, seed):
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    with forbidden(family):
        values, ticks = _emulate.run(network, machine, inputs)
    expected = trace(network, inputs)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name])
    assert ticks == closed_form(network, machine)


def wide(bits: tuple[int, int], *, vectors: int, c: int, k: int, seed: int = 0):
    """A linear layer of words wider than a byte, signed."""
    b = Builder(rng=np.random.default_rng(seed))
    x, w = (Integer(bits=n, signed=True, scale=(2.0**-n,)) for n in bits)
    b.input("x", Type(shape=(1, vectors, c), element=x))
    weights = b.rng.integers(w.low, w.high + 1, (k, c)) // 2
    names = (b.value, b.const("w", weights, Type(shape=(k, c), element=w)))
    b.op("linear", names, (1, vectors, k), Integer(bits=16, scale=(2.0**-12,)), accumulator=64)
    return b.finish("wide", {"y": b.value})


@given(
    st.sampled_from([(8, 8), (16, 8), (8, 16), (12, 9), (9, 12), (4, 10)]), st.tuples(*[st.integers(1, 9)] * 3),
    machines(), SEEDS,
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_words_of_two_bytes_take_two_and_four_passes(bits, sizes, machine, seed):
    vectors, c, k = sizes
    network = wide(bits, vectors=vectors, c=c, k=k, seed=seed)
    found = emulate(network, machine, random_inputs(network, np.random.default_rng(seed), batch=2))
    assert found.bits_agree
    assert found.cycles_agree


@st.composite
def driven(draw):
    """Tiles and their vectors, and how long the shift and each block wait beyond what they have to."""
    rows, columns, e = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    blocks = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=5))
    tiles = [rng.integers(-128, 256, (rows, columns)) for _ in blocks]
    vectors = [rng.integers(-128, 256, (n, e, rows)) for n, _, _ in blocks]
    return rows, columns, e, blocks, tiles, vectors


@given(driven())
@settings(max_examples=200, deadline=None)
def test_the_array_register_by_register_and_its_wavefront(given_):
    """Blocks as close together as the machine allows: every vector meets its own tile, in both simulations."""
    rows, columns, e, blocks, tiles, vectors = given_
    entering, shifting, began, shifted, ended = {}, {}, 0, 0, 0
    for number, (count, late_shift, late) in enumerate(blocks):
        start = max(shifted, began) + late_shift  # the tile before has begun, and is whole
        shifting.update({start + j: (j, tiles[number][j]) for j in range(rows)})
        shifted = start + rows
        began = max(shifted, ended) + late
        for i in range(count):
            one = array.Entering(vector_ER=vectors[number][i], tag=10 * number + i, first=i == 0)
            entering[began + i] = one
        ended = began + count
    units = [kind(rows=rows, columns=columns, examples=e) for kind in (array.Registers, array.Wavefront)]
    left = [{}, {}]
    for tick in range(ended + rows + columns):
        for unit, found in zip(units, left, strict=True):
            result = unit.tick(entering.get(tick), shifting.get(tick))
            if result is not None:
                found[tick] = result
    assert left[0].keys() == left[1].keys() == {tick + rows + columns - 2 for tick in entering}
    for tick, (tag, sums) in left[0].items():
        assert left[1][tick][0] == tag
        np.testing.assert_array_equal(sums, left[1][tick][1])
        np.testing.assert_array_equal(sums, vectors[tag // 10][tag % 10] @ tiles[tag // 10])


def random_chain(seed: int):
    """Convolutions and poolings, then perhaps linear layers behind a flatten; integers of up to 8 bits."""
    rng = np.random.default_rng(seed)
    b = Builder(rng=rng)
    n, c, h, w = int(rng.integers(1, 3)), int(rng.integers(1, 5)), int(rng.integers(2, 6)), int(rng.integers(2, 6))
    b.input("x", Type(shape=(n, c, h, w)))
    b.op("quantise", (b.value,), b.shape, Integer(bits=8, scale=(2.0**-5,)))
    for _ in range(int(rng.integers(1, 4))):
        n, c, h, w = b.shape
        if rng.random() < 0.3:
            r, s = int(rng.integers(1, min(3, h) + 1)), int(rng.integers(1, min(3, w) + 1))
            kind = "max_pool2d" if rng.random() < 0.5 else "average_pool2d"
            b.op(kind, (b.value,), (n, c, h // r, w // s), b.element, kernel=(r, s), stride=(r, s))
            continue
        r, k, pad = int(rng.integers(1, min(3, h, w) + 1)), int(rng.integers(1, 9)), int(rng.integers(0, 2))
        weights = b.const(f"w{len(b.operations)}", rng.integers(-127, 128, (k, c, r, r)), weight((k, c, r, r)))
        size = (n, k, h + 2 * pad - r + 1, w + 2 * pad - r + 1)
        b.op("conv2d", (b.value, weights), size, Integer(bits=8, scale=(2.0**-5,)), padding=(pad,) * 4)
        if rng.random() < 0.5:
            b.op("relu", (b.value,), b.shape, b.element)
    if rng.random() < 0.7:
        n, c, h, w = b.shape
        b.op("flatten", (b.value,), (n, c * h * w), b.element)
        for _ in range(int(rng.integers(1, 3))):
            k, c = int(rng.integers(1, 9)), b.shape[1]
            weights = b.const(f"w{len(b.operations)}", rng.integers(-127, 128, (k, c)), weight((k, c)))
            b.op("linear", (b.value, weights), (n, k), Integer(bits=8, scale=(2.0**-5,)))
    b.op("dequantise", (b.value,), b.shape, Float())
    return b.finish("chain", {"y": b.value})


def weight(shape):
    return Type(shape=shape, element=Integer(bits=8, scale=(2.0**-9,)))


@given(SEEDS, machines(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_whole_network_as_one_program_equals_cost_to_the_cycle(seed, machine, batch):
    """Tiles are fetched ahead across layers: each layer's ticks are those of `cost`, which knows of the FIFO."""
    network = random_chain(seed)
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch * network.batch)
    one = network.with_batch(1)
    if not any(x.operator in tpu.OPERATORS for x in one.layers()):
        return
    with forbidden(family):
        found = chain.run(network, machine.parameters, inputs)
    np.testing.assert_array_equal(found.outputs["y"], network.with_batch(len(inputs["x"])).run(inputs)["y"])
    rows = {row.name: row for row in family.cost(one.layers(), machine.parameters)}
    assert found.run.ticks == {name: rows[name].cycles for name in found.run.ticks}
    assert sum(found.run.ticks.values()) == sum(row.cycles for row in rows.values())


def loads_at_once(patch):
    patch.setattr(chip.Transfer, "tick", lambda self: True)


def shifts_at_once(patch):
    """A tile comes with all its rows in one tick."""

    def next_row(self):
        if self._beside or not self._fifo:
            return None
        return slice(None), self._fifo.popleft()

    patch.setattr(chip, "matrix_unit", lambda r, c, e: array.Wavefront(rows=r, columns=c, examples=e))
    patch.setattr(chip.Chip, "_next_row", next_row)


def leaves_early(patch):
    patch.setattr(chip, "matrix_unit", lambda r, c, e: Early(rows=r, columns=c, examples=e))


def endless_fifo(patch):
    """More slots than F for what waits behind a long product."""
    real = chip.Chip._load

    def load(self):
        self._slots = 0
        real(self)

    patch.setattr(chip.Chip, "_load", load)


@pytest.mark.parametrize("dropped", [loads_at_once, shifts_at_once, leaves_early])
def test_a_stall_that_is_dropped_shows(dropped, monkeypatch):
    network = tie_rich_network()
    x = random_inputs(network, np.random.default_rng(0))
    assert emulate(network, small(), x).cycles_agree
    dropped(monkeypatch)
    found = emulate(network, small(), x)
    assert found.bits_agree
    assert not found.cycles_agree


def test_a_fifo_without_end_shows_where_a_long_product_is_followed_by_many_tiles(monkeypatch):
    """Only a whole program sees it: 49 vectors, in which 8 tiles could come; two slots and the shadow hold 3."""
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3, 7, 7), element=Integer()))
    for r, size in ((1, 7), (7, 1)):
        w = b.const(f"w{r}", b.rng.integers(-9, 9, (3, 3, r, r)), weight((3, 3, r, r)))
        b.op("conv2d", (b.value, w), (1, 3, size, size), Integer(scale=(4.0,)))
    network, machine = b.finish("long", {"y": b.value}), small(fifo_tiles=2, accumulators=100).parameters
    x = {"x": np.ones((1, 3, 7, 7), np.int8)}
    expected = [row.cycles for row in family.cost(network.layers(), machine)]
    assert list(chain.run(network, machine, x).run.ticks.values()) == expected
    endless_fifo(monkeypatch)
    assert list(chain.run(network, machine, x).run.ticks.values()) != expected


class Early(array.Wavefront):
    """A wavefront that is one tick too fast."""

    def __post_init__(self):
        super().__post_init__()
        self._inside.popleft()


@pytest.mark.parametrize("field", ["vectors", "row_folds", "column_folds", "chunks", "planes", "passes"])
def test_a_ceil_that_becomes_a_floor_shows(field, monkeypatch):
    """Each rounding up in the closed form is met by some layer here."""
    real = family.tiles
    network = wide((12, 9), vectors=11, c=3, k=2) if field in ("planes", "passes") else tie_rich_network()
    machine = small(rows=5, columns=4, accumulators=10)
    x = random_inputs(network, np.random.default_rng(0))
    assert emulate(network, machine, x).cycles_agree

    def floored(layer, m):
        cut = real(layer, m)
        size = layer.n * layer.p * layer.q
        floors = {
            "row_folds": layer.c * layer.r * layer.s // m.rows,
            "column_folds": layer.k // m.columns,
            "chunks": size // (m.accumulators // 2),
            "vectors": size // cut.chunks,
            "planes": layer.weight_bits // 8,
            "passes": layer.input_bits // 8,
        }
        return replace(cut, **{field: max(1, floors[field])})

    monkeypatch.setattr(family, "tiles", floored)
    assert not emulate(network, machine, x).cycles_agree


def test_other_ceils_that_become_floors_show(monkeypatch):
    """The load of one tile, 12 bytes at 2.3 a tick, and blocks of three channels in pooling."""
    network, machine = tie_rich_network(), small(dram_bytes_per_s=2.3e6)
    x = random_inputs(network, np.random.default_rng(0))
    assert emulate(network, machine, x).cycles_agree
    with monkeypatch.context() as patch:
        patch.setattr(family.Tpu, "load_cycles", property(lambda self: 5))
        assert not emulate(network, machine, x).cycles_agree
    real = family._other_cycles
    monkeypatch.setattr(
        family, "_other_cycles", lambda x, m: real(replace(x, groups=max(1, x.groups // m.columns) * m.columns), m)
    )
    assert not emulate(network, machine, x).cycles_agree


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves(rounding, monkeypatch):
    network = tie_rich_network(rounding)
    inputs = random_inputs(network, np.random.default_rng(0), batch=20)
    found = emulate(network, small(), inputs)
    assert found.bits_agree
    assert found.cycles_agree
    expected = trace(network, inputs)
    with monkeypatch.context() as patch:  # rounded half away from zero, the emulator alone is no longer equal
        round_half_away_from_zero(patch)
        values, _ = _emulate.run(network, small(), inputs)
    assert sum(int((values[o.name] != expected[o.name]).sum()) for o in network.operations) > 20


def quantised_lenet5():
    network = lenet5(pool="max_pool2d")
    rng = np.random.default_rng(0)
    return quantise(network, [random_inputs(network, rng, batch=8)])[0]


def test_lenet5_on_the_real_size():
    network = quantised_lenet5()
    x = random_inputs(network, np.random.default_rng(1), batch=3)
    found = emulate(network, V1, x)
    assert found.bits_agree
    assert found.cycles_agree
    # 784 windows over one tile of 25 x 6 weights: 1350 to load it, 256 to shift it in, 784, 511 on the way out
    assert next(iter(found.cycles.values())) == 1350 + 256 + 784 + 511
    whole = chain.run(network, V1.parameters, x)
    np.testing.assert_array_equal(*[run[network.outputs and "logits"] for run in (whole.outputs, network.run(x))])
    assert sum(whole.run.ticks.values()) < found.total_cycles  # tiles of later layers come meanwhile


def test_weights_are_asked_for_ahead():
    """Two layers of two tiles, 6 ticks each: the second layer's come while the first waits and drains."""
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 4), element=Integer()))
    for i in (1, 2):
        b.op("linear", (b.value, b.const(f"w{i}", np.eye(4, dtype=np.int8), weight((4, 4)))), (1, 4), Integer())
    network = b.finish("two", {"y": b.value})
    x = {"x": np.array([[1, 2, 3, 4]], np.int8)}
    alone = emulate(network, small(), x).cycles
    together = chain.run(network, small().parameters, x).run.ticks
    # 6 to load, 4 to shift, 6 more for the second tile, 1 vector, 6 for the way out
    assert list(alone.values()) == [6 + 4 + 6 + 1 + 6] * 2
    # the third tile stands ready, and the fourth has come when the third's vector is in: 1, 4 to shift, 1, 6
    assert list(together.values()) == [23, 1 + 4 + 1 + 6]


def test_instructions_are_twelve_bytes_as_published():
    program = [
        Instruction(opcode=Opcode.MATRIX_MULTIPLY, flags=Flag.FINAL, buffer=0x010203, accumulator=0x0405, length=200),
        Instruction(opcode=Opcode.SET_CONFIGURATION, accumulator=Register.FILL, length=2**32 - 1),
        Instruction(opcode=Opcode.HALT),
    ]
    data = isa.encode(program)
    assert len(data) == 36
    # opcode, flags; three bytes of address, two of accumulator, four of length
    assert data[:12] == bytes([3, 2, 0, 3, 2, 1, 5, 4, 200, 0, 0, 0])
    assert isa.decode(data) == program
    assert str(program[0]) == "Matrix_Multiply buffer 66051, accumulator 1029, length 200, final"
    assert str(program[1]) == "Set_Configuration FILL = 4294967295"


instructions = st.builds(
    Instruction,
    opcode=st.sampled_from([o for o in Opcode if o is not Opcode.SET_CONFIGURATION]),
    flags=st.integers(0, sum(Flag)).map(Flag),
    buffer=st.integers(0, 2**24 - 1),
    accumulator=st.integers(0, 2**16 - 1),
    length=st.integers(0, 2**32 - 1),
)


@given(st.lists(instructions))
def test_decoding_undoes_encoding(program):
    assert isa.decode(isa.encode(program)) == program


@given(st.binary(max_size=36))
def test_bytes_are_a_program_or_refused(data):
    try:
        program = isa.decode(data)
    except BadInput:
        return
    assert isa.encode(program) == data


@pytest.mark.parametrize(
    ("instruction", "words"),
    [
        ({"buffer": 2**24}, "buffer of NOP is 16777216: 0 to 16777215 fit its 3 bytes"),
        ({"accumulator": 65536}, "accumulator of NOP"),
        ({"length": -1}, "length of NOP is -1"),
    ],
)
def test_fields_that_do_not_fit_are_refused(instruction, words):
    with pytest.raises(BadInput, match=words):
        isa.encode([Instruction(opcode=Opcode.NOP, **instruction)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(11), "11 bytes: each instruction has 12"),
        (bytes(12) + bytes([13]) + bytes(11), "byte 12 is 13: opcodes are 0 to 12"),
        (bytes([3, 32]) + bytes(10), "byte 1: flags 0x20 are unknown"),
        (bytes([7, 0, 0, 0, 0, 0, 99]) + bytes(5), "byte 6: register 99"),
    ],
)
def test_bytes_that_are_no_program_are_refused_by_place(data, words):
    with pytest.raises(BadInput, match=words):
        isa.decode(data)


def bare_chip(**fields):
    return chip.Chip(
        machine=small().parameters, examples=1, host_EN=np.zeros((1, 8), np.uint8),
        tiles_TRC=np.ones((2, 4, 3), np.int16), functions=[lambda sums, channels, vectors: sums],
        **({"used_bytes": 64} | fields),
    )  # fmt: skip


def configured(**values):
    ones = ("HEIGHT", "WIDTH", "KERNEL_HEIGHT", "KERNEL_WIDTH", "OUTPUT_HEIGHT", "OUTPUT_WIDTH")
    known = dict.fromkeys((*ones, "INPUT_BYTES", "OUTPUT_BYTES"), 1)
    known |= {"CHANNELS": 4, "SUMMED": 4, "OUTPUT_CHANNELS": 3, "COLUMNS": 3, **values}
    return [
        Instruction(opcode=Opcode.SET_CONFIGURATION, accumulator=Register[name], length=value)
        for name, value in known.items()
    ]


def test_a_program_that_overwrites_sums_is_caught():
    multiply = Instruction(opcode=Opcode.MATRIX_MULTIPLY, flags=Flag.OVERWRITE | Flag.FINAL, length=1)
    weights = Instruction(opcode=Opcode.READ_WEIGHTS, length=2)
    activate = Instruction(opcode=Opcode.ACTIVATE, length=1, accumulator=1)
    program = [*configured(), weights, multiply, multiply, activate, Instruction(opcode=Opcode.SYNC)]
    with pytest.raises(BadInput, match="accumulator 0 does not exist or was not activated"):
        bare_chip().run(program)


def test_a_program_without_an_end_and_activations_that_do_not_fit():
    with pytest.raises(BadInput, match="ends without Halt"):
        bare_chip().run([Instruction(opcode=Opcode.NOP)])
    network = integer_network(2)
    machine = small(unified_buffer_bytes=5)
    with pytest.raises(BadInput, match="unified_buffer_bytes is 5: what spills"):
        emulate(network, machine, random_inputs(network, np.random.default_rng(0)))


def test_refuses_what_the_array_cannot_compute():
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3)))
    b.op("linear", (b.value, b.const("w", np.ones((2, 3)), Type(shape=(2, 3)))), (1, 2), Float())
    network = b.finish("float", {"y": b.value})
    with pytest.raises(BadInput, match=r"computes linear0 in float.*lamina quantise"):
        emulate(network, small(), {"x": np.zeros((1, 3))})
    network = wide((16, 16), vectors=1, c=9, k=2)
    with pytest.raises(BadInput, match=r"its sums reach .*, more than accumulators of 32 bits hold"):
        emulate(network, small(), random_inputs(network, np.random.default_rng(0)))
    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 3), element=Integer()))
    b.op("add", (b.value, b.value), (1, 3), Integer())
    with pytest.raises(Unsupported, match="add 'add0' does not go on a chain"):
        chain.run(b.finish("sum", {"y": b.value}), small().parameters, {"x": np.zeros((1, 3), np.int8)})
