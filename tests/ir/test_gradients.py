"""Every gradient of the operator table against central differences in float64, on the inputs that it is defined for.

dL/dx_i = (L(x + h e_i) - L(x - h e_i)) / 2h + O(h²),    L = sum of the results, each times a random number
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import Float, Integer, Network, Type
from lamina.ir.backward import gradients
from lamina.ir.build import Builder, Value
from lamina.ir.operators import TABLE
from tests.ir.test_float_operators import by_torch
from tests.networks import SEEDS, float_network, random_inputs

F64 = Float(bits=64)
STEP = 1e-5
RNG = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def between(low: float, high: float, *shape: int) -> np.ndarray:
    return RNG.uniform(low, high, size=shape)


def distinct(*shape: int) -> np.ndarray:
    """Numbers that lie at least 0.1 apart, so that no step changes which is larger."""
    return RNG.permutation(np.arange(np.prod(shape))).reshape(shape) * 0.1 - 0.33


X = between(-2, 2, 3, 4)
POSITIVE = between(0.3, 2, 3, 4)
INSIDE = between(-0.9, 0.9, 3, 4)
PICTURE = normal(2, 4, 6, 5)
WINDOW: dict[str, Any] = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 0, 1)}
STRIDED: dict[str, Any] = {"stride": (2, 3), "padding": (1, 2, 0, 1), "dilation": (2, 1)}
ZEROS = np.array([[1.5, 0.0, 2.0], [0.0, 0.0, -1.0], [0.5, -2.0, 3.0]])

# operator, operands (integers are places), attributes
CASES: list[tuple[str, list[np.ndarray], dict[str, Any]]] = [
    *((name, [X], {}) for name in (
        "relu", "tanh", "sigmoid", "exp", "negate", "absolute", "erf", "sin", "cos", "atan", "sinh", "cosh", "asinh",
        "softplus", "softsign", "silu", "gelu", "elu", "selu", "leaky_relu", "hard_sigmoid", "floor", "ceil", "round",
        "sign", "tan",
    )),
    *((name, [POSITIVE], {}) for name in ("log", "sqrt", "reciprocal")),
    *((name, [INSIDE], {}) for name in ("asin", "acos", "atanh")),
    ("acosh", [POSITIVE + 1], {}),
    ("gelu", [X], {"approximate": "tanh"}),
    ("elu", [X], {"alpha": 0.7}),
    ("leaky_relu", [X], {"slope": -0.3}),
    ("clip", [X], {"low": -0.8, "high": 1.1}),
    *((name, [X, normal(4)], {}) for name in ("add", "subtract", "multiply", "minimum", "maximum")),
    *((name, [normal(2, 1), normal(3, 1, 5)], {}) for name in ("add", "subtract", "multiply")),
    ("divide", [X, between(0.5, 2, 3, 1)], {}),
    ("power", [POSITIVE, normal(3, 1)], {}),
    ("remainder", [between(-5, 5, 3, 4), between(0.8, 1.2, 4)], {}),
    ("remainder", [between(-5, 5, 3, 4), -between(0.8, 1.2, 4)], {"sign": "dividend"}),
    ("where", [np.array([True, False, True, False]), X, normal(3, 1)], {}),
    ("batch_norm", [PICTURE, normal(4), normal(4), normal(4), between(0.3, 2, 4)], {"epsilon": 0.1}),
    ("batch_norm", [X, normal(4), normal(4), normal(4), between(0.3, 2, 4)], {}),
    ("layer_norm", [PICTURE], {"axis": -1}),
    ("layer_norm", [PICTURE, normal(6, 5)], {"axis": 2}),
    ("layer_norm", [PICTURE, normal(4, 6, 5), normal(4, 6, 5)], {"axis": 1, "epsilon": 0.2}),
    ("lrn", [PICTURE], {"size": 3, "alpha": 0.7, "beta": 0.6, "k": 1.5}),
    ("lrn", [normal(2, 6)], {"size": 4, "alpha": 0.9}),
    ("softmax", [PICTURE], {"axis": 1}),
    ("log_softmax", [X], {}),
    *((name, [PICTURE], {"axes": axes, "keep": keep}) for name, axes, keep in (
        ("reduce_sum", (1, 3), False), ("reduce_sum", (0, 2), True), ("reduce_mean", (0, 1, 2, 3), False),
        ("reduce_mean", (3,), True), ("reduce_product", (2,), False),
    )),
    ("reduce_sum", [X], {"axes": ()}),
    ("reduce_product", [ZEROS], {"axes": (1,), "keep": True}),
    ("reduce_max", [distinct(3, 4, 2)], {"axes": (0, 2)}),
    ("reduce_min", [distinct(3, 4, 2)], {"axes": (1,), "keep": True}),
    ("top_k", [distinct(3, 5, 2)], {"axis": 1, "k": 3}),
    ("top_k", [distinct(6)], {"axis": 0, "k": 2, "largest": False}),
    *(("cumulative_sum", [X], {"axis": 1, "exclusive": e, "reverse": r}) for e in (False, True) for r in (False, True)),
    ("flatten", [PICTURE], {"start": 2}),
    ("reshape", [PICTURE], {"shape": (0, 5, -1)}),
    ("transpose", [PICTURE], {"order": (2, 0, 3, 1)}),
    ("concatenate", [X, normal(3, 2), normal(3, 1)], {"axis": 1}),
    ("slice", [PICTURE], {"starts": (0, 1, 0, 2), "stops": (2, 3, 6, 4), "steps": (1, 1, 1, 1)}),
    ("slice", [normal(7, 8, 5)], {"starts": (1, 0, 4), "stops": (7, 8, 0), "steps": (2, 3, -1)}),
    ("slice", [normal(8, 7)], {"starts": (6, 5), "stops": (-9, 0), "steps": (-3, -2)}),
    ("pad", [X], {"before": (1, 0), "after": (0, 2), "value": 2.5}),
    *(("pad", [X], {"before": (1, 2), "after": (2, 5), "mode": mode}) for mode in ("edge", "reflect", "wrap")),
    ("expand", [normal(3, 1)], {"shape": (2, 3, 4)}),
    ("expand", [normal()], {"shape": (2, 3)}),
    ("tile", [X], {"repeats": (2, 3)}),
    ("cast", [X], {"element": F64}),
    ("gather", [normal(5, 3), np.array([[0, 4, -1], [2, 4, 4]])], {}),
    ("gather", [normal(3, 5, 2), np.array([[0, 4], [-2, 4]])], {"axis": 1}),
    ("gather", [normal(3, 5, 2), np.array(3)], {"axis": 1}),
    ("gather_elements", [X, np.array([[0, -1, 1, 1], [2, 0, 0, 0]])], {"axis": 0}),
    ("gather_nd", [PICTURE, np.array([[0, 1], [1, -1], [0, 1]])], {}),
    ("gather_nd", [normal(2, 3, 4), np.array([[[0], [2], [0]], [[1], [1], [-1]]])], {"batch": 1}),
    ("scatter_elements", [X, np.array([[0, 1, -1, 2]]), normal(1, 4)], {"axis": 0}),
    ("scatter_elements", [X, np.array([[0, 1], [2, 2]]), normal(2, 2)], {"axis": 1, "reduction": "add"}),
    ("scatter_nd", [X, np.array([[2], [0]]), normal(2, 4)], {}),
    ("scatter_nd", [X, np.array([[2, 1], [2, 1], [0, -1]]), normal(3)], {"reduction": "add"}),
    ("linear", [normal(2, 3, 4), normal(5, 4), normal(5)], {}),
    ("linear", [normal(4), normal(5, 4)], {}),
    ("matmul", [normal(2, 1, 3, 4), normal(3, 4, 5)], {}),
    ("matmul", [normal(3, 4), normal(2, 4, 1)], {}),
    ("conv2d", [PICTURE, normal(3, 4, 3, 2), normal(3)], {}),
    ("conv2d", [normal(2, 4, 9, 8), normal(6, 2, 3, 2), normal(6)], {**STRIDED, "groups": 2}),
    ("conv2d", [normal(2, 4, 8, 7), normal(4, 1, 2, 3)], {"stride": (3, 2), "groups": 4}),
    ("conv2d", [normal(1, 2, 3, 3), normal(2, 2, 1, 1)], {"stride": (2, 2), "padding": (2, 2, 1, 0)}),
    ("conv_transpose2d", [normal(2, 4, 3, 4), normal(4, 3, 3, 2), normal(3)], {}),
    (
        "conv_transpose2d", [normal(2, 4, 4, 3), normal(4, 3, 3, 2), normal(6)],
        {**STRIDED, "groups": 2, "output_padding": (1, 2)},
    ),
    ("conv_transpose2d", [normal(1, 2, 2, 2), normal(2, 1, 2, 2)], {"stride": (2, 2), "output_padding": (3, 2)}),
    ("max_pool2d", [distinct(2, 4, 6, 5)], WINDOW),
    ("max_pool2d", [distinct(1, 2, 9, 5)], {**WINDOW, "dilation": (2, 2)}),
    ("max_pool2d_switches", [distinct(2, 4, 6, 5)], WINDOW),
    ("max_unpool2d", [normal(1, 2, 1, 2), np.array([[[[3, 0]], [[5, 2]]]])], {"size": (2, 3)}),
    ("average_pool2d", [PICTURE], WINDOW),
    ("average_pool2d", [normal(1, 2, 9, 5)], {**WINDOW, "include_padding": False, "dilation": (2, 1)}),
    ("resize", [PICTURE], {"size": (9, 3), "mode": "linear"}),
    ("resize", [PICTURE], {"size": (4, 8), "mode": "cubic", "coordinates": "align_corners"}),
    ("resize", [PICTURE], {"size": (13, 3), "mode": "nearest", "coordinates": "asymmetric", "nearest": "floor"}),
]  # fmt: skip


def single(name: str, arrays: list[np.ndarray], attributes: Mapping[str, Any]) -> tuple[Network, dict[str, np.ndarray]]:
    """`name` on `arrays`, its float results weighted and summed: output L; and what to feed."""
    b = Builder()
    elements = [F64 if a.dtype.kind == "f" else b.constant("place", a).type.element for a in arrays]
    inputs = [
        b.input(f"v{i}", Type(shape=a.shape, element=e)) for i, (a, e) in enumerate(zip(arrays, elements, strict=True))
    ]
    made = b.emit(name, inputs, **attributes)
    loss = weighted(b, made if isinstance(made, list) else [made])
    return b.network("case", {"L": loss}), {f"v{i}": a for i, a in enumerate(arrays)}


def weighted(b: Builder, values: list[Value]) -> Value:
    """The sum over all floats, each times a number of its own."""
    total = b.scalar(0.0, b.constant("f64", np.zeros(())))
    for value in values:
        if value.type.element == F64:
            weights = b.constant("weights", np.random.default_rng(3).normal(size=value.shape))
            share = b.emit("multiply", [value, weights])
            total = b.emit("add", [total, b.emit("reduce_sum", [share], axes=tuple(range(len(value.shape))))])
    return total


def differences(network: Network, feed: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """dL/d `name` by central differences."""
    found = np.empty(feed[name].shape)
    for index in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = feed[name].copy()
            moved[index] += sign * STEP
            ends.append(float(network.run({**feed, name: moved})["L"]))
        found[index] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def check(network: Network, feed: Mapping[str, np.ndarray], wanted: list[str] | None = None) -> None:
    """dL/d of every float that is fed, or of the `wanted` ones."""
    wanted = wanted or [name for name in feed if feed[name].dtype.kind == "f"]
    found = gradients(network, "L", wanted).run({**feed, "given": np.array(1.0)})
    assert found["L"] == network.run(feed)["L"]
    for name in wanted:
        expected = differences(network, feed, name)
        np.testing.assert_allclose(found[f"d.{name}"], expected, rtol=1e-6, atol=2e-8, err_msg=name)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{i}-{CASES[i][0]}")
def test_central_differences(case: int) -> None:
    check(*single(*CASES[case]))


def test_whole_powers_of_negative_numbers() -> None:
    """The exponent's own gradient is no number there, and 0 is given."""
    network, feed = single("power", [np.array([-1.5, 0.0, 2.0, -0.5]), np.array([3.0, 2.0, 0.0, 0.0])], {})
    check(network, feed, ["v0"])


