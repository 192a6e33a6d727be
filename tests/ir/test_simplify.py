"""Folding: the same outputs from less, constants by the interpreter, batch norms gone, nothing lost that is read."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.interpreter import trace
from lamina.ir.network import Constant, Operation
from lamina.ir.operators.move import END
from lamina.ir.simplify import fold_batch_norm, fold_constants, remove_dead, simplify
from lamina.ir.types import INDEX, Float, Integer
from tests.networks import SEEDS, float_network, integer_network, random_inputs


def _names(network: Network) -> list[str]:
    return [o.operator for o in network.operations]


def _parameters(b: Builder, rng: np.random.Generator, channels: int, kind: str) -> list[Value]:
    scale, shift, mean = (rng.normal(size=channels).astype(kind) for _ in range(3))
    variance = rng.uniform(0.1, 2, size=channels).astype(kind)
    return [b.constant(f"bn.{i}", array) for i, array in enumerate((scale, shift, mean, variance))]


LAYERS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = {
    "conv2d": ("conv2d", (2, 4, 6, 5), (6, 2, 3, 3), 6, {"groups": 2, "padding": (1, 1, 0, 2), "stride": (2, 1)}),
    "linear": ("linear", (3, 7), (5, 7), 5, {}),
    "conv_transpose2d": ("conv_transpose2d", (2, 4, 3, 5), (4, 3, 2, 2), 3, {"stride": (2, 2)}),
    "in groups": ("conv_transpose2d", (2, 4, 3, 5), (4, 3, 2, 2), 6, {"groups": 2, "padding": (0, 1, 0, 0)}),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_batch_norm_is_folded(layer: str, with_bias: bool, kind: str) -> None:
    operator, x_shape, w_shape, channels, attributes = LAYERS[layer]
    rng, b = np.random.default_rng(0), Builder()
    x = b.input("x", Type(shape=x_shape, element=Float(bits=8 * int(kind[1]))))
    weights = [b.constant("w", rng.normal(size=w_shape).astype(kind))]
    if with_bias:
        weights.append(b.constant("b", rng.normal(size=channels).astype(kind)))
    made = b.emit(operator, [x, *weights], name="layer", **attributes)
    normed = b.emit("batch_norm", [made, *_parameters(b, rng, channels, kind)], epsilon=1e-3)
    network = b.network("n", {"y": b.emit("relu", [normed])})
    folded = fold_batch_norm(network)
    assert _names(folded) == [operator, "relu"]
    assert folded.operations[0].name == "layer"
    assert set(folded.constants) == {"w", "b" if with_bias else "layer.bias_1"}
    inputs = {"x": rng.normal(size=x_shape)}
    places = 1e-5 if kind == "f4" else 1e-12
    np.testing.assert_allclose(folded.run(inputs)["y"], network.run(inputs)["y"], rtol=places, atol=places)


def test_a_folded_network_is_torchs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)).eval()
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    for parameter in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert parameter is not None
        parameter.data.uniform_(0.5, 2)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    b = Builder()
    x = b.input("x", Type(shape=(1, 3, 6, 6)))
    y = b.emit("conv2d", [x, b.constant("w", state["0.weight"])])
    names = ("weight", "bias", "running_mean", "running_var")
    y = b.emit("batch_norm", [y, *(b.constant(n, state[f"1.{n}"]) for n in names)])
    folded = simplify(b.network("n", {"y": y}))
    given = torch.rand(1, 3, 6, 6)
    assert _names(folded) == ["conv2d"]
    with torch.no_grad():
        np.testing.assert_allclose(folded.run({"x": given.numpy()})["y"], model(given).numpy(), rtol=1e-5, atol=1e-6)


def _conv_and_norm(b: Builder, rng: np.random.Generator) -> tuple[Value, Value]:
    x = b.input("x", Type(shape=(1, 2, 4, 4)))
    y = b.emit("conv2d", [x, b.constant("w", rng.normal(size=(3, 2, 1, 1)).astype("f4"))], name="conv")
    return y, b.emit("batch_norm", [y, *_parameters(b, rng, 3, "f4")], name="norm")


def test_a_layer_that_something_else_reads_is_not_folded() -> None:
    rng, b = np.random.default_rng(1), Builder()
    y, z = _conv_and_norm(b, rng)
    for outputs in ({"z": z, "y": y}, {"z": b.emit("add", [z, y])}):
        network = b.network("n", outputs)
        assert fold_batch_norm(network) is network


def test_weights_that_two_layers_share_are_folded_apart() -> None:
    rng, b = np.random.default_rng(2), Builder()
    x = b.input("x", Type(shape=(2, 3)))
    w = b.constant("w", rng.normal(size=(3, 3)).astype("f4"))
    y = b.emit("linear", [x, w], name="first")
    z = b.emit("batch_norm", [y, *_parameters(b, rng, 3, "f4")])
    network = b.network("n", {"y": b.emit("linear", [z, w], name="second")})
    folded = fold_batch_norm(network)
    np.testing.assert_array_equal(folded.data("w"), network.data("w"))
    inputs = {"x": rng.normal(size=(2, 3))}
    np.testing.assert_allclose(folded.run(inputs)["y"], network.run(inputs)["y"], rtol=1e-5)


def test_what_cannot_be_folded_stays() -> None:
    """Weights that are computed, weights without numbers, a linear layer whose axis 1 is none of its channels."""
    rng = np.random.default_rng(3)
    b = Builder()
    x, w = b.input("x", Type(shape=(2, 3))), b.input("w", Type(shape=(3, 3)))
    y = b.emit("batch_norm", [b.emit("linear", [x, w]), *_parameters(b, rng, 3, "f4")])
    assert _names(simplify(b.network("n", {"y": y}))) == ["linear", "batch_norm"]
    b = Builder()
    x = b.input("x", Type(shape=(2, 3)))
    y = b.emit("linear", [x, b.constant("w", None, Type(shape=(3, 3)))])
    y = b.emit("batch_norm", [y, *_parameters(b, rng, 3, "f4")])
    assert _names(simplify(b.network("n", {"y": y}))) == ["linear", "batch_norm"]
    b = Builder()
    x = b.input("x", Type(shape=(2, 4, 3)))
    y = b.emit("linear", [x, b.constant("w", rng.normal(size=(4, 3)).astype("f4"))])
    y = b.emit("batch_norm", [y, *_parameters(b, rng, 4, "f4")])
    assert _names(simplify(b.network("n", {"y": y}))) == ["linear", "batch_norm"]


def _with_constants(*operations: Operation, outputs: dict[str, str], **constants: Any) -> Network:
    """A network that nobody has folded: a Builder would have."""
    given = {
        n: Constant(type=Type(shape=a.shape, element=INDEX if a.dtype.kind == "i" else Float()), data=a)
        for n, a in constants.items()
    }
    return Network(name="n", inputs={"x": Type(shape=(2,))}, constants=given, operations=operations, outputs=outputs)


def _op(operator: str, inputs: str, name: str, *shape: int, **attributes: Any) -> Operation:
    element = attributes.pop("element", Float())
    return Operation(
        operator=operator,
        inputs=tuple(inputs.split()),
        outputs={name: Type(shape=shape, element=element)},
        attributes=attributes,
    )


def test_constants_fold_to_what_the_interpreter_computes() -> None:
    c = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    network = _with_constants(
        _op("transpose", "c", "t", 2, 2, order=(1, 0)),
        _op("gather", "t i", "g", 2),
        _op("relu", "g", "r", 2),
        _op("add", "x r", "y", 2),
        outputs={"y": "y", "t": "t"},
        c=c,
        i=np.array(1),
    )
    folded = fold_constants(network)
    assert _names(folded) == ["add"]
    assert set(folded.constants) == {"t", "r"}
    np.testing.assert_array_equal(folded.data("r"), [0, 3])
    np.testing.assert_array_equal(folded.data("t"), c.T)
    inputs = {"x": np.array([1.0, 2.0])}
    for name, value in network.run(inputs).items():
        np.testing.assert_array_equal(folded.run(inputs)[name], value)


def test_what_is_no_constant_or_too_large_stays() -> None:
    large = _with_constants(
        _op("expand", "c", "e", 2**14, 2**11, shape=(2**14, 2**11)),
        _op("reduce_max", "e", "m", axes=(0, 1)),
        _op("add", "x m", "y", 2),
        outputs={"y": "y"},
        c=np.array(1, np.float32),
    )
    assert fold_constants(large) is large
    nothing = _with_constants(
        _op("log", "c", "e"), _op("add", "x e", "y", 2), outputs={"y": "y"}, c=np.array(-1, np.float32)
    )
    assert fold_constants(nothing) is nothing
    i8 = Integer(scale=(0.5,))
    small = Network(
        name="n",
        inputs={"x": Type(shape=(2,))},
        constants={"q": Constant(type=Type(shape=(2,), element=i8), data=np.array([1, 2], np.int8))},
        operations=(_op("dequantise", "q", "d", 2), _op("add", "x d", "y", 2)),
        outputs={"y": "y"},
    )
    assert fold_constants(small) is small


def _copied(b: Builder, x: Value) -> dict[str, Value]:
    """Each operator that may copy, copying x [2, 3, 4], and with one change."""
    zeros, ones = (0, 0, 0), (1, 1, 1)
    return {
        "reshape": b.emit("reshape", [x], shape=(0, 3, -1)),
        "flatten": b.emit("flatten", [x], start=2),
        "expand": b.emit("expand", [x], shape=(2, 0, 4)),
        "tile": b.emit("tile", [x], repeats=ones),
        "slice": b.emit("slice", [x], starts=zeros, stops=(END, 3, 4), steps=ones),
        "pad": b.emit("pad", [x], before=zeros, after=zeros),
        "concatenate": b.emit("concatenate", [x], axis=1),
        "transpose": b.emit("transpose", [x], order=(0, 1, 2)),
        "cast": b.emit("cast", [x], element=Float()),
        "back and forth": b.emit("transpose", [b.emit("transpose", [x], order=(2, 0, 1))], order=(1, 2, 0)),
    }


def test_copies_go() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(2, 3, 4)))
    network = b.network("n", {name.replace(" ", "_"): b.emit("relu", [v]) for name, v in _copied(b, x).items()})
    simple = simplify(network)
    assert set(_names(simple)) == {"relu"}
    inputs = {"x": np.random.default_rng(0).normal(size=(2, 3, 4))}
    for name, value in network.run(inputs).items():
        np.testing.assert_array_equal(simple.run(inputs)[name], value)
    ends = simplify(b.network("n", {"y": _copied(b, x)["pad"]}))
    assert ends.outputs == {"y": "x"}
    assert not ends.operations


def test_what_changes_something_is_no_copy() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(3, 3)))
    changed = {
        "turned": b.emit("transpose", [x], order=(1, 0)),
        "reversed": b.emit("slice", [x], starts=(2, 0), stops=(-4, END), steps=(-1, 1)),
        "wide": b.emit("cast", [x], element=Float(bits=64)),
        "gathered": b.emit("gather", [x, b.constant("i", np.array([2, 1, 0]))]),
    }
    network = b.network("n", changed)
    assert simplify(network) is network


def test_transposes_merge() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(2, 3, 4, 5)))
    y = b.emit("transpose", [b.emit("transpose", [x], order=(0, 2, 3, 1))], order=(3, 0, 1, 2))
    network = b.network("n", {"y": y})
    simple = simplify(network)
    assert _names(simple) == ["transpose"]
    inputs = {"x": np.random.default_rng(0).normal(size=(2, 3, 4, 5))}
    np.testing.assert_array_equal(simple.run(inputs)["y"], network.run(inputs)["y"])


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_random_networks_compute_the_same(seed: int) -> None:
    for network in (float_network(seed, bits=64), integer_network(seed)):
        simple = simplify(network)
        inputs = random_inputs(network, np.random.default_rng(seed))
        found = simple.run(inputs)
        assert simple.inputs == network.inputs
        assert set(found) == set(network.outputs)
        for name, value in network.run(inputs).items():
            np.testing.assert_allclose(found[name], value, rtol=1e-11, atol=1e-12)
        assert simplify(simple) is simple


def test_the_dead_go_and_inputs_stay() -> None:
    network = _with_constants(
        _op("relu", "x", "a", 2),
        _op("add", "x c", "b", 2),
        _op("relu", "b", "d", 2),
        outputs={"y": "a"},
        c=np.array([1, 2], np.float32),
    )
    alive = remove_dead(network)
    assert [o.name for o in alive.operations] == ["a"]
    assert not alive.constants
    assert set(alive.inputs) == {"x"}
    assert remove_dead(alive) is alive


def test_carry_and_names_stay() -> None:
    b = Builder()
    x, state = b.input("x", Type(shape=(2,))), b.input("state", Type(shape=(2,)))
    following = b.emit("relu", [b.emit("add", [x, state])])
    network = b.network("n", {"y": x, "next": following}, {"next": "state"})
    simple = simplify(network)
    assert simple.carry == network.carry
    assert trace(simple, {"x": np.ones(2), "state": np.ones(2)}).keys() == {"x", "state", "add", "relu"}
