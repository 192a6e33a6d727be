"""Ticks of compiled layers against `hw`'s recurrences, which see the layer alone; and what breaks that."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation.cambricon import timed
from lamina.emulation.cambricon.compiler import compile_network
from lamina.hw import registry
from lamina.hw.families import _vector_matrix_code as code
from lamina.hw.families import _vector_matrix_program as programs
from lamina.hw.families import vector_matrix
from lamina.hw.families.vector_matrix import VectorMatrix, cycles
from lamina.ir.network import Network, Operation, constant
from lamina.ir.types import Fixed, Type
from tests.emulation.closed_form import forbidden

CAMBRICON = registry.find("cambricon_like").parameters
Q = Fixed(integer_bits=6, fraction_bits=10)
EXACT = {"rounding": "power_of_two", "products": "exact", "accumulator": 64}
AVERAGES = [(1, 1), (2, 2), (2, 4), (1, 2), (4, 1)]  # 1 / (R S) is a number of the machine

machines = st.one_of(
    st.just(CAMBRICON),
    st.builds(
        VectorMatrix,
        lanes=st.sampled_from([32, 3, 8]),
        blocks=st.sampled_from([32, 1, 2, 5]),
        block_lanes=st.sampled_from([32, 4, 7]),
        banks=st.integers(1, 4),
        issue_queue=st.integers(1, 24),
        reorder_buffer=st.integers(1, 64),
        memory_queue=st.integers(1, 32),
        vector_scratchpad_bytes=st.sampled_from([2**16, 64, 128, 256, 512, 1024]),  # much then stays in main memory
        matrix_scratchpad_bytes=st.sampled_from([768 * 2**10, 64, 256, 1024]),  # and matrices pass in tiles
        series_cycles=st.integers(1, 20),
        dram_bytes_per_s=st.sampled_from([64e9, 1e9, 3.3e9, 7e10]),
        dram_latency_cycles=st.integers(0, 60),
    ),
)


def type_(*shape):
    return Type(shape=shape, element=Q)


def one(operator, x, y, weights=None, attributes=None):
    """A network of one operation."""
    numbers = np.random.default_rng(7)
    constants = (
        {}
        if weights is None
        else {"w": constant(numbers.integers(-500, 500, weights).astype(np.int16), type_(*weights))}
    )
    operation = Operation(
        operator=operator, inputs=("x", *constants), outputs={"y": type_(*y)}, attributes=attributes or {}
    )
    return Network(
        name=operator, inputs={"x": type_(*x)}, constants=constants, operations=(operation,), outputs={"y": "y"}
    )


def held(network, machine):
    """Whether the compiler finds room."""
    try:
        compile_network(network, machine)
    except Unsupported:
        return False
    return True


def ticks(network, machine):
    """Cycles of the compiled program, and its results; `hw` must not be asked meanwhile."""
    numbers = np.random.default_rng(8)
    (name, wanted), *_ = network.inputs.items()
    with forbidden(vector_matrix):
        made = compile_network(network, machine)
        return timed.run(
            made.program, made.memory({name: numbers.integers(-500, 500, wanted.shape)}), machine=machine
        ).cycles


@st.composite
def windowed(draw):
    """A convolution or pooling: strides, dilation, padding, groups; not those that a network refuses."""
    operator = draw(st.sampled_from(["conv2d", "conv2d", "max_pool2d", "average_pool2d"]))
    r, s = (
        draw(st.sampled_from(AVERAGES))
        if operator == "average_pool2d"
        else (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    )
    dilation = (1, 1) if operator == "average_pool2d" else (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.one_of(st.just((0, 0, 0, 0)), st.tuples(*[st.integers(0, 2)] * 4)))
    h, w = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    reach = (r - 1) * dilation[0] + 1, (s - 1) * dilation[1] + 1
    p, q = (
        (size + sum(pad) - far) // step + 1
        for size, pad, far, step in zip((h, w), (padding[:2], padding[2:]), reach, stride, strict=True)
    )
    assume(p >= 1 and q >= 1 and h + sum(padding[:2]) >= reach[0] and w + sum(padding[2:]) >= reach[1])
    same = {"stride": stride, "padding": padding, "dilation": dilation}
    if operator == "conv2d":
        groups = draw(st.integers(1, 3))
        c, k = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        return one(
            operator,
            (1, groups * c, h, w),
            (1, groups * k, p, q),
            (groups * k, c, r, s),
            {**EXACT, **same, "groups": groups},
        )
    c = draw(st.integers(1, 40))
    own = {"rounding": "power_of_two", "include_padding": True} if operator == "average_pool2d" else {}
    try:
        return one(operator, (1, c, h, w), (1, c, p, q), None, {**same, "kernel": (r, s), **own})
    except BadInput:  # a window of padding alone
        reject()


@st.composite
def straight(draw):
    """A fully connected layer of a few rows, or a ReLU."""
    c, k, rows = draw(st.integers(1, 300)), draw(st.integers(1, 200)), draw(st.sampled_from([1, 1, 2, 5]))
    if draw(st.booleans()):
        return one("relu", (1, c), (1, c))
    return one("linear", (rows, c), (rows, k), (k, c), EXACT)


@settings(max_examples=130, deadline=None)
@given(windowed(), machines)
def test_windows(network, machine):
    (layer,) = network.layers()
    assert held(network, machine) == (programs.program(layer, machine) is not None)
    if held(network, machine):
        assert ticks(network, machine) == cycles(layer, machine)


@settings(max_examples=120, deadline=None)
@given(straight(), machines)
def test_straight_programs_and_rows(network, machine):
    (layer,) = network.layers()
    assert held(network, machine) == (programs.program(layer, machine) is not None)
    if held(network, machine):
        assert ticks(network, machine) == cycles(layer, machine)


@pytest.mark.parametrize(("rows", "c", "k"), [(1, 4000, 500), (2, 3000, 260), (1, 20, 30000)])
def test_matrices_in_tiles(rows, c, k):
    network = one("linear", (rows, c), (rows, k), (k, c), EXACT)
    small = VectorMatrix(matrix_scratchpad_bytes=2 * 100_000)
    (layer,) = network.layers()
    assert ticks(network, small) == cycles(layer, small)


@pytest.mark.parametrize(
    ("attribute", "other"), [("ceil", math.floor), ("product_lag", lambda m: 0), ("levels", lambda n: 1)]
)
def test_a_wrong_count_is_seen(attribute, other, monkeypatch):
    network = one("linear", (1, 65), (1, 150), (150, 65), EXACT)
    (layer,) = network.layers()
    right = ticks(network, CAMBRICON)
    assert right == cycles(layer, CAMBRICON)
    monkeypatch.setattr(code, attribute, other)
    assert right != cycles(layer, CAMBRICON)