def test_every_gradient_is_among_the_cases() -> None:
    assert {name for name, _, _ in CASES} | {"scan"} == {name for name, entry in TABLE.items() if entry.gradient}


def test_equals_share_a_gradient_as_in_torch() -> None:
    """Where differences do not exist: ties of maxima, and the kinks of activations."""
    tied = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [-1.0, -3.0, -1.0]])
    other = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [-1.0, -3.0, 2.0]])
    functions: list[tuple[str, list[np.ndarray], dict[str, Any], Any]] = [
        ("maximum", [tied, other], {}, torch.maximum),
        ("minimum", [tied, other], {}, torch.minimum),
        ("reduce_max", [tied], {"axes": (1,)}, lambda x: x.amax(1)),
        ("reduce_min", [tied], {"axes": (0,)}, lambda x: x.amin(0)),
        ("relu", [tied], {}, torch.relu),
        ("absolute", [tied], {}, torch.abs),
        ("leaky_relu", [tied], {"slope": 0.2}, lambda x: torch.nn.functional.leaky_relu(x, 0.2)),
        ("clip", [tied], {"low": -1.0, "high": 2.0}, lambda x: x.clamp(-1, 2)),
        ("hard_sigmoid", [tied * 3], {"alpha": 1 / 6, "beta": 0.5}, torch.nn.functional.hardsigmoid),
        ("elu", [tied], {}, torch.nn.functional.elu),
        ("max_pool2d", [tied[None, None]], {"kernel": (2, 2), "stride": (1, 1)},
         lambda x: torch.nn.functional.max_pool2d(x, 2, 1)),
    ]  # fmt: skip
    for name, arrays, attributes, function in functions:
        network, feed = single(name, arrays, attributes)
        found = gradients(network, "L", list(feed)).run({**feed, "given": np.array(1.0)})
        inputs = [torch.from_numpy(a).requires_grad_() for a in arrays]
        y = function(*inputs)
        (y * torch.from_numpy(np.random.default_rng(3).normal(size=y.shape))).sum().backward()
        for i, x in enumerate(inputs):
            np.testing.assert_allclose(found[f"d.v{i}"], x.grad, rtol=1e-7, atol=1e-15, err_msg=name)


