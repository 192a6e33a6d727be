"""Layers by Cambricon's programs against the interpreter; what `prepare` makes of float networks; side by side."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation import vector_matrix
from lamina.emulation.cambricon import functional, functions, lockstep
from lamina.emulation.cambricon.compiler import compile_network
from lamina.hw.families import vector_matrix as family
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.build import Builder
from lamina.ir.check import site
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from lamina.ir.types import Fixed, Type
from lamina.lowering import lower_all
from tests.contract import members
from tests.emulation.cambricon.random_networks import random_inputs, random_network
from tests.emulation.closed_form import forbidden
from tests.networks import float_network, lenet5
from tests.networks import random_inputs as float_inputs

SEEDS = st.integers(0, 2**32 - 1)
MACHINE = VectorMatrix()
EXPRESSED = {"lenet5", "lenet5_caffe", "lenet_300_100", "mlp", "perceptron"}  # at least


def float_images(*, activation: str = "tanh", kernel: int = 2):
    """conv, bias, activation, average, linear, bias: small LeNet."""
    rng, b = np.random.default_rng(0), Builder()
    h = b.input("x", Type(shape=(1, 2, 12, 12)))
    w = b.constant("w", rng.normal(size=(4, 2, 3, 3)).astype(np.float32) / 4)
    h = b.emit("conv2d", [h, w, b.constant("b", rng.normal(size=4).astype(np.float32))], padding=(1, 1, 1, 1))
    h = b.emit("average_pool2d", [b.emit(activation, [h])], kernel=(kernel, kernel), stride=(kernel, kernel))
    h = b.emit("flatten", [h])
    v = b.constant("v", rng.normal(size=(5, h.shape[1])).astype(np.float32) / 12)
    y = b.emit("linear", [h, v, b.constant("c", rng.normal(size=5).astype(np.float32))])
    return b.network("images", {"y": y})


def layers(network, inputs, machine=MACHINE):
    """Every layer that the emulator drives on its true operands: (name, emulated, the interpreter's, cycles)."""
    fitted = network.with_batch(len(next(iter(inputs.values()))))
    values, types = trace(fitted, inputs), fitted.types
    for o in fitted.operations:
        if o.operator in vector_matrix.OPERATORS:
            with forbidden(family):
                found, cycles = vector_matrix.layer(
                    o, site(o, types), [values[n] for n in o.inputs], fitted.batch, machine
                )
            yield o.name, found, values[o.name], cycles


@pytest.mark.parametrize(("activation", "kernel"), [("tanh", 2), ("sigmoid", 3), ("relu", 6)])
def test_layers_of_a_prepared_network_equal_the_interpreter(activation, kernel):
    network = vector_matrix.prepare(float_images(activation=activation, kernel=kernel), MACHINE)
    x = np.random.default_rng(1).normal(size=(3, 2, 12, 12)).astype(np.float32)
    seen = set()
    for name, found, expected, cycles in layers(network, {"x": x}):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert cycles > 10
        seen.add(name)
    assert {"conv2d.sum", "linear.sum", "average_pool2d"} <= seen


def test_another_format_is_computed_too():
    machine = VectorMatrix(fraction_bits=7, vector_scratchpad_bytes=4096)
    network = vector_matrix.prepare(float_images(activation="sigmoid"), machine)
    x = np.random.default_rng(1).normal(size=(2, 2, 12, 12)).astype(np.float32)
    for _, found, expected, _ in layers(network, {"x": x}, machine):
        np.testing.assert_array_equal(found, expected)
    one = network.run({"x": x[:1]})
    made = compile_network(network, machine)
    stored = trace(network, {"x": x[:1]})[_quantised(network, "x")]
    left = functional.run(made.program, made.memory({"x": stored}), machine=machine)
    np.testing.assert_array_equal(made.outputs(left.memory)["y"] / 2**7, one["y"])


@pytest.mark.parametrize(("activation", "kernel"), [("tanh", 2), ("sigmoid", 3), ("relu", 2)])
def test_a_prepared_network_is_near_the_float_one(activation, kernel):
    real = float_images(activation=activation, kernel=kernel)
    x = np.random.default_rng(1).normal(size=(8, 2, 12, 12)).astype(np.float32)
    fixed = vector_matrix.prepare(real, MACHINE)
    np.testing.assert_allclose(fixed.run({"x": x})["y"], real.run({"x": x})["y"], atol=0.05)


def test_prepare_takes_biases_out_and_puts_the_machines_tables_in():
    network = vector_matrix.prepare(float_images(), MACHINE)
    operators = " ".join(o.operator for o in network.operations)
    assert operators == "quantise conv2d add lookup average_pool2d flatten linear add dequantise"
    assert all(len(o.inputs) == 2 for o in network.operations if o.operator in ("conv2d", "linear"))
    np.testing.assert_array_equal(network.data("tanh.table"), functions.table("tanh", 10))
    assert vector_matrix.prepare(network, MACHINE) is network


def test_an_average_over_nine_is_a_product_with_its_reciprocal():
    network = vector_matrix.prepare(float_images(kernel=3), MACHINE)
    (found,) = [o for o in network.operations if o.operator == "conv2d" and o.attributes.get("groups") == 4]
    assert (network.data(found.inputs[1]) == round(1024 / 9)).all()


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_random_float_networks_prepared_and_compiled_whole(seed):
    real = float_network(seed, coded=False)
    inputs = float_inputs(real, np.random.default_rng(seed))
    try:
        network = vector_matrix.prepare(real, MACHINE).with_batch(1)
        made = compile_network(network, MACHINE)
    except Unsupported:
        return
    one = {name: array[:1] for name, array in inputs.items()}
    values = trace(network, one)
    stored = {n: values[_quantised(network, n)] for n in made.inputs}
    left = functional.run(made.program, made.memory(stored), machine=MACHINE)
    for name, array in made.outputs(left.memory).items():
        np.testing.assert_array_equal(array, values[made.network.outputs[name]])


def _quantised(network, name: str) -> str:
    """What input `name` is once it is stored."""
    return next((o.name for o in network.consumers(name) if o.operator == "quantise"), name)


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_side_by_side_is_one_by_one(seed, count):
    network = random_network(seed)
    made = compile_network(network, MACHINE)
    memories = [made.memory(random_inputs(network, seed + i)) for i in range(count)]
    if {w.name for w in made.program} & lockstep.APART:
        with pytest.raises(Unsupported, match="do not run side by side through"):
            lockstep.run(made.program, memories, machine=MACHINE)
        return
    try:
        together = lockstep.run(made.program, memories, machine=MACHINE)
    except Unsupported:
        reject()
    for memory, found in zip(memories, together, strict=True):
        np.testing.assert_array_equal(found, functional.run(made.program, memory, machine=MACHINE).memory)


def test_a_matrix_of_values_is_not_shared():
    b, q = Builder(), vector_matrix.element(MACHINE)
    a, m = b.input("a", Type(shape=(1, 4), element=q)), b.input("m", Type(shape=(4, 3), element=q))
    product = b.emit("matmul", [a, m], rounding="power_of_two", accumulator=64)
    made = compile_network(b.network("values", {"y": product}), MACHINE)
    memories = [made.memory({"a": np.ones((1, 4)), "m": np.full((4, 3), i)}) for i in range(2)]
    with pytest.raises(Unsupported, match="MLOAD of a matrix that differs"):
        lockstep.run(made.program, memories, machine=MACHINE)
    assert lockstep.run(made.program, memories[:1], machine=MACHINE).shape[0] == 1


def test_refuses_another_arithmetic():
    fixed = to_fixed(lenet5(), Fixed(integer_bits=8, fraction_bits=8))
    with pytest.raises(BadInput, match=r"q8.8, the machine in q6.10.*give it the float network"):
        vector_matrix.prepare(fixed, MACHINE)
    prepared = vector_matrix.prepare(lenet5(), MACHINE)
    conv = next(o for o in prepared.operations if o.operator == "conv2d")
    truncated = replace(conv, attributes={**conv.attributes, "products": "truncated"})
    other = prepared.replaced(operations=tuple(truncated if o is conv else o for o in prepared.operations))
    with pytest.raises(BadInput, match="products is 'truncated', the machine's is 'exact'"):
        vector_matrix.prepare(other, MACHINE)


def compiled_or_refused(network):
    """(the network in fixed point, its program), or why there is none."""
    try:
        prepared = vector_matrix.prepare(network, MACHINE)
        return prepared, compile_network(prepared, MACHINE)
    except (Unsupported, BadInput) as error:
        return str(error)


@pytest.mark.parametrize("name", members.NAMES)
def test_a_registered_model_is_compiled_whole_or_refused_by_name(name):
    """C31: what the compiler makes of every model of the house, in the machine's fixed point."""
    model = members.build(name).eval()
    (key, (function, example)), *_ = members.entries(name, model).items()
    model.entries = lambda: {"main": (function, example)}
    (lowered,) = lower_all(model, name=name)
    found = compiled_or_refused(lowered)
    if isinstance(found, str):
        assert name not in EXPRESSED, f"{key}: {found}"
        assert len(found) > 20
        return
    network, made = found
    inputs = {n: np.random.default_rng(0).random((1, *t.shape[1:]), np.float32) for n, t in network.inputs.items()}
    values = trace(network, inputs)
    left = functional.run(
        made.program, made.memory({n: values[_quantised(network, n)] for n in made.inputs}), machine=MACHINE
    )
    for output, array in made.outputs(left.memory).items():
        np.testing.assert_array_equal(array, values[made.network.outputs[output]])


def test_large_layers_run_few_examples_side_by_side():
    network = vector_matrix.prepare(lenet5(), MACHINE)
    assert 100 < vector_matrix.lockstep(network, MACHINE) <= vector_matrix.MOST_EXAMPLES
