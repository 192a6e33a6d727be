"""Fixed point: segments keep their stated error, networks stay near their float originals, the rest is refused."""

import numpy as np
import pytest
from hypothesis import given, settings

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import Constant, Fixed, Float, Network, Operation, Type, constant
from lamina.ir.fixed import FLOAT_TAIL, MOVE, MULTIPLY, ROUND, bias_element, saturation, to_fixed
from lamina.ir.interpreter import trace
from lamina.ir.segments import fit
from tests.networks import SEEDS, float_network, integer_network, lenet5, random_inputs, recurrent_network

Q6_10 = Fixed()
X = Type(shape=(1, 3))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_interpreter(function: str, element: Fixed, most: int) -> np.ndarray:
    """What a network computes with the tables for every stored number of `element`."""
    x = np.arange(element.low, element.high + 1).astype(element.storage)
    found = fit(function, element, most)
    names = {"a": found.starts, "s": found.slopes, "i": found.intercepts}
    type_ = Type(shape=x.shape, element=element)
    network = Network(
        name="n",
        inputs={"x": type_},
        constants={n: constant(d, Type(shape=d.shape, element=element)) for n, d in names.items()},
        operations=(Operation(operator="piecewise_linear", inputs=("x", *names), outputs={"y": type_}),),
        outputs={"y": "y"},
    )
    return network.run({"x": x})["y"] / 2.0**element.fraction_bits


@pytest.mark.parametrize(
    ("function", "element", "most", "allowed"),
    [
        ("tanh", Q6_10, 16, 0.0038),
        ("sigmoid", Q6_10, 16, 0.0023),
        ("tanh", Q6_10, 64, 0.00098),  # one unit of the last place
        ("tanh", Fixed(integer_bits=4, fraction_bits=4), 16, 0.04),
        ("sigmoid", Fixed(integer_bits=8, fraction_bits=8), 16, 0.005),
        ("tanh", Q6_10, 1, 0.95),
    ],
)
def test_the_error_of_segments_is_as_stated(function: str, element: Fixed, most: int, allowed: float) -> None:
    x = np.arange(element.low, element.high + 1) / 2.0**element.fraction_bits
    real = {"tanh": np.tanh, "sigmoid": sigmoid}[function](x)
    error = np.abs(by_interpreter(function, element, most) - real).max()
    found = fit(function, element, most)
    assert error <= allowed
    assert found.error == pytest.approx(error, abs=1e-12)
    assert 1 <= len(found.starts) <= most
    assert found.starts[0] == element.low
    assert (np.diff(found.starts.astype(int)) > 0).all()


def test_segments_of_chosen_width_beat_equal_ones_tenfold() -> None:
    x = np.linspace(-8, 8, 16 * 512, endpoint=False)
    equal = 0.0
    for part in np.split(x, 16):  # the best line through tanh on [k, k + 1): its chord, moved by half the error
        chord = np.tanh(part[0]) + (np.tanh(part[-1]) - np.tanh(part[0])) / (part[-1] - part[0]) * (part - part[0])
        equal = max(equal, np.ptp(np.tanh(part) - chord) / 2)
    assert equal == pytest.approx(0.041, abs=0.0005)
    assert fit("tanh", Q6_10, 16).error < equal / 10


def test_segments_that_cannot_be_fitted_are_refused() -> None:
    with pytest.raises(BadInput, match="unknown function 'tan': did you mean 'tanh'"):
        fit("tan", Q6_10)
    with pytest.raises(BadInput, match="0 segments"):
        fit("tanh", Q6_10, 0)
    with pytest.raises(Unsupported, match=r"tanh in q8\.24"):
        fit("tanh", Fixed(integer_bits=8, fraction_bits=24))


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("pool", ["average_pool2d", "max_pool2d"])
@pytest.mark.parametrize(("products", "allowed"), [("exact", 0.02), ("truncated", 0.45)])
def test_lenet5_stays_near_its_float_original(activation: str, pool: str, products: str, allowed: float) -> None:
    """Truncated products are half a unit too small each: 400 of them are 0.2, which exact products do not lose."""
    network = lenet5(activation=activation, pool=pool)
    x = {"x": np.random.default_rng(0).random((10, 1, 28, 28), np.float32)}
    fixed = to_fixed(network, Q6_10, products=products)
    assert np.abs(fixed.run(x)["logits"] - network.run(x)["logits"]).max() < allowed
    assert (fixed.macs, fixed.parameters) == (416_520, 61_706)


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS)
def test_every_float_network_of_known_operators_has_a_fixed_form(seed: int) -> None:
    network = float_network(seed, broadcast=True)
    fixed = to_fixed(network, Q6_10, products="exact", rounding="power_of_two")
    inner = {name: t for name, t in fixed.types.items() if not isinstance(t.element, Float)}
    assert {str(t.element) for t in inner.values()} <= {"q6.10", "q12.20"}
    assert [*fixed.outputs] == [*network.outputs]
    inputs = random_inputs(network, np.random.default_rng(seed))
    mine, real = trace(fixed, inputs), trace(network, inputs)
    if max(np.abs(array).max() for array in real.values()) < 30:  # nothing saturates
        for output, value in network.outputs.items():
            error = np.abs(mine[fixed.outputs[output]] - real[value]).max()
            assert error < 0.1, f"{output}: {error}"


