"""What `check` refuses: each case breaks one rule of a network that is else right, and the message names it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.ir import Constant, Fixed, Float, Integer, Network, Operation, Type, constant
from lamina.ir.types import Element

F32 = Float()


def t(*shape: int, element: Element = F32, **more: Any) -> Type:
    return Type(shape=shape, element=element, **more)


def op(operator: str, inputs: str, result: Type, name: str = "y", **attributes: Any) -> Operation:
    return Operation(operator=operator, inputs=tuple(inputs.split()), outputs={name: result}, attributes=attributes)


def network(*operations: Operation, inputs: dict[str, Type] | None = None, **more: Any) -> Network:
    fields = {
        "name": "n",
        "inputs": inputs or {"x": t(1, 2, 5, 5)},
        "constants": {},
        "operations": operations,
        "outputs": {"y": operations[-1].name if operations else "x"},
    }
    return Network(**(fields | more))


RELU = op("relu", "x", t(1, 2, 5, 5))
FLOAT_CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "space in a name": (lambda: network(RELU, name="a b"), "not a name"),
    "empty name": (lambda: network(RELU, name=""), "not a name"),
    "name of 201 letters": (lambda: network(RELU, name="a" * 201), "not a name"),
    "newline in a value's name": (lambda: network(op("relu", "x", t(1, 2, 5, 5), name="y\n")), "not a name"),
    "name that is no text": (lambda: network(RELU, name=3), "not a name"),
    "two results of one name": (lambda: network(RELU, RELU), "name is taken"),
    "input and constant of one name": (lambda: network(RELU, constants={"x": Constant(type=t(1))}), "name is taken"),
    "no input": (lambda: Network(name="n", inputs={}, constants={}, operations=(), outputs={"y": "y"}), "no input"),
    "no output": (lambda: network(RELU, outputs={}), "no output"),
    "undefined value": (lambda: network(op("relu", "z", t(1, 2, 5, 5))), "'z' is not made before"),
    "cycle": (
        lambda: network(op("relu", "b", t(1, 2, 5, 5), name="a"), op("relu", "a", t(1, 2, 5, 5), name="b")),
        "'b' is not made before",
    ),
    "its own input": (lambda: network(op("relu", "y", t(1, 2, 5, 5))), "'y' is not made before"),
    "undefined output": (lambda: network(RELU, outputs={"y": "z"}), "which nothing makes"),
    "carry from nothing": (lambda: network(RELU, carry={"z": "x"}), "joins no output to an input"),
    "carry to nothing": (lambda: network(RELU, carry={"y": "z"}), "joins no output to an input"),
    "carry of another shape": (
        lambda: network(op("flatten", "x", t(1, 50)), carry={"y": "x"}),
        "joins different types",
    ),
    "unknown operator": (lambda: network(op("rellu", "x", t(1, 2, 5, 5))), "did you mean 'relu'"),
    "unknown attribute": (lambda: network(op("relu", "x", t(1, 2, 5, 5), stride=(1, 1))), "unknown attribute"),
    "missing attribute": (lambda: network(op("reshape", "x", t(1, 50))), "attribute shape is missing"),
    "mistyped attribute": (lambda: network(op("flatten", "x", t(1, 50), start=1.0)), "not of type int"),
    "true for 1": (lambda: network(op("flatten", "x", t(1, 50), start=True)), "not of type int"),
    "list of text": (lambda: network(op("reshape", "x", t(1, 50), shape=("a",))), "not a list of integers"),
    "list of 17": (lambda: network(op("reshape", "x", t(1, 50), shape=(2**40,) * 17)), "at most 16"),
    "three strides": (
        lambda: network(op("max_pool2d", "x", t(1, 2, 5, 5), kernel=(1, 1), stride=(1, 1, 1))),
        "kernel and stride have two entries",
    ),
    "kernel of 0": (lambda: network(op("max_pool2d", "x", t(1, 2, 5, 5), kernel=(0, 1), stride=(1, 1))), "at least 1"),
    "negative padding": (
        lambda: network(op("max_pool2d", "x", t(1, 2, 5, 5), kernel=(2, 2), stride=(1, 1), padding=(-1, 0, 0, 0))),
        "at least 0",
    ),
    "padding as wide as the window": (
        lambda: network(op("max_pool2d", "x", t(1, 2, 7, 7), kernel=(1, 1), stride=(1, 1), padding=(1, 1, 1, 1))),
        "not smaller than the window",
    ),
    "a maximum of padding alone": (
        lambda: network(
            op("max_pool2d", "x", t(1, 1, 1, 1), kernel=(2, 2), stride=(1, 1), padding=(1,) * 4, dilation=(2, 2)),
            inputs={"x": t(1, 1, 1, 1)},
        ),
        "maximum of nothing",
    ),
    "a maximum of padding alone, in height": (
        lambda: network(
            op("max_pool2d", "x", t(1, 2, 1, 4), kernel=(2, 2), stride=(1, 1), padding=(1, 1, 0, 0), dilation=(2, 1)),
            inputs={"x": t(1, 2, 1, 5)},
        ),
        "maximum of nothing",
    ),
    "a maximum of padding alone, in width": (
        lambda: network(
            op("max_pool2d", "x", t(1, 2, 4, 1), kernel=(2, 2), stride=(1, 1), padding=(0, 0, 1, 1), dilation=(1, 2)),
            inputs={"x": t(1, 2, 5, 1)},
        ),
        "maximum of nothing",
    ),
    "window that does not fit": (
        lambda: network(op("max_pool2d", "x", t(1, 2, 1, 1), kernel=(6, 6), stride=(1, 1))),
        "window of 6 does not fit",
    ),
    "two operands of three": (lambda: network(op("add", "x", t(1, 2, 5, 5))), "1 inputs, 2 to 2 are needed"),
    "wrong shape declared": (lambda: network(op("relu", "x", t(1, 2, 5, 4))), r"declared \[1, 2, 5, 4\]"),
    "shapes that do not broadcast": (
        lambda: network(op("add", "x z", t(1, 2, 5, 5)), inputs={"x": t(1, 2, 5, 5), "z": t(3)}),
        "do not broadcast",
    ),
    "axis outside": (lambda: network(op("softmax", "x", t(1, 2, 5, 5), axis=4)), "axis 4"),
    "size of 0": (lambda: network(inputs={"x": t(1, 0)}), "positive sizes"),
    "negative size": (lambda: network(inputs={"x": t(-1)}), "positive sizes"),
    "more than 2^40 numbers": (lambda: network(inputs={"x": t(2**20, 2**21)}), "at most 2\\^40"),
    "17 axes": (lambda: network(inputs={"x": t(*[1] * 17)}), "0 to 16"),
    "padding of 2^40": (
        lambda: network(
            op("conv2d", "x w", t(1, 1, 1, 1), padding=(2**39, 2**39, 0, 0), stride=(2**40, 1)),
            inputs={"x": t(1, 1, 1, 1), "w": t(1, 1, 1, 1)},
        ),
        "2\\^40",
    ),
    "reshape that loses numbers": (lambda: network(op("reshape", "x", t(1, 49), shape=(1, 49))), "do not fill"),
    "reshape with two -1": (lambda: network(op("reshape", "x", t(1, 50), shape=(-1, -1))), "one -1"),
    "reshape that keeps a missing axis": (lambda: network(op("reshape", "x", t(50), shape=(0, 0, 0, 0, 0))), "axis 4"),
    "result stored sparse": (lambda: network(op("relu", "x", t(1, 2, 5, 5, sparse=True))), "only constants"),
    "float widths that meet": (
        lambda: network(op("relu", "x", t(1, 2, 5, 5, element=Float(bits=64)))),
        "must be equal",
    ),
    "float widths that are added": (
        lambda: network(
            op("add", "x z", t(1, element=Float(bits=64))), inputs={"x": t(1), "z": t(1, element=Float(bits=64))}
        ),
        "different types",
    ),
    "NaN in a constant": (lambda: network(RELU, constants={"w": constant(np.array([np.nan]))}), "NaN entries"),
    "constant of another shape": (
        lambda: network(RELU, constants={"w": Constant(type=t(3), data=np.zeros(2, np.float32))}),
        "do not belong together",
    ),
    "constant of another width": (
        lambda: network(RELU, constants={"w": Constant(type=t(2), data=np.zeros(2))}),
        "do not belong together",
    ),
    "code book that is too large": (
        lambda: network(RELU, constants={"w": constant(np.arange(5.0), t(5, codebook_bits=2))}),
        "5 values",
    ),
    "code book of 17 bits": (
        lambda: network(RELU, constants={"w": constant(np.arange(5.0), t(5, codebook_bits=17))}),
        "1 to 16",
    ),
}


@pytest.mark.parametrize("case", FLOAT_CASES)
def test_broken_networks_are_refused(case: str) -> None:
    build, message = FLOAT_CASES[case]
    with pytest.raises(BadInput, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_sparse_code_books_do_not_count_zero() -> None:
    data = np.array([0.0, 1, 2, 3, 4, 0])
    network(RELU, constants={"w": constant(data, t(6, codebook_bits=2, sparse=True))})


# ---- integers


X, W, Y = Integer(scale=(0.25,)), Integer(scale=(0.5,)), Integer(scale=(1.0,))
BIAS = Integer(bits=32, scale=(0.125,))


def layer(
    x: Element = X,
    w: Element = W,
    y: Element = Y,
    bias: Element | None = BIAS,
    weights: Any = ((1, 2), (3, 4), (-5, 6)),
    biases: Any = (1, 2, 3),
    **attributes: Any,
) -> Network:
    data = np.array(weights)
    constants = {"w": constant(data, Type(shape=data.shape, element=w))}
    if bias is not None:
        constants["b"] = constant(np.array(biases), t(len(data), element=bias))
    operation = op("linear", "x w b" if bias else "x w", t(1, len(data), element=y), **attributes)
    return network(operation, inputs={"x": t(1, data.shape[1], element=x)}, constants=constants)


def of(element: Integer, **changes: Any) -> Integer:
    return replace(element, **changes)


PER_CHANNEL = of(W, scale=(0.5, 0.25, 1.0), axis=0)
INTEGER_CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "bias of another scale": (lambda: layer(bias=of(BIAS, scale=(0.25,))), "bias has 1 scales with 0.25"),
    "one bias scale for three": (lambda: layer(w=PER_CHANNEL), "has 3 with 0.125"),
    "wrong bias scale in one channel": (
        lambda: layer(w=PER_CHANNEL, bias=of(BIAS, scale=(0.125, 0.125, 0.25), axis=0)),
        "with 0.125 where the accumulator's .* with 0.0625",
    ),
    "bias with a zero point": (lambda: layer(bias=of(BIAS, zero_point=1)), "zero point 0"),
    "float bias": (lambda: layer(bias=F32), "float and integer operands meet"),
    "float weights": (lambda: layer(w=F32), "float and integer operands meet"),
    "float result": (lambda: layer(y=F32), "float and integer operands meet"),
    "weights with a zero point": (lambda: layer(w=of(W, zero_point=1)), "symmetric"),
    "two scales for three channels": (lambda: layer(w=of(W, scale=(0.5, 0.25), axis=0)), "2 scales do not fit axis 0"),
    "scales along the inputs": (lambda: layer(w=of(W, scale=(0.5, 0.25), axis=1)), "symmetric"),
    "result with scales": (lambda: layer(y=of(Y, scale=(1.0, 1.0, 1.0), axis=1)), "one scale"),
    "scale that is no power of two": (lambda: layer(y=of(Y, scale=(0.75,))), "not a power of two"),
    "unknown rounding": (lambda: layer(rounding="up"), "rounding 'up'"),
    "unknown products": (lambda: layer(products="some"), "products 'some'"),
    "accumulator of 48 bits": (lambda: layer(accumulator=48), "32 or 64"),
    "truncation with a zero point": (lambda: layer(rounding="truncate", y=of(Y, zero_point=1)), "zero points of 0"),
    "truncated products per channel": (
        lambda: layer(w=PER_CHANNEL, bias=None, products="truncated"),
        "truncated products",
    ),
    "scales too far apart": (lambda: layer(y=of(Y, scale=(2.0**-40,))), "differ too much"),
    "scales too far apart to the right": (lambda: layer(y=of(Y, scale=(2.0**70,))), "differ too much"),
    "float scales too far apart": (lambda: layer(y=of(Y, scale=(2.0**-40,)), rounding="float"), "differ too much"),
    "float scales that vanish": (
        lambda: layer(x=of(X, scale=(2.0**-149,)), w=of(W, scale=(2.0**-10,)), bias=None, rounding="float"),
        "differ too much",
    ),
    "weights outside their type": (lambda: layer(weights=((9, 2),), w=of(W, bits=4), bias=None), "outside -8..7"),
    "operator without integers": (
        lambda: network(op("tanh", "x", t(1, 2, element=X)), inputs={"x": t(1, 2, element=X)}),
        "no integer meaning",
    ),
    "relu that changes the type": (
        lambda: network(op("relu", "x", t(1, 2, element=Y)), inputs={"x": t(1, 2, element=X)}),
        "must be equal",
    ),
    "add of integer and float": (
        lambda: network(op("add", "x z", t(1, element=Y)), inputs={"x": t(1, element=X), "z": t(1)}),
        "float and integer operands meet",
    ),
    "add of unknown rounding": (
        lambda: network(op("add", "x x", t(1, element=Y), rounding="up"), inputs={"x": t(1, element=X)}),
        "rounding 'up'",
    ),
    "add of scales that are no powers of two": (
        lambda: network(op("add", "x x", t(1, element=of(Y, scale=(0.75,)))), inputs={"x": t(1, element=X)}),
        "not a power of two",
    ),
    "add of scales too far apart": (
        lambda: network(op("add", "x x", t(1, element=of(Y, scale=(2.0**60,)))), inputs={"x": t(1, element=X)}),
        "differ too much",
    ),
    "quantise of integers": (
        lambda: network(op("quantise", "x", t(1, element=Y)), inputs={"x": t(1, element=X)}),
        "quantise goes from float",
    ),
    "quantise to scales": (
        lambda: network(op("quantise", "x", t(2, element=of(Y, scale=(1.0, 2.0), axis=0))), inputs={"x": t(2)}),
        "one scale",
    ),
    "dequantise to integers": (
        lambda: network(op("dequantise", "x", t(1, element=Y)), inputs={"x": t(1, element=X)}),
        "to float",
    ),
    "dequantise beyond float32": (
        lambda: network(op("dequantise", "x", t(1)), inputs={"x": t(1, element=of(X, scale=(2.0**125,)))}),
        "outside float32",
    ),
    "lookup table of another length": (
        lambda: network(op("lookup", "x w", t(1, element=Y)), inputs={"x": t(1, element=X), "w": t(255, element=Y)}),
        r"\[256\] is needed",
    ),
    "lookup of 17 bits": (
        lambda: network(
            op("lookup", "x w", t(1, element=Y)), inputs={"x": t(1, element=of(X, bits=17)), "w": t(2**17, element=Y)}
        ),
        "at most 16 bits",
    ),
    "segments of integers": (
        lambda: network(
            op("piecewise_linear", "x a a a", t(1, element=X)), inputs={"x": t(1, element=X), "a": t(4, element=X)}
        ),
        "fixed-point",
    ),
    "segments of different lengths": (
        lambda: network(
            op("piecewise_linear", "x a b a", t(1, element=Fixed())),
            inputs={n: t(k, element=Fixed()) for n, k in (("x", 1), ("a", 4), ("b", 5))},
        ),
        "one length",
    ),
    "0 bits": (lambda: Integer(bits=0), "1 to 64"),
    "65 bits": (lambda: Integer(bits=65), "1 to 64"),
    "unsigned 64 bits": (lambda: Integer(bits=64, signed=False), "at most 63"),
    "negative scale": (lambda: Integer(scale=(-1.0,)), "positive"),
    "scale of 0": (lambda: Integer(scale=(0.0,)), "positive"),
    "NaN scale": (lambda: Integer(scale=(float("nan"),)), "positive"),
    "scale beyond float32": (lambda: Integer(scale=(1e300,)), "float32"),
    "scale between float32 numbers": (lambda: Integer(scale=(0.1,)), "float32"),
    "scales without an axis": (lambda: Integer(scale=(1.0, 2.0)), "without an axis"),
    "zero point outside": (lambda: Integer(zero_point=128), "outside -128..127"),
    "no integer bit": (lambda: Fixed(integer_bits=0), "at least 1 integer bit"),
    "65 bits of fixed point": (lambda: Fixed(integer_bits=33, fraction_bits=32), "at most 64"),
}


@pytest.mark.parametrize("case", INTEGER_CASES)
def test_broken_integers_are_refused(case: str) -> None:
    build, message = INTEGER_CASES[case]
    with pytest.raises(BadInput, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_the_right_layers_pass() -> None:
    layer()
    layer(bias=None)
    layer(w=PER_CHANNEL, bias=of(BIAS, scale=(0.125, 0.0625, 0.25), axis=0))
    layer(rounding="float", y=of(Y, scale=(0.75,), zero_point=3))
    layer(rounding="truncate", products="truncated", bias=of(BIAS, scale=(0.25,)))


def test_an_accumulator_may_be_filled_and_not_overflow() -> None:
    """u4 inputs reach 15: 15 w + b is 2^31 - 1 with w = (2^31 - 1) // 15, b the rest, and one more overflows."""
    x, w = of(X, bits=4, signed=False), of(W, bits=32)
    weight, rest = divmod(2**31 - 1, 15)
    full = layer(x=x, w=w, y=of(Y, bits=32, scale=(0.125,)), weights=((weight,),), biases=(rest,))
    assert full.run({"x": np.array([[15]])})["y"].tolist() == [[2**31 - 1]]
    with pytest.raises(BadInput, match="reaches 2147483648"):
        layer(x=x, w=w, weights=((weight,),), biases=(rest + 1,))
    layer(x=x, w=w, weights=((weight,),), biases=(rest + 1,), accumulator=64)


def test_an_accumulator_is_bounded_before_the_bias_is_added() -> None:
    """The sum may overflow on its way although the bias would bring it back."""
    with pytest.raises(BadInput, match="can overflow"):
        layer(x=of(X, bits=4, signed=False), w=of(W, bits=32), weights=((2**28,),), biases=(-(2**31) + 1,))


def test_computed_weights_are_bounded_by_their_type() -> None:
    inputs = {"x": t(1, 2, element=X), "w": t(3, 2, element=of(W, bits=23)), "b": t(3, element=BIAS)}
    result = t(1, 3, element=Y)
    with pytest.raises(BadInput, match="can overflow"):
        network(op("linear", "x w b", result), inputs=inputs)
    network(op("linear", "x w b", result, accumulator=64), inputs=inputs)


def test_shapes_alone_are_not_bounded() -> None:
    data = {"w": Constant(type=t(3, 2, element=of(W, bits=32)))}
    found = network(op("linear", "x w", t(1, 3, element=Y)), inputs={"x": t(1, 2, element=X)}, constants=data)
    with pytest.raises(BadInput, match="has no weights for 'w'"):
        found.run({"x": np.zeros((1, 2), np.int8)})