def recurrent(reverse: bool) -> tuple[Network, dict[str, np.ndarray]]:
    """A loop of two states over two sequences with captured weights; one state is also a stacked output, one unused."""
    b = Builder()
    shapes = {"h": (2, 3), "c": (2, 3), "x": (4, 2, 5), "z": (4, 2, 3), "w": (3, 5), "u": (3, 3), "bias": (3,)}
    v = {name: b.input(name, Type(shape=shape, element=F64)) for name, shape in shapes.items()}

    def cell(inner: Builder, states: list[Value], parts: list[Value]) -> tuple[list[Value], list[Value]]:
        (h, c), (x, z) = states, parts
        gate = inner.emit("add", [inner.emit("linear", [x, v["w"], v["bias"]]), inner.emit("linear", [h, v["u"]])])
        c = inner.emit("add", [inner.emit("multiply", [c, inner.emit("sigmoid", [gate])]), z])
        h = inner.emit("tanh", [inner.emit("multiply", [c, gate])])
        return [h, c], [h, inner.emit("multiply", [h, x_sum(inner, x)]), states[1]]

    def x_sum(inner: Builder, x: Value) -> Value:
        total: Value = inner.emit("reduce_sum", [x], axes=(1,), keep=True)
        return total

    (_, c), along = b.scan("loop", cell, states=[v["h"], v["c"]], sequences=[v["x"], v["z"]], reverse=reverse)
    network = b.network("recurrent", {"L": weighted(b, [c, *along])})
    rng = np.random.default_rng(4)
    return network, {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_by_central_differences(reverse: bool) -> None:
    check(*recurrent(reverse))


def test_a_loop_without_sequences_and_a_loop_in_a_loop() -> None:
    b = Builder()
    x, w = (b.input(name, Type(shape=(3,), element=F64)) for name in ("x", "w"))

    def inside(inner: Builder, states: list[Value], parts: list[Value]) -> tuple[list[Value], list[Value]]:
        return [inner.emit("sin", [inner.emit("multiply", [states[0], w])])], []

    def outside(inner: Builder, states: list[Value], parts: list[Value]) -> tuple[list[Value], list[Value]]:
        (state,), _ = inner.scan("inside", inside, states=states, steps=2)
        return [inner.emit("add", [state, w])], []

    (state,), _ = b.scan("outside", outside, states=[x], steps=3)
    rng = np.random.default_rng(6)
    check(b.network("loops", {"L": weighted(b, [state])}), {name: rng.normal(size=3) for name in ("x", "w")})


def test_a_loop_that_counts_and_a_loop_without_states() -> None:
    """A counter and a truth value are states without a gradient, and steer what is computed."""
    b = Builder()
    x = b.input("x", Type(shape=(4, 3), element=F64))
    zero, true = b.constant("zero", np.array(0)), b.constant("true", np.array(True))

    def counting(inner: Builder, states: list[Value], parts: list[Value]) -> tuple[list[Value], list[Value]]:
        total, count, odd = states
        factor = inner.emit("where", [odd, inner.emit("cast", [count], element=F64), inner.scalar(0.5, total)])
        total = inner.emit("sin", [inner.emit("add", [total, inner.emit("multiply", [parts[0], factor])])])
        more = inner.emit("add", [count, inner.scalar(1, count)])
        return [total, more, inner.emit("logical_not", [odd])], []

    def alone(inner: Builder, states: list[Value], parts: list[Value]) -> tuple[list[Value], list[Value]]:
        return [], [inner.emit("multiply", [parts[0], inner.emit("tanh", [parts[0]])])]

    start = b.emit("reduce_sum", [x], axes=(0,))
    (total, count, _), _ = b.scan("counting", counting, states=[start, zero, true], sequences=[x])
    _, (mapped,) = b.scan("alone", alone, states=[], sequences=[x])
    loss = weighted(b, [total, mapped])
    check(b.network("loops", {"L": loss, "count": count}), {"x": normal(4, 3)})


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_random_networks_have_torchs_gradients(seed: int) -> None:
    """Every weight and input of a random network, by autograd through the torch functions of the same meaning."""
    network = float_network(seed, bits=64, broadcast=True)
    rng, last = np.random.default_rng(seed), network.outputs["y"]
    feed = random_inputs(network, rng)
    wanted = [*network.inputs, *network.constants]
    share = rng.normal(size=network.types[last].shape)
    found = gradients(network, "y", wanted).run({**feed, "given": share})
    values = {name: torch.from_numpy(np.array(array)).requires_grad_() for name, array in feed.items()}
    values |= {n: torch.from_numpy(np.array(network.data(n))).requires_grad_() for n in network.constants}
    leaves = {name: values[name] for name in wanted}
    for operation in network.operations:
        values[operation.name] = by_torch(operation, values)
    (values[last] * torch.from_numpy(share)).sum().backward()
    for name, leaf in leaves.items():
        expected = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(found[f"d.{name}"], expected, rtol=1e-9, atol=1e-9, err_msg=f"{name}\n{network}")


def test_a_value_that_is_read_twice_gets_the_sum() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(3, 3), element=F64))
    y = b.emit("multiply", [x, b.emit("matmul", [x, x])])
    check(b.network("twice", {"L": weighted(b, [y, b.emit("add", [y, x])])}), {"x": normal(3, 3)})


