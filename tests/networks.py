"""Small random networks for the tests of ir, export and emulation: every operator, odd sizes, all integer forms.

Each builder is a pure function of a seed, so a failure is repeated by its number; each strategy draws that seed.

    float_network(7)                            convolutions, pools, activations, residual additions, one or two outputs
    integer_network(7, rounding="float")        float -> quantise -> 2 to 8-bit integers -> dequantise -> float
    fixed_network(7)                            the same border around Q6.10, products truncated or exact
    recurrent_network(7)                        a state that comes back: carry
    tie_rich_network()                          almost every rounding in it meets exact halves
    lenet5()                                    LeCun 1998's sizes
    random_inputs(network, rng)                 inputs that reach every stored integer, both ends and exact halves
"""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.random import Generator

from lamina.core.seeds import numpy_generator
from lamina.ir import Float, Integer, Network, Type
from lamina.ir.network import Array, Attribute
from tests.integer_networks import fixed_network, integer_network
from tests.network_builder import Builder, coded_data, conv_shape, fitting_window, flat, pooled, start_shape

SEEDS = st.integers(0, 2**32 - 1)


def float_networks(**options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: float_network(seed, **options))


def integer_networks(rounding: str = "power_of_two", **options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: integer_network(seed, rounding=rounding, **options))


def fixed_networks(**options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: fixed_network(seed, **options))


def float_network(
    seed: int, *, bits: int = 32, broadcast: bool = False, asymmetric_padding: bool = True, coded: bool = True
) -> Network:
    """A random float network; `broadcast` also adds constants of fewer elements than the value."""
    b = Builder(rng=numpy_generator(seed, "float network"))
    element = Float(bits=bits)
    b.input("x", Type(shape=start_shape(b), element=element))
    if b.chance(0.1):
        first = b.value
        second = b.input("z", b.types[first])
        b.op("add", (first, second), b.shape, element)
    outputs: dict[str, str] = {}
    for _ in range(int(b.rng.integers(1, 7))):
        if len(b.shape) == 4:
            _float_image_step(b, element, coded)
        else:
            _float_vector_step(b, element, coded)
        if broadcast and b.chance(0.3):
            shape = (1, b.shape[1], *(1 for _ in b.shape[2:]))
            name = b.const(f"shift{len(b.constants)}", b.rng.normal(size=shape), Type(shape=shape, element=element))
            b.op("add", (b.value, name), b.shape, element)
        if b.chance(0.1):
            outputs[f"tap{len(outputs)}"] = b.value
    if b.chance(0.3):
        axis = -1 if len(b.shape) == 2 else int(b.pick(1, -1))
        b.op(str(b.pick("softmax", "log_softmax")), (b.value,), b.shape, element, axis=axis)
    network = b.finish(f"float{seed}", {**outputs, "y": b.value})
    return network if asymmetric_padding else _symmetric(network)


def _float_multiply(b: Builder, element: Float, coded: bool, *, same: bool = False) -> None:
    index = len(b.operations)
    if len(b.shape) == 4:
        operator, (w, attributes, shape) = "conv2d", conv_shape(b, same)
    else:
        k = b.shape[-1] if same else int(b.rng.integers(1, 9))
        operator, w, attributes, shape = "linear", (k, b.shape[-1]), {}, (*b.shape[:-1], k)
    data = (b.rng.normal(size=w) / np.sqrt(prod(w[1:]))).astype(element.storage)
    data, coding = coded_data(b, data) if coded else (data, {})
    names = [b.value, b.const(f"{operator}{index}.weight", data, Type(shape=w, element=element, **coding))]
    if b.chance(0.7):
        names.append(b.const(f"{operator}{index}.bias", b.rng.normal(size=w[0]), Type(shape=w[:1], element=element)))
    b.op(operator, names, shape, element, **attributes)


