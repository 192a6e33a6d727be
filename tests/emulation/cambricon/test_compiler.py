"""Compiled networks against the interpreter on random graphs and small machines; what programs look like; refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation.cambricon import functional, functions, timed
from lamina.emulation.cambricon.compiler import compile_network
from lamina.emulation.cambricon.compiler._homes import Room
from lamina.emulation.cambricon.compiler.rules import table as rules
from lamina.emulation.cambricon.networks import lstm, mlp
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.build import Builder
from lamina.ir.types import Fixed, Float, Integer, Type
from tests.emulation.cambricon.random_networks import PRODUCT, Q, random_inputs, random_network, stored

SEEDS = st.integers(0, 2**32 - 1)
MACHINE = VectorMatrix()


def run(network, inputs, machine=MACHINE, simulator=functional):
    made = compile_network(network, machine)
    return made, made.outputs(simulator.run(made.program, made.memory(inputs), machine=machine).memory)


def equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


@given(SEEDS)
@settings(max_examples=250, deadline=None)
def test_random_networks_equal_the_interpreter(seed):
    network = random_network(seed)
    inputs = random_inputs(network, seed)
    equal(run(network, inputs)[1], network.run(inputs))


def refused(call):
    """What `call` gives, or the refusal, which names the layer."""
    try:
        return call()
    except Unsupported as e:
        return str(e)


@given(SEEDS, st.sampled_from([1000, 2000, 6000]), st.sampled_from([200, 700, 3000]))
@settings(max_examples=200, deadline=None)
def test_so_they_do_where_scratchpads_are_too_small(seed, vector, matrix):
    """Values in main memory, vectors in pieces, matrices in tiles; what needs more at once is refused by name."""
    network, machine = (
        random_network(seed),
        VectorMatrix(vector_scratchpad_bytes=vector, matrix_scratchpad_bytes=matrix),
    )
    inputs = random_inputs(network, seed)
    found = refused(lambda: run(network, inputs, machine)[1])
    if isinstance(found, str):
        assert found.startswith("Cambricon cannot run")
    else:
        equal(found, network.run(inputs))


def test_few_are_refused_on_small_scratchpads():
    machine = VectorMatrix(vector_scratchpad_bytes=2000, matrix_scratchpad_bytes=700)
    found = [refused(lambda s=s: compile_network(random_network(s), machine)) for s in range(300)]
    assert sum(isinstance(f, str) for f in found) < 15


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_timed_simulator_agrees(seed):
    """Hazards: data move when time says so, in programs nobody wrote by hand."""
    network, machine = random_network(seed, most=5), VectorMatrix(vector_scratchpad_bytes=4000)
    inputs = random_inputs(network, seed)
    found = refused(lambda: run(network, inputs, machine, timed)[1])
    if not isinstance(found, str):
        equal(found, network.run(inputs))


def test_random_networks_have_every_operator():
    met = {o.operator for seed in range(400) for o in random_network(seed).operations}
    assert rules().keys() - met == {"uniform", "quantise", "dequantise"}  # draws, in test_networks; a refusal


def test_a_layer_of_the_mlp_is_the_papers_program():
    made = compile_network(mlp.network(), MACHINE)
    names = [w.name for w in made.program.instructions if w.name != "SMOVE"]
    layer = ["MLOAD", "MMV", "VLOAD", "VAV", "VEXP", "VAS", "VDV"]
    assert names == ["VLOAD", *layer * 3, "VSTORE"]


def image_network(size: int, operator: str = "conv2d", channels: int = 3):
    b = Builder()
    x = b.input("x", Type(shape=(1, channels, size, size), element=Q))
    if operator == "conv2d":
        kernel = stored(np.random.default_rng(0).normal(size=(4, channels, 3, 3)))
        w = b.constant("w", kernel, Type(shape=kernel.shape, element=Q))
        y = b.emit("conv2d", [x, w], padding=(1, 1, 1, 1), **PRODUCT)
    else:
        y = b.emit(operator, [x], kernel=(2, 2), stride=(2, 2))
    return b.network("image", {"y": y})


@pytest.mark.parametrize("operator", ["conv2d", "max_pool2d", "average_pool2d"])
def test_windows_are_loops(operator):
    lengths = {len(compile_network(image_network(size, operator), MACHINE).program) for size in (8, 10, 20, 30)}
    assert len(lengths) == 1


def test_an_image_that_does_not_fit_stays_in_main_memory():
    network = image_network(40)
    inputs = {"x": stored(np.random.default_rng(1).normal(size=(1, 3, 40, 40)))}
    machine = VectorMatrix(vector_scratchpad_bytes=2048)
    made, found = run(network, inputs, machine)
    equal(found, network.run(inputs))
    assert sum(w.name == "VLOAD" for w in made.program.instructions) >= 2


def test_large_matrices_are_cut_into_tiles():
    b = Builder()
    x = b.input("x", Type(shape=(1, 700), element=Q))
    weights = stored(np.random.default_rng(0).normal(size=(900, 700)) / 26)
    y = b.emit("linear", [x, b.constant("w", weights, Type(shape=weights.shape, element=Q))], **PRODUCT)
    network = b.network("wide", {"y": y})
    inputs = {"x": stored(np.random.default_rng(1).normal(size=(1, 700)))}
    made, found = run(network, inputs)
    equal(found, network.run(inputs))
    counts = functional.run(made.program, made.memory(inputs), machine=MACHINE).counts
    assert counts["MLOAD"] == counts["MMV"] == 2
    assert sum(w.name == "MMV" for w in made.program.instructions) == 1


def test_more_numbers_than_registers():
    """A chain of vectors of ever other sizes: the register cache has to let numbers go, in loops too."""
    b = Builder()
    x = b.input("x", Type(shape=(3, 1, 40), element=Q))

    def cell(inner, states, slices):
        h = slices[0]
        for size in range(39, 9, -1):
            h = inner.emit("slice", [h], starts=(0, 1), stops=(1, size + 1), steps=(1, 1))
            h = inner.emit("add", [h, h])
        return [inner.emit("add", [states[0], h])], []

    start = b.constant("start", np.zeros((1, 10)), Type(shape=(1, 10), element=Q))
    (last,), _ = b.scan("chain", cell, states=[start], sequences=[x])
    network = b.network("chain", {"y": last})
    inputs = {"x": np.random.default_rng(0).integers(-1, 2, (3, 1, 40)).astype(np.int16)}
    made, found = run(network, inputs)
    equal(found, network.run(inputs))
    assert len({w.operands["from"] for w in made.program.instructions if w.name == "SMOVE" and w.form}) > 60


def test_constants_of_a_scan_are_fetched_before_it():
    made = compile_network(lstm.network(), MACHINE)
    left = functional.run(made.program, made.memory(lstm.inputs(lstm.network())), machine=MACHINE)
    assert left.counts["MLOAD"] == 9  # four gates of two matrices and the output's, once, not in each of 10 steps
    assert left.counts["MMV"] == 90


@pytest.mark.parametrize("name", list(functions.FUNCTIONS))
def test_tables_are_what_the_instructions_give(name):
    """All 65,536 numbers through the compiled sequence, and near the true function where nothing saturates."""
    b = Builder()
    x = b.input("x", Type(shape=(1, 2**16), element=Q))
    entries = b.constant("t", functions.table(name, 10), Type(shape=(2**16,), element=Q))
    network = b.network("function", {"y": b.emit("lookup", [x, entries])})
    inputs = {"x": np.arange(-(2**15), 2**15).astype(np.int16)[None]}
    _, found = run(network, inputs)
    np.testing.assert_array_equal(found["y"][0], functions.table(name, 10))
    real = np.arange(-1700, 1701) / 1024
    true = {"sigmoid": 1 / (1 + np.exp(-real)), "tanh": np.tanh(real), "exp": np.exp(real)}
    if name in true:
        ours = functions.table(name, 10)[2**15 - 1700 : 2**15 + 1701] / 1024
        np.testing.assert_allclose(ours, true[name], atol=0.002)


def one(operator, *, element=Q, shape=(1, 4), constants=(), **attributes):
    b = Builder()
    x = b.input("x", Type(shape=shape, element=element))
    more = [b.constant("c", data, Type(shape=data.shape, element=element)) for data in constants]
    y = b.emit(operator, [x, *more], **attributes)
    y = y[0] if isinstance(y, list) else y
    return b.network("one", {"y": y})


WEIGHTS = np.ones((2, 4), np.int16)
REFUSED = [
    (one("argmax", axis=1), r"argmax 'argmax': no rule"),
    (one("tanh", element=Float()), r"input 'x': it is f32"),
    (one("relu", element=Integer(bits=8)), r"input 'x': it is i8"),
    (one("relu", element=Fixed(integer_bits=8, fraction_bits=8)), r"input 'x': it is q8.8"),
    (one("add", constants=[WEIGHTS[:1]], rounding="truncate"), r"add 'add': it rounds by 'truncate'"),
    (
        one("linear", constants=[WEIGHTS], products="truncated", accumulator=64),
        r"linear 'linear': its products are trunc",
    ),
    (one("lookup", constants=[np.zeros(2**16, np.int16)]), r"lookup 'lookup': its table is none of sigmoid, tanh, exp"),
    (one("average_pool2d", shape=(1, 1, 3, 3), kernel=(3, 3), stride=(1, 1)), r"average_pool2d .*: 1/9 is no number"),
    (one("reduce_mean", shape=(1, 3), axes=(1,)), r"reduce_mean .*: 1/3 is no number of q6.10"),
    (one("max_pool2d", shape=(2, 1, 3, 3), kernel=(3, 3), stride=(1, 1)), r"max_pool2d .*: a batch of 2"),
    (one("pad", before=(0, 1), after=(0, 0), mode="edge"), r"pad 'pad': its border is 'edge'"),
]


@pytest.mark.parametrize(("network", "message"), REFUSED, ids=lambda x: x if isinstance(x, str) else "")
def test_refuses_by_name_what_instructions_cannot_express(network, message):
    with pytest.raises(Unsupported, match=message):
        compile_network(network, MACHINE)


def test_a_softmax_behind_the_end_is_the_hosts():
    b = Builder()
    x = b.emit("dequantise", [b.input("x", Type(shape=(1, 4), element=Q))], element=Float())
    with pytest.raises(Unsupported, match=r"dequantise 'dequantise': what is computed in real numbers is the host's"):
        compile_network(b.network("tail", {"y": b.emit("softmax", [x])}), MACHINE)


def test_inputs_must_fit():
    made = compile_network(one("relu"), MACHINE)
    with pytest.raises(BadInput, match=r"input 'x' is \[1, 3\], \[1, 4\] is needed"):
        made.memory({"x": np.zeros((1, 3), np.int16)})
    with pytest.raises(BadInput, match="input 'x' is missing"):
        made.memory({})


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), SEEDS)
def test_room_never_gives_one_element_twice(sizes, seed):
    rng, room = np.random.default_rng(seed), Room(capacity=200, kept=50)
    held: dict[int, int] = {}
    for size in sizes:
        if held and rng.random() < 0.4:
            address = next(iter(held))
            room.give(address, held.pop(address))
        address = room.take(size)
        if address is not None:
            held[address] = size
        used = [e for a, n in held.items() for e in range(a, a + n)]
        assert len(used) == len(set(used))
        assert max(used, default=0) < 150
        assert sum(end - start for start, end in room.gaps) == 200 - len(used)
