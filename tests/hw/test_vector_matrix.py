"""Cambricon's cost: times by hand, formulas beside recurrences, laws over random layers and machines."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families import _vector_matrix_time as time
from lamina.hw.families._vector_matrix_estimate import work
from lamina.hw.families._vector_matrix_time import Loop, Op
from lamina.hw.families.vector_matrix import VectorMatrix, cost, cycles, refusal
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import moving, multiplying

CAMBRICON = registry.find("cambricon_like").parameters
QUEUES = (CAMBRICON.issue_queue, CAMBRICON.reorder_buffer, CAMBRICON.memory_queue)

machines = st.builds(
    VectorMatrix,
    lanes=st.integers(1, 64),
    blocks=st.integers(1, 64),
    block_lanes=st.integers(1, 64),
    vector_scratchpad_bytes=st.integers(64, 2**17),
    matrix_scratchpad_bytes=st.integers(64, 2**20),
    banks=st.integers(1, 8),
    dram_bytes_per_s=st.floats(1e8, 1e12),
    dram_latency_cycles=st.integers(0, 200),
)
layers = st.one_of(multiplying(), moving())


def test_a_layer_of_a_perceptron_by_hand():
    """64 to 150: x starts in cycle 10 and takes 2 beats, W waits for its arrival in 14, 19,200 bytes in 300 beats."""
    loaded = 14 + 300 - 1 + 50
    product = 5 * 2 + 3 + 2 * 5 + 5 - 1  # tiles of 32 x 32, then bank skew, H-tree twice, adder tree
    stored = 50 + 5
    layer = dense(64, 150, bits=16)
    assert cycles(layer, CAMBRICON) == loaded + 1 + product + stored + 2 == 448
    (row,) = cost([layer], CAMBRICON)
    assert row.cycles == 448
    assert row.latency_s == pytest.approx(448e-9)
    assert row.dram_bytes == 2 * (64 + 150 * 64 + 150)
    assert row.utilisation == pytest.approx(9600 / (448 * 1024))
    assert row.bound == "memory"
    assert row.energy_by_component_j["chip"] == pytest.approx(1.695 * 448e-9)


@pytest.mark.parametrize(("inputs", "outputs"), [(9, 2), (64, 150), (150, 14), (320, 200), (500, 500), (784, 500)])
def test_straight_programs_are_costed_exactly(inputs, outputs):
    layer = dense(inputs, outputs, bits=16)
    assert cost([layer], CAMBRICON)[0].cycles == cycles(layer, CAMBRICON)


def shape(c, k, size, kernel, padding=0, operator="conv2d", stride=1, groups=1):
    out = (size + 2 * padding - kernel) // stride + 1
    same = {
        "p": out, "q": out, "r": kernel, "s": kernel, "stride": (stride, stride), "padding": (padding,) * 4,
        "height": size, "width": size,
    }  # fmt: skip
    if operator == "conv2d":
        return Layer(c=c // groups, k=k // groups, groups=groups, **same)
    return Layer(operator=operator, groups=c, has_weights=False, ops=c * out * out * kernel**2, **same)


@pytest.mark.parametrize(
    "layer",
    [
        shape(1, 6, 28, 5), shape(1, 6, 28, 5, 2), shape(6, 16, 14, 5), shape(16, 32, 10, 3, 1), shape(16, 32, 10, 1),
        shape(64, 64, 14, 3), shape(16, 32, 10, 3, 1, groups=16), shape(6, 6, 28, 2, 0, "max_pool2d", 2),
        shape(64, 64, 14, 2, 0, "max_pool2d", 2), shape(16, 16, 14, 3, 1, "max_pool2d", 2),
        shape(6, 6, 28, 2, 0, "average_pool2d", 2), shape(64, 64, 14, 2, 0, "average_pool2d", 2),
        dense(64, 150, batch=64, bits=16), dense(4000, 500, bits=16),
    ],
)  # fmt: skip
def test_formulas_are_near_the_recurrences_where_there_are_loops(layer):
    assert cost([layer], CAMBRICON)[0].cycles == pytest.approx(cycles(layer, CAMBRICON), rel=0.15)


@settings(deadline=None)
@given(st.lists(layers, min_size=1, max_size=3), machines)
def test_costs_hold_together(some, machine):
    for layer, row in zip(some, cost(some, machine), strict=True):
        once = replace(layer, repeats=1)
        assert row.macs == layer.macs
        assert row.cycles > 0
        assert row.dram_bytes >= 2 * (once.outputs + once.weights)
        if layer.macs:
            assert 0 < row.utilisation <= 1
            assert row.bytes_by_level["matrix"] >= 2 * layer.macs // machine.macs_per_cycle


@settings(deadline=None)
@given(layers, machines, st.floats(1, 100), st.integers(2, 16))
def test_laws(layer, machine, factor, times):
    done = work(layer, machine)
    fast = work(layer, replace(machine, dram_bytes_per_s=machine.dram_bytes_per_s * factor))
    assert fast.cycles <= done.cycles
    for name in ("vector_scratchpad_bytes", "matrix_scratchpad_bytes"):
        larger = work(layer, replace(machine, **{name: getattr(machine, name) * times}))
        assert larger.dram_elements <= done.dram_elements


# -- the recurrences themselves --------------------------------------------------------------------------------------

SCALAR = Op(None, writes=1, reads=(1,))
TURN = Op(None, reads=(1,), branch=True)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_scalar_instructions(count):
    assert time.cycles([Op(None)] * count, *QUEUES) == 7 + count - 1
    assert time.cycles([SCALAR] * count, *QUEUES) == 7 + 3 * (count - 1)


steps = st.builds(
    Op,
    st.sampled_from([None, "vector", "matrix", "io"]),
    beats=st.integers(1, 40),
    lag=st.integers(0, 60),
    reads=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    writes=st.sampled_from([None, 0, 1, 2]),
    waits=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
    sets=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
)
bodies = st.lists(steps, min_size=1, max_size=6).map(lambda ops: (*ops, SCALAR, TURN))


@settings(deadline=None, max_examples=200)
@given(
    bodies, bodies, st.integers(1, 30), st.integers(1, 12), st.integers(1, 24), st.integers(2, 64), st.integers(1, 9)
)
def test_turns_that_are_not_run_take_as_long_as_if_they_were(outer, inner, count, turns, issue, reorder, memory):
    """The loops written out as straight code, turn by turn."""
    nest = [Loop(turns, (Loop(count, inner), *outer))]
    plain = [*inner * count, *outer] * turns
    assert time.cycles(nest, issue, reorder, memory) == time.cycles(plain, issue, reorder, memory)


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lanes", 0, "lanes is 0, 1 to 65536 are allowed"),
        ("memory_queue", -1, "memory_queue is -1"),
        ("fraction_bits", 15, "fraction_bits is 15, 0 to 14 are allowed"),
        ("vector_scratchpad_bytes", 4, "vector_scratchpad_bytes is 4"),
        ("dram_bytes_per_s", 0.0, "dram_bytes_per_s is 0.0, a positive number is needed"),
        ("clock_hz", float("nan"), "clock_hz is nan"),
    ],
)
def test_machines_that_cannot_be(field, value, message):
    with pytest.raises(BadInput, match=message):
        VectorMatrix(**{field: value})


def test_layers_that_it_does_not_run():
    assert refusal(dense(4, 4, bits=16), CAMBRICON) is None
    assert "words of 32 bits" in (refusal(dense(4, 4, bits=32), CAMBRICON) or "")
    assert "sort" in (refusal(Layer(operator="sort", has_weights=False), CAMBRICON) or "")