def _float_image_step(b: Builder, element: Float, coded: bool) -> None:
    step = b.rng.random()
    if step < 0.35:
        _float_multiply(b, element, coded)
    elif step < 0.5:
        window = fitting_window(b, dilated=True)
        b.op("max_pool2d", (b.value,), pooled(b, window), element, **window)
    elif step < 0.62:
        window = fitting_window(b, dilated=False)
        b.op("average_pool2d", (b.value,), pooled(b, window), element, **window)
    elif step < 0.77:
        b.op(str(b.pick("relu", "tanh", "sigmoid")), (b.value,), b.shape, element)
    elif step < 0.87:
        skip = b.value
        _float_multiply(b, element, coded, same=True)
        b.op("add", (b.value, skip) if b.chance(0.5) else (skip, b.value), b.shape, element)
    else:
        flat(b)


def _float_vector_step(b: Builder, element: Float, coded: bool) -> None:
    step = b.rng.random()
    if step < 0.6:
        _float_multiply(b, element, coded)
    elif step < 0.8:
        b.op(str(b.pick("relu", "tanh", "sigmoid")), (b.value,), b.shape, element)
    elif step < 0.9:
        skip = b.value
        _float_multiply(b, element, coded, same=True)
        b.op("add", (b.value, skip), b.shape, element)
    elif b.shape[1] % 2 == 0:
        b.op("reshape", (b.value,), (b.shape[0], 2, b.shape[1] // 2, 1), element, shape=(0, 2, -1, 1))
        b.op("reshape", (b.value,), (b.shape[0], prod(b.shape[1:])), element, shape=(0, -1))


def _symmetric(network: Network) -> Network:
    """Whether torch's one number per axis can say its padding: else a plain network in its place."""
    for operation in network.operations:
        top, bottom, left, right = operation.attributes.get("padding", (0, 0, 0, 0))
        if (top, left) != (bottom, right):
            b = Builder(rng=numpy_generator(0))
            b.input("x", Type(shape=(1, 1, 4, 4)))
            b.op("relu", (b.value,), b.shape, Float())
            return b.finish(network.name, {"y": b.value})
    return network


def recurrent_network(seed: int) -> Network:
    """h' = tanh(U x + V h + b): the state goes out as `h_next` and comes back as `h`."""
    b = Builder(rng=numpy_generator(seed, "recurrent network"))
    n, c, k = (int(v) for v in b.rng.integers((1, 1, 1), (3, 6, 6)))
    b.input("x", Type(shape=(n, c)))
    b.input("h", Type(shape=(n, k)))
    names = [
        b.const(name, b.rng.normal(size=s), Type(shape=s)) for name, s in (("u", (k, c)), ("v", (k, k)), ("b", (k,)))
    ]
    left = b.op("linear", ("x", names[0], names[2]), (n, k), Float())
    right = b.op("linear", ("h", names[1]), (n, k), Float())
    b.op("add", (left, right), (n, k), Float())
    b.op("tanh", (b.value,), (n, k), Float())
    return b.finish(f"recurrent{seed}", {"y": b.value, "h_next": b.value}, carry={"h_next": "h"})


def tie_rich_network(rounding: str = "power_of_two", *, batch: int = 1) -> Network:
    """Small integers and small shifts: quantise, conv2d, average pool, add and linear all round exact halves often.

    Scales are powers of two in both forms, so that the float form meets halves too, and equals the other.
    Every result has room on both sides: a wrongly rounded half is not hidden by clipping.
    """
    b = Builder(rng=numpy_generator(5, "ties"))
    extra: dict[str, Attribute] = {} if rounding == "power_of_two" else {"rounding": rounding}
    unsigned = rounding == "float"  # INTERFACE section 5: the float form is unsigned with a zero point

    def activation(exponent: int) -> Integer:
        return Integer(bits=8, signed=not unsigned, scale=(2.0**exponent,), zero_point=128 if unsigned else 0)

    def weights(name: str, shape: tuple[int, ...], most: int) -> str:
        element = Integer(bits=8, signed=True, scale=(0.25,))
        return b.const(name, b.rng.integers(-most, most + 1, shape), Type(shape=shape, element=element))

    def bias(name: str, k: int, exponent: int) -> str:
        element = Integer(bits=32, signed=True, scale=(2.0**exponent,))
        return b.const(name, b.rng.integers(-5, 6, k), Type(shape=(k,), element=element))

    b.input("x", Type(shape=(batch, 2, 7, 7)))
    b.op("quantise", ("x",), (batch, 2, 7, 7), activation(-4))
    first = b.op(
        "conv2d",
        (b.value, weights("conv1.weight", (4, 2, 3, 3), 1), bias("conv1.bias", 4, -6)),
        (batch, 4, 7, 7),
        activation(-3),
        padding=(1, 1, 1, 1),
        **extra,
    )
    second = b.op(
        "conv2d",
        (first, weights("conv2.weight", (4, 2, 1, 1), 3), bias("conv2.bias", 4, -5)),
        (batch, 4, 7, 7),
        activation(-4),
        groups=2,
        **extra,
    )
    b.op("add", (first, second), (batch, 4, 7, 7), activation(-2), **extra)
    b.op("average_pool2d", (b.value,), (batch, 4, 3, 3), activation(-3), kernel=(2, 2), stride=(2, 2), **extra)
    b.op("flatten", (b.value,), (batch, 36), b.element)
    b.op(
        "linear",
        (b.value, weights("fc.weight", (6, 36), 2), bias("fc.bias", 6, -5)),
        (batch, 6),
        activation(-3),
        **extra,
    )
    b.op("dequantise", (b.value,), (batch, 6), Float())
    return b.finish("ties", {"y": b.value})


def lenet5(*, seed: int = 0, batch: int = 1, activation: str = "tanh", pool: str = "average_pool2d") -> Network:
    """LeCun 1998's sizes, input 28x28 padded by 2, dense C3: 61,706 parameters, 416,520 MACs."""
    b = Builder(rng=numpy_generator(seed, "lenet5"))
    b.input("x", Type(shape=(batch, 1, 28, 28)))
    for index, (k, c, pad, size) in enumerate(((6, 1, 2, 28), (16, 6, 0, 10)), start=1):
        w, bias = (k, c, 5, 5), (k,)
        names = (
            b.value,
            b.const(f"conv{index}.weight", b.rng.normal(size=w) / np.sqrt(25 * c), Type(shape=w)),
            b.const(f"conv{index}.bias", b.rng.normal(size=bias) / 10, Type(shape=bias)),
        )
        b.op("conv2d", names, (batch, k, size, size), Float(), padding=(pad,) * 4)
        b.op(activation, (b.value,), b.shape, Float())
        b.op(pool, (b.value,), (batch, k, size // 2, size // 2), Float(), kernel=(2, 2), stride=(2, 2))
    b.op("flatten", (b.value,), (batch, 400), Float())
    for index, k in enumerate((120, 84, 10), start=1):
        c = b.shape[1]
        names = (
            b.value,
            b.const(f"fc{index}.weight", b.rng.normal(size=(k, c)) / np.sqrt(c), Type(shape=(k, c))),
            b.const(f"fc{index}.bias", b.rng.normal(size=(k,)) / 10, Type(shape=(k,))),
        )
        b.op("linear", names, (batch, k), Float())
        if index < 3:
            b.op(activation, (b.value,), b.shape, Float())
    return b.finish("lenet5", {"logits": b.value})


def random_inputs(network: Network, rng: Generator, *, batch: int | None = None) -> dict[str, Array]:
    """Inputs for `network`: float ones that are quantised reach past both ends and meet exact halves."""
    found: dict[str, Array] = {}
    for name, type_ in network.inputs.items():
        shape = type_.shape if batch is None else (batch, *type_.shape[1:])
        element = type_.element
        if not isinstance(element, Float):
            found[name] = rng.integers(element.low, element.high, shape, endpoint=True).astype(element.storage)
            continue
        into = [o.outputs[o.name].element for o in network.consumers(name) if o.operator == "quantise"]
        if not into or isinstance(into[0], Float):
            found[name] = rng.normal(size=shape).astype(element.storage)
            continue
        q = into[0]
        low, high = max(q.low, -(2**12)), min(q.high, 2**12)
        stored = rng.integers(low - 1, high + 1, shape, endpoint=True) - q.zero_point
        between = rng.choice([0.0, 0.5, 0.5, 0.25], shape) + np.where(
            rng.random(shape) < 0.3, rng.uniform(-0.4, 0.4, shape), 0
        )
        found[name] = ((stored + between) * q.scale[0]).astype(element.storage)
    return found
