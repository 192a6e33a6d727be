"""Stable and composed forms: equal where the formula is finite, right where it overflows, and nothing read is lost."""

from collections.abc import Callable, Sequence
from math import pi, sqrt

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.interpreter import trace
from lamina.ir.simplify import compose, simplify, stabilise
from lamina.ir.types import Float

EXTREMES = np.array([-1e4, -1000, -100, -90, -20, -1, -1e-6, 0, 1e-6, 0.5, 1, 20, 88, 90, 100, 1000, 1e4])
Made = Callable[["Form", Value], Value]


class Form:
    """Formulas as an exporter writes them: f.multiply(0.5, x), numbers become constants without axes."""

    def __init__(self, bits: int = 32) -> None:
        self.builder, self.kind = Builder(), np.dtype(f"f{bits // 8}")

    def __getattr__(self, operator: str) -> Callable[..., Value]:
        def emit(*operands: Value | float, **attributes: object) -> Value:
            given = [
                v if isinstance(v, Value) else self.builder.constant("c", np.asarray(v, self.kind)) for v in operands
            ]
            made = self.builder.emit(operator, given, **attributes)
            assert isinstance(made, Value)
            return made

        return emit


def network(made: Made, shape: Sequence[int] = (17,), bits: int = 32) -> Network:
    form = Form(bits)
    x = form.builder.input("x", Type(shape=tuple(shape), element=Float(bits=bits)))
    return form.builder.network("n", {"y": made(form, x)})


def operators(of: Network) -> list[str]:
    return [o.operator for o in of.operations]


def soft(f: Form, x: Value, *, shifted: bool = False) -> tuple[Value, Value]:
    """(exp x, its sum along axis 1), of x less its maximum where `shifted`."""
    if shifted:
        x = f.subtract(x, f.reduce_max(x, axes=(1,), keep=True))
    power = f.exp(x)
    return power, f.reduce_sum(power, axes=(1,), keep=True)


# formula, operators afterwards, torch's function of the same meaning
SCALAR: dict[str, tuple[Made, list[str], Callable[[torch.Tensor], torch.Tensor]]] = {
    "log(1 + exp x)": (lambda f, x: f.log(f.add(1.0, f.exp(x))), ["softplus"], F.softplus),
    "log(exp x + 1)": (lambda f, x: f.log(f.add(f.exp(x), 1.0)), ["softplus"], F.softplus),
    "log sigmoid x": (lambda f, x: f.log(f.sigmoid(x)), ["negate", "softplus", "negate"], F.logsigmoid),
    "log sigmoid -x": (
        lambda f, x: f.log(f.sigmoid(f.negate(x))),
        ["softplus", "negate"],
        lambda x: F.logsigmoid(-x),
    ),
    "log(1 - sigmoid x)": (
        lambda f, x: f.log(f.subtract(1.0, f.sigmoid(x))),
        ["softplus", "negate"],
        lambda x: F.logsigmoid(-x),
    ),
    "log(1 / (1 + exp -x))": (
        lambda f, x: f.log(f.divide(1.0, f.add(1.0, f.exp(f.negate(x))))),
        ["negate", "softplus", "negate"],
        F.logsigmoid,
    ),
    "1 / (1 + exp -x)": (lambda f, x: f.divide(1.0, f.add(1.0, f.exp(f.negate(x)))), ["sigmoid"], torch.sigmoid),
    "reciprocal, -1 x": (
        lambda f, x: f.reciprocal(f.add(f.exp(f.multiply(x, -1.0)), 1.0)),
        ["sigmoid"],
        torch.sigmoid,
    ),
    "1 / (1 + exp(0 - x))": (
        lambda f, x: f.divide(1.0, f.add(1.0, f.exp(f.subtract(0.0, x)))),
        ["sigmoid"],
        torch.sigmoid,
    ),
    "1 / (1 + exp x)": (
        lambda f, x: f.divide(1.0, f.add(1.0, f.exp(x))),
        ["negate", "sigmoid"],
        lambda x: torch.sigmoid(-x),
    ),
    "exp x / (1 + exp x)": (
        lambda f, x: f.divide(f.exp(x), f.add(1.0, f.exp(x))),
        ["sigmoid"],
        torch.sigmoid,
    ),
    "sqrt(x x)": (lambda f, x: f.sqrt(f.multiply(x, x)), ["absolute"], torch.abs),
    "sqrt(x^2)": (lambda f, x: f.sqrt(f.power(x, 2.0)), ["absolute"], torch.abs),
    "x sigmoid x": (lambda f, x: f.multiply(f.sigmoid(x), x), ["silu"], F.silu),
    "x / (1 + exp -x)": (
        lambda f, x: f.multiply(x, f.reciprocal(f.add(1.0, f.exp(f.negate(x))))),
        ["silu"],
        F.silu,
    ),
    "mish": (lambda f, x: f.multiply(x, f.tanh(f.softplus(x))), ["softplus", "tanh", "multiply"], F.mish),
}


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("formula", SCALAR)
def test_functions_of_one_number(formula: str, bits: int) -> None:
    made, expected, by_torch = SCALAR[formula]
    before = network(made, bits=bits)
    after = simplify(before)
    assert operators(after) == expected
    inputs = {"x": EXTREMES}
    found, formula_s = after.run(inputs)["y"], before.run(inputs)["y"]
    assert np.isfinite(found).all()
    modest = np.abs(EXTREMES) < 15
    np.testing.assert_allclose(found[modest], formula_s[modest], rtol=1e-5 if bits == 32 else 1e-10, atol=1e-6)
    wanted = by_torch(torch.tensor(EXTREMES.astype(found.dtype))).numpy()
    tiny = np.finfo(found.dtype).tiny  # torch's own tails: softplus is x above 20, denormals
    np.testing.assert_allclose(found, wanted, rtol=1e-5 if bits == 32 else 1e-7, atol=3e-9 + tiny)