def test_what_does_not_matter_has_a_gradient_of_zeros() -> None:
    b = Builder()
    x, z = (b.input(name, Type(shape=(3,), element=F64)) for name in ("x", "z"))
    network = b.network("n", {"L": weighted(b, [x]), "z": b.emit("tanh", [z])})
    found = gradients(network, "L", ["z"]).run({"x": normal(3), "z": normal(3), "given": np.array(1.0)})
    np.testing.assert_array_equal(found["d.z"], np.zeros(3))


def test_what_has_no_gradient_is_named() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(3,)))
    codes = b.emit("quantise", [x], name="codes", element=Integer(scale=(0.5,)))
    network = b.network("net", {"L": b.emit("dequantise", [codes], name="real", element=Float())})
    with pytest.raises(Unsupported, match="network 'net': dequantise 'real' has no gradient"):
        gradients(network, "L", ["x"])
    places = single("scatter_nd", [normal(3), np.array([[0]]), normal(1)], {"reduction": "mul"})[0]
    with pytest.raises(Unsupported, match="reduction 'mul' has no gradient"):
        gradients(places, "L", ["v0"])


def test_bad_requests_are_refused() -> None:
    network = single("gather", [normal(3), np.array([1])], {})[0]
    for output, wanted, message in (("Z", ["v0"], "output 'Z'"), ("L", ["v9"], "'v9'"), ("L", ["v1"], "floats have")):
        with pytest.raises(BadInput, match=message):
            gradients(network, output, wanted)