def test_weights_are_rounded_half_to_even_and_saturate() -> None:
    unit = 2.0**-10
    data = np.array([[0.5 * unit, 1.5 * unit, 2.5 * unit], [-0.5 * unit, 100, -100]], np.float32)
    operation = Operation(operator="linear", inputs=("x", "w"), outputs={"y": Type(shape=(1, 2))})
    network = Network(
        name="n", inputs={"x": X}, constants={"w": constant(data)}, operations=(operation,), outputs={"y": "y"}
    )
    assert to_fixed(network, Q6_10).data("w").tolist() == [[0, 2, 2], [0, 32767, -32768]]
    assert saturation(network, Q6_10) == {"w": 2}
    assert saturation(lenet5(), Q6_10) == {}


def test_biases_have_the_scale_of_the_sums() -> None:
    truncated, exact = to_fixed(lenet5(), Q6_10), to_fixed(lenet5(), Q6_10, products="exact")
    assert str(truncated.types["fc1.bias"].element) == "q6.10"
    assert str(exact.types["fc1.bias"].element) == "q12.20"
    np.testing.assert_array_equal(exact.data("fc1.bias"), np.rint(lenet5().data("fc1.bias").astype(float) * 2.0**20))
    wide = Fixed(integer_bits=20, fraction_bits=20)
    assert bias_element(wide, "truncated") == wide
    with pytest.raises(Unsupported, match="80 bits"):
        bias_element(wide, "exact")


def test_a_constant_may_be_a_bias_and_an_operand() -> None:
    shape = Type(shape=(1, 2))
    operations = (
        Operation(operator="linear", inputs=("x", "w", "b"), outputs={"a": shape}),
        Operation(operator="add", inputs=("a", "b"), outputs={"y": shape}),
    )
    constants = {"w": constant(np.eye(2, 3, dtype=np.float32)), "b": constant(np.array([1.25, -2]))}
    network = Network(name="n", inputs={"x": X}, constants=constants, operations=operations, outputs={"y": "y"})
    for products in ("exact", "truncated"):
        found = to_fixed(network, Q6_10, products=products).run({"x": np.array([[1, 2, 3]])})["y"]
        assert found.tolist() == [[3.5, -2.0]]


def test_a_state_stays_float_outside_and_exact() -> None:
    network = recurrent_network(4)
    fixed = to_fixed(network, Q6_10)
    assert fixed.carry == {"h_next": "h"}
    rng = np.random.default_rng(0)
    state = random_inputs(network, rng)["h"] * 0
    mine, real = state, state
    for _ in range(5):
        x = random_inputs(network, rng)["x"]
        mine, real = fixed.run({"x": x, "h": mine})["h_next"], network.run({"x": x, "h": real})["h_next"]
        assert (mine * 1024 == np.rint(mine * 1024)).all()
        assert np.abs(mine - real).max() < 0.1


def test_softmax_stays_float_at_the_end_and_is_refused_inside() -> None:
    def after(*operators: str) -> Network:
        names = ["x", *(f"{o}{i}" for i, o in enumerate(operators))]
        operations = tuple(
            Operation(operator=o, inputs=(names[i],), outputs={names[i + 1]: X}) for i, o in enumerate(operators)
        )
        return Network(name="n", inputs={"x": X}, constants={}, operations=operations, outputs={"y": names[-1]})

    fixed = to_fixed(after("relu", "softmax"), Q6_10)
    assert [o.operator for o in fixed.operations] == ["quantise", "relu", "dequantise", "softmax"]
    assert fixed.run({"x": np.array([[1, 2, 3]])})["y"].sum() == pytest.approx(1)
    with pytest.raises(Unsupported, match=r"softmax 'softmax0' .* at the end"):
        to_fixed(after("softmax", "relu"), Q6_10)


def test_every_operator_that_the_file_names_is_computed() -> None:
    computed = set()
    for seed in range(150):
        computed |= {o.operator for o in to_fixed(float_network(seed), Q6_10, products="exact").operations}
    assert computed == {*MULTIPLY, *ROUND, *MOVE, *FLOAT_TAIL, "quantise", "dequantise", "piecewise_linear"}


def test_what_cannot_be_fixed_is_refused() -> None:
    with pytest.raises(BadInput, match=r"not a float network.*is i"):
        to_fixed(integer_network(3), Q6_10)
    with pytest.raises(BadInput, match="rounding 'float'"):
        to_fixed(lenet5(), Q6_10, rounding="float")
    shapes = Network(
        name="n",
        inputs={"x": X},
        constants={"w": Constant(type=Type(shape=(2, 3)))},
        operations=(Operation(operator="linear", inputs=("x", "w"), outputs={"y": Type(shape=(1, 2))}),),
        outputs={"y": "y"},
    )
    with pytest.raises(BadInput, match="has no weights for 'w'"):
        to_fixed(shapes, Q6_10)
