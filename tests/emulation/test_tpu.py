"""The TPU's units against the interpreter, against matrix products, and their ticks against the closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.emulation import _emulate, emulate, tpu
from lamina.hw import registry
from lamina.hw.families import tpu as family
from lamina.ir.interpreter import trace
from tests.emulation.closed_form import forbidden
from tests.networks import integer_networks, random_inputs, tie_rich_network

SEEDS = st.integers(0, 2**32 - 1)
V1 = registry.registered("tpu_v1")


@st.composite
def machines(draw):
    """A small TPU whose memory is fast or slow, whose accumulators hold few vectors."""
    fields = {
        "rows": draw(st.integers(1, 7)),
        "columns": draw(st.integers(1, 7)),
        "clock_hz": 1e6,
        "dram_bytes_per_s": draw(st.floats(5e5, 1e8)),
        "link_bytes_per_s": draw(st.floats(1e7, 1e9)),
        "fifo_tiles": draw(st.integers(2, 4)),
        "accumulators": draw(st.integers(2, 40)),
    }
    return registry.with_fields(V1, fields)


@given(integer_networks() | integer_networks(rounding="float"), machines(), st.integers(1, 3), SEEDS)
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
    layers = {x.name: x for x in network.with_batch(1).layers() if x.operator in tpu.OPERATORS}
    assert ticks == {name: family.cycles(x, machine.parameters) for name, x in layers.items()}