def test_the_formula_itself_overflows() -> None:
    """Otherwise nothing was shown."""
    for formula in ("log(1 + exp x)", "sqrt(x x)", "exp x / (1 + exp x)", "log sigmoid x"):
        x = np.array([1e30, 1000.0, -1000.0])
        assert not np.isfinite(network(SCALAR[formula][0], (3,)).run({"x": x})["y"]).all()


AXIS: dict[str, tuple[Made, str]] = {
    "exp x / sum": (lambda f, x: f.divide(*soft(f, x)), "softmax"),
    "exp x times 1 / sum": (lambda f, x: f.multiply(f.reciprocal(soft(f, x)[1]), f.exp(x)), "softmax"),
    "shifted": (lambda f, x: f.divide(*soft(f, x, shifted=True)), "softmax"),
    "log(softmax)": (lambda f, x: f.log(f.softmax(x, axis=1)), "log_softmax"),
    "log(exp x / sum)": (lambda f, x: f.log(f.divide(*soft(f, x))), "log_softmax"),
    "x - log sum": (lambda f, x: f.subtract(x, f.log(soft(f, x)[1])), "log_softmax"),
}


@pytest.mark.parametrize("formula", AXIS)
def test_functions_along_an_axis(formula: str) -> None:
    made, expected = AXIS[formula]
    before = network(made, (3, 5, 2))
    after = simplify(before)
    assert operators(after) == [expected]
    x = np.random.default_rng(0).normal(size=(3, 5, 2)) * 3
    np.testing.assert_allclose(after.run({"x": x})["y"], before.run({"x": x})["y"], rtol=1e-5, atol=1e-6)
    x = x * 1000
    wanted = (F.softmax if expected == "softmax" else F.log_softmax)(torch.tensor(x, dtype=torch.float32), 1)
    np.testing.assert_allclose(after.run({"x": x})["y"], wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_shifted_log_softmax() -> None:
    def made(f: Form, x: Value) -> Value:
        shifted = f.subtract(x, f.reduce_max(x, axes=(1,), keep=True))
        return f.subtract(shifted, f.log(f.reduce_sum(f.exp(shifted), axes=(1,), keep=True)))

    assert operators(simplify(network(made, (3, 5)))) == ["log_softmax"]


R = sqrt(2 / pi)
GELU: dict[str, tuple[Made, str]] = {
    "x/2 (1 + erf)": (
        lambda f, x: f.multiply(f.multiply(x, 0.5), f.add(1.0, f.erf(f.divide(x, sqrt(2))))),
        "none",
    ),
    "(x (1 + erf)) / 2": (
        lambda f, x: f.divide(f.multiply(x, f.add(f.erf(f.multiply(x, sqrt(0.5))), 1.0)), 2.0),
        "none",
    ),
    "x ((1 + erf) / 2)": (
        lambda f, x: f.multiply(f.multiply(f.add(f.erf(f.divide(x, 1.41421)), 1.0), 0.5), x),
        "none",
    ),
    "tanh, x^3": (
        lambda f, x: f.multiply(
            f.multiply(0.5, x),
            f.add(1.0, f.tanh(f.multiply(R, f.add(x, f.multiply(0.044715, f.power(x, 3.0)))))),
        ),
        "tanh",
    ),
    "tanh, x (1 + 0.044715 x x)": (
        lambda f, x: f.multiply(
            x,
            f.multiply(
                0.5,
                f.add(f.tanh(f.multiply(f.multiply(x, R), f.add(1.0, f.multiply(f.multiply(0.044715, x), x)))), 1.0),
            ),
        ),
        "tanh",
    ),
}


@pytest.mark.parametrize("formula", GELU)
@pytest.mark.parametrize("product", [False, True], ids=["of an input", "of a product"])
def test_gelu_in_any_association(formula: str, product: bool) -> None:
    """Where x itself is a product, its factors are none of the formula's."""
    made, approximate = GELU[formula]
    before = network(lambda f, x: made(f, f.multiply(x, 3.0) if product else x))
    after = simplify(before)
    assert operators(after) == [*(["multiply"] if product else []), "gelu"]
    x = np.linspace(-6, 6, 17)
    found = after.run({"x": x})["y"]
    np.testing.assert_allclose(found, before.run({"x": x})["y"], rtol=1e-4, atol=2e-5)
    inside = torch.tensor(x * 3 if product else x, dtype=torch.float32)
    np.testing.assert_allclose(found, F.gelu(inside, approximate=approximate).numpy(), rtol=1e-5, atol=1e-5)


NEARLY: dict[str, Made] = {
    "1.702 inside": lambda f, x: f.multiply(x, f.sigmoid(f.multiply(x, 1.702))),
    "two, not one": lambda f, x: f.log(f.add(2.0, f.exp(x))),
    "a third": lambda f, x: f.multiply(f.multiply(x, 0.3), f.add(1.0, f.erf(f.divide(x, sqrt(2))))),
    "erf of x": lambda f, x: f.multiply(f.multiply(x, 0.5), f.add(1.0, f.erf(x))),
    "another cubic": lambda f, x: f.multiply(
        f.multiply(x, 0.5), f.add(1.0, f.tanh(f.multiply(R, f.add(x, f.multiply(0.05, f.power(x, 3.0))))))
    ),
    "cubes under the root": lambda f, x: f.sqrt(f.power(x, 3.0)),
    "x squared twice": lambda f, x: f.multiply(f.multiply(x, x), f.sigmoid(x)),
    "one over two plus": lambda f, x: f.divide(1.0, f.add(2.0, f.exp(f.negate(x)))),
    "a root of two numbers": lambda f, x: f.sqrt(f.multiply(x, f.exp(x))),
    "x over x": lambda f, x: f.divide(x, x),
}


@pytest.mark.parametrize("formula", NEARLY)
def test_what_is_nearly_a_pattern_is_left_alone(formula: str) -> None:
    before = network(NEARLY[formula])
    assert stabilise(before) is before
    assert compose(before) is before


def test_a_sum_over_another_axis_or_of_others_is_no_softmax() -> None:
    for axes, keep in (((0,), False), ((0, 1), True)):
        before = network(
            lambda f, x, a=axes, k=keep: f.divide(f.exp(x), f.reduce_sum(f.exp(x), axes=a, keep=k)), (4, 4)
        )
        assert stabilise(before) is before
    before = network(lambda f, x: f.divide(f.exp(x), f.reduce_sum(f.exp(f.negate(x)), axes=(0,), keep=True)), (4, 4))
    assert stabilise(before) is before


def test_a_logarithm_of_another_sum_is_no_log_softmax() -> None:
    before = network(lambda f, x: f.subtract(f.negate(x), f.log(soft(f, x)[1])), (4, 4))
    assert stabilise(before) is before


def test_another_deviation_is_no_layer_norm() -> None:
    """Of other numbers, and over other axes."""
    for axes, shift in (((2,), 1.0), ((1, 2), 0.0)):

        def made(f: Form, x: Value, axes: tuple[int, ...] = axes, shift: float = shift) -> Value:
            centred = f.subtract(x, f.reduce_mean(x, axes=(2,), keep=True))
            y = f.add(x, shift) if shift else x
            other = f.subtract(y, f.reduce_mean(y, axes=axes, keep=True))
            variance = f.reduce_mean(f.multiply(other, other), axes=axes, keep=True)
            return f.divide(centred, f.sqrt(f.add(variance, 1e-5)))

        before = network(made, (3, 4, 5))
        assert compose(before) is before


def _layer_norm(
    f: Form, x: Value, *, axes: tuple[int, ...], square: str, form: str, twice: bool, epsilon: float = 1e-5
) -> Value:
    centred = f.subtract(x, f.reduce_mean(x, axes=axes, keep=True))
    other = f.subtract(x, f.reduce_mean(x, axes=axes, keep=True)) if twice else centred
    squared = f.power(other, 2.0) if square == "power" else f.multiply(other, other)
    variance = f.add(f.reduce_mean(squared, axes=axes, keep=True), epsilon)
    if form == "power -1/2":
        return f.multiply(f.power(variance, -0.5), centred)
    deviation = f.power(variance, 0.5) if form == "power 1/2" else f.sqrt(variance)
    return f.multiply(centred, f.reciprocal(deviation)) if form == "reciprocal" else f.divide(centred, deviation)


@pytest.mark.parametrize("form", ["divide", "reciprocal", "power 1/2", "power -1/2"])
@pytest.mark.parametrize("square", ["power", "multiply"])
@pytest.mark.parametrize("axes", [(2,), (1, 2)])
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("affine", [0, 1, 2])
def test_layer_norm_written_out(form: str, square: str, axes: tuple[int, ...], twice: bool, affine: int) -> None:
    rng = np.random.default_rng(0)
    shape = tuple((3, 4, 5)[a] for a in axes)
    weight, bias = (rng.normal(size=(1, *shape)).astype(np.float32) for _ in range(2))

    def made(f: Form, x: Value) -> Value:
        y = _layer_norm(f, x, axes=axes, square=square, form=form, twice=twice)
        y = f.multiply(f.builder.constant("w", weight), y) if affine > 0 else y
        return f.add(y, f.builder.constant("b", bias)) if affine > 1 else y

    before = network(made, (3, 4, 5))
    after = simplify(before)
    assert operators(after) == ["layer_norm"]
    assert len(after.operations[0].inputs) == 1 + affine
    x = rng.normal(size=(3, 4, 5))
    parts = [torch.tensor(p[0]) for p in (weight, bias)][:affine]
    wanted = F.layer_norm(torch.tensor(x, dtype=torch.float32), shape, *parts).numpy()
    for network_ in (before, after):
        np.testing.assert_allclose(network_.run({"x": x})["y"], wanted, rtol=1e-4, atol=1e-5)
    assert after.with_batch(7).run({"x": rng.normal(size=(7, 4, 5))})["y"].shape == (7, 4, 5)


def test_a_norm_over_other_axes_is_left_alone() -> None:
    before = network(lambda f, x: _layer_norm(f, x, axes=(1,), square="power", form="divide", twice=False), (3, 4, 5))
    assert compose(before) is before


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5)])
def test_a_bias_joins_its_linear_layer(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=shape).astype(np.float32)

    def made(f: Form, x: Value) -> Value:
        return f.add(f.builder.constant("b", bias), f.linear(x, f.builder.constant("w", weights)))

    before = network(made, (2, 3, 4))
    after = compose(before)
    assert operators(after) == ["linear"]
    x = rng.normal(size=(2, 3, 4))
    wanted = F.linear(torch.tensor(x, dtype=torch.float32), torch.tensor(weights), torch.tensor(bias).reshape(5))
    np.testing.assert_allclose(after.run({"x": x})["y"], wanted.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 1), (1,), (2, 3, 5), (4, 2, 3, 5)])
