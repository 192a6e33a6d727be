"""Another batch gives the same rows; the integer core drops borders that nothing else reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.ir import Float, Integer, Network, Operation, Type
from lamina.ir.build import Builder
from lamina.ir.transform import integer_core, with_batch
from tests.networks import SEEDS, float_network, integer_network, lenet5, random_inputs, recurrent_network

X = Type(shape=(1, 4))
Q = Type(shape=(1, 4), element=Integer(scale=(0.5,)))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, batch=st.integers(1, 5), integers=st.booleans())
def test_a_batch_is_its_examples_one_by_one(seed: int, batch: int, integers: bool) -> None:
    network = integer_network(seed) if integers else float_network(seed, bits=64)
    inputs = random_inputs(network, np.random.default_rng(seed), batch=batch)
    whole = network.run(inputs)  # a batch other than the declared one is inferred
    other = network.with_batch(batch)
    assert other.batch == batch
    assert [t.shape[1:] for t in other.types.values() if t.shape] == [
        t.shape[1:] for t in network.types.values() if t.shape
    ]
    for i in range(batch):
        for name, row in network.run({key: array[i : i + 1] for key, array in inputs.items()}).items():
            np.testing.assert_allclose(
                whole[name][i : i + 1], row, rtol=0 if integers else 1e-9, atol=0 if integers else 1e-12
            )


def test_work_grows_with_the_batch_and_weights_do_not() -> None:
    one, many = lenet5(), lenet5().with_batch(7)
    assert (many.macs, many.parameters) == (7 * one.macs, one.parameters)


def test_batches_that_cannot_be_are_refused() -> None:
    network = lenet5()
    with pytest.raises(BadInput, match="batch of 0"):
        network.with_batch(0)
    recurrent = recurrent_network(1)
    rng = np.random.default_rng(0)
    inputs = random_inputs(recurrent, rng, batch=3) | {"h": random_inputs(recurrent, rng, batch=2)["h"]}
    with pytest.raises(BadInput, match="different batches: x has 3, h has 2"):
        recurrent.run(inputs)
    fixed = Operation(
        operator="reshape", inputs=("x",), outputs={"y": Type(shape=(2, 2))}, attributes={"shape": (2, 2)}
    )
    with pytest.raises(BadInput, match="do not fill"):
        with_batch(Network(name="n", inputs={"x": X}, constants={}, operations=(fixed,), outputs={"y": "y"}), 2)


def test_a_scalar_input_has_no_batch() -> None:
    add = Operation(operator="add", inputs=("x", "s"), outputs={"y": X})
    inputs = {"s": Type(shape=()), "x": X}
    network = Network(name="n", inputs=inputs, constants={}, operations=(add,), outputs={"y": "y"})
    assert network.batch == 1
    found = network.run({"s": np.float32(2), "x": np.ones((3, 4))})["y"]
    np.testing.assert_array_equal(found, np.full((3, 4), 3, np.float32))


def _op(operator: str, source: str, name: str, type_: Type) -> Operation:
    return Operation(operator=operator, inputs=(source,), outputs={name: type_})


BORDER = (_op("quantise", "x", "q", Q), _op("relu", "q", "r", Q), _op("dequantise", "r", "y", X))


def core_of(outputs: dict[str, str], *more: Operation) -> Network:
    network = Network(name="n", inputs={"x": X}, constants={}, operations=(*BORDER, *more), outputs=outputs)
    return integer_core(network)


def test_the_borders_go() -> None:
    core = core_of({"a": "y", "b": "y", "c": "q"})
    assert [o.operator for o in core.operations] == ["relu"]
    assert core.inputs == {"x": Q}
    assert core.outputs == {"a": "r", "b": "r", "c": "x"}


def test_borders_that_something_else_reads_stay() -> None:
    assert [o.operator for o in core_of({"a": "y", "x": "x"}).operations] == ["quantise", "relu"]
    beside = core_of({"a": "y", "b": "t"}, _op("tanh", "x", "t", X))
    assert [o.operator for o in beside.operations] == ["quantise", "relu", "tanh"]
    tail = core_of({"a": "y", "b": "t"}, _op("tanh", "y", "t", X))
    assert [o.operator for o in tail.operations] == ["relu", "dequantise", "tanh"]


def test_a_float_state_keeps_its_borders() -> None:
    network = Network(name="n", inputs={"x": X}, constants={}, operations=BORDER, outputs={"y": "y"}, carry={"y": "x"})
    assert str(integer_core(network)) == str(network)


def test_a_network_without_integers_is_its_own_core() -> None:
    network = float_network(3, bits=32)
    assert str(integer_core(network)) == str(network)
    assert {type(t.element) for t in network.types.values()} == {Float}


def test_a_slice_that_takes_a_whole_axis_takes_it_whole_in_every_batch() -> None:
    cut = Operation(
        operator="slice",
        inputs=("x",),
        outputs={"y": Type(shape=(1, 2))},
        attributes={"starts": (0, 1), "stops": (1, 3), "steps": (1, 1)},
    )
    network = Network(name="n", inputs={"x": X}, constants={}, operations=(cut,), outputs={"y": "y"})
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(network.run({"x": x})["y"], x[:, 1:3])


def test_a_state_that_is_alike_in_every_example_follows_the_batch() -> None:
    def looped(start: np.ndarray) -> Network:
        b = Builder()
        x = b.input("x", Type(shape=start.shape))
        state = b.constant("start", start.astype(np.float32))
        (last,), _ = b.scan(
            "loop", lambda i, s, _: ([i.emit("tanh", [i.emit("add", [s[0], x])])], []), states=[state], steps=3
        )
        return b.network("n", {"y": last})

    network = looped(np.full((1, 2), 0.5))
    x = np.arange(6, dtype=np.float32).reshape(3, 2) / 5
    single = [network.run({"x": row[None]})["y"] for row in x]
    np.testing.assert_array_equal(network.run({"x": x})["y"], np.concatenate(single))
    with pytest.raises(BadInput, match="broadcast"):
        with_batch(looped(np.arange(4.0).reshape(2, 2)), 3)