def test_another_addition_is_no_bias(shape: tuple[int, ...]) -> None:
    weights, more = np.ones((5, 4), np.float32), np.ones(shape, np.float32)

    def made(f: Form, x: Value) -> Value:
        return f.add(f.linear(x, f.builder.constant("w", weights)), f.builder.constant("b", more))

    before = network(made, (2, 3, 4))
    assert compose(before) is before


def test_what_something_else_reads_stays() -> None:
    """The parts of a pattern are outputs, or read elsewhere: every one keeps its name and its numbers."""
    f = Form()
    x = f.builder.input("x", Type(shape=(3, 4)))
    power, total = soft(f, x)
    y = f.divide(power, total)
    norm = _layer_norm(f, x, axes=(1,), square="power", form="divide", twice=False)
    scaled = f.multiply(norm, f.builder.constant("w", np.arange(4, dtype=np.float32)))
    gate = f.sigmoid(x)
    swish = f.multiply(x, gate)
    outputs = {"sum": total, "y": f.log(y), "norm": norm, "scaled": scaled, "gate": gate, "swish": swish}
    before = f.builder.network("n", outputs)
    after = simplify(before)
    assert {"log_softmax", "reduce_sum", "layer_norm", "multiply", "sigmoid", "silu"} == set(operators(after)) - {"exp"}
    assert after.outputs == before.outputs
    inputs = {"x": np.random.default_rng(0).normal(size=(3, 4))}
    found, wanted = trace(after, inputs), trace(before, inputs)
    for name in found.keys() & wanted.keys():
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_body_of_a_scan_is_rewritten_with_the_constants_that_it_captures() -> None:
    b = Builder()
    state, sequence = b.input("h", Type(shape=(2,))), b.input("x", Type(shape=(5, 2)))
    one = b.constant("one", np.array(1, np.float32))

    def cell(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        total = inner.emit("add", [states[0], slices[0]])
        gate = inner.emit("add", [one, inner.emit("exp", [inner.emit("negate", [total])])])
        made = inner.emit("divide", [one, gate])
        return [made], [inner.emit("log", [inner.emit("add", [inner.emit("exp", [total]), one])])]

    (last,), (stacked,) = b.scan("loop", cell, states=[state], sequences=[sequence])
    before = b.network("n", {"last": last, "y": stacked})
    after = simplify(before)
    body = after.operations[0].attributes["body"]
    assert isinstance(body, Network)
    assert operators(body) == ["add", "sigmoid", "softplus"]
    rng = np.random.default_rng(0)
    inputs = {"h": rng.normal(size=2), "x": rng.normal(size=(5, 2))}
    for name, wanted in before.run(inputs).items():
        np.testing.assert_allclose(after.run(inputs)[name], wanted, rtol=1e-5)
    inputs["x"] = inputs["x"] * 1e4
    assert np.isfinite(after.run(inputs)["y"]).all()
    assert not np.isfinite(before.run(inputs)["y"]).all()


def test_chains_that_double_end_soon() -> None:
    """x = x x, forty times: two to the fortieth paths through the graph, of which the rules see a few."""

    def made(f: Form, x: Value) -> Value:
        for _ in range(40):
            x = f.multiply(x, x)
        return f.multiply(f.multiply(x, 0.5), f.add(1.0, f.tanh(x)))

    before = network(made)
    assert simplify(before) is before
