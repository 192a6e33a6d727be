"""Small random networks for the tests of ir, export and emulation: every operator, odd sizes, all integer forms.

Each builder is a pure function of a seed, so a failure is repeated by its number; each strategy draws that seed.

    float_network(7)                            convolutions, pools, activations, residual additions, one or two outputs
    integer_network(7, rounding="float")        float -> quantise -> 2 to 8-bit integers -> dequantise -> float
    fixed_network(7)                            the same border around Q6.10, products truncated or exact
    recurrent_network(7)                        a state that comes back: carry
    tie_rich_network()                          almost every rounding in it meets exact halves
    random_inputs(network, rng)                 inputs that reach every stored integer, both ends and exact halves
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2, prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.random import Generator

from lamina.core.seeds import numpy_generator
from lamina.ir import Constant, Fixed, Float, Integer, Network, Operation, Type, constant
from lamina.ir.network import Array, Attribute
from lamina.ir.types import Element

SEEDS = st.integers(0, 2**32 - 1)


def float_networks(**options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: float_network(seed, **options))


def integer_networks(rounding: str = "power_of_two", **options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: integer_network(seed, rounding=rounding, **options))


def fixed_networks(**options: Any) -> st.SearchStrategy[Network]:
    return SEEDS.map(lambda seed: fixed_network(seed, **options))


@dataclass(slots=True)
class Builder:
    """A network under construction; `value` is the name of the last result, `types` knows every value."""

    rng: Generator
    types: dict[str, Type] = field(default_factory=dict)
    inputs: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    value: str = ""

    def input(self, name: str, type_: Type) -> str:
        self.inputs[name] = self.types[name] = type_
        self.value = name
        return name

    def const(self, name: str, data: Array, type_: Type) -> str:
        self.constants[name] = constant(data, type_)
        self.types[name] = type_
        return name

    def op(
        self, operator: str, inputs: Sequence[str], sizes: Sequence[int], element: Element, **attributes: Attribute
    ) -> str:
        name = f"{operator}{len(self.operations)}"
        type_ = Type(shape=tuple(sizes), element=element)
        self.operations.append(
            Operation(operator=operator, inputs=tuple(inputs), outputs={name: type_}, attributes=attributes)
        )
        self.types[name] = type_
        self.value = name
        return name

    def finish(self, name: str, outputs: dict[str, str], **more: dict[str, str]) -> Network:
        return Network(
            name=name,
            inputs=self.inputs,
            constants=self.constants,
            operations=tuple(self.operations),
            outputs=outputs,
            **more,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.types[self.value].shape

    @property
    def element(self) -> Element:
        return self.types[self.value].element

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def _positions(size: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def _window(b: Builder, *, dilated: bool, most_padding: Sequence[int] | None = None) -> dict[str, tuple[int, ...]]:
    """Kernel, stride, dilation and padding that fit the current value [n, c, h, w]; padding may differ on each side."""
    rows: list[tuple[int, int, int, int, int]] = []
    for size in b.shape[2:]:
        kernel = int(b.rng.integers(1, min(size, 4) + 1))
        dilation = 1
        if dilated and kernel > 1 and 2 * (kernel - 1) + 1 <= size and b.chance(0.3):
            dilation = 2
        most = min(kernel - 1, 2) if most_padding is None else most_padding[len(rows)]
        before = int(b.rng.integers(0, most + 1))
        after = before if b.chance(0.7) else int(b.rng.integers(0, most + 1))
        rows.append((kernel, int(b.rng.integers(1, 4)), dilation, before, after))
    (kh, sh, dh, top, bottom), (kw, sw, dw, left, right) = rows
    return {
        "kernel": (kh, kw),
        "stride": (sh, sw),
        "dilation": (dh, dw),
        "padding": (top, bottom, left, right),
    }


def _pooled(b: Builder, window: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    n, c, h, w = b.shape
    (kh, kw), (sh, sw), (dh, dw) = window["kernel"], window["stride"], window["dilation"]
    top, bottom, left, right = window["padding"]
    return (n, c, _positions(h, top, bottom, kh, sh, dh), _positions(w, left, right, kw, sw, dw))


def _start(b: Builder) -> tuple[int, ...]:
    n = int(b.rng.integers(1, 3))
    if b.chance(0.2):
        return (n, int(b.rng.integers(1, 13)))
    return (n, *(int(v) for v in b.rng.integers((1, 3, 3), (5, 10, 10))))


def _conv_shape(b: Builder, same: bool) -> tuple[tuple[int, ...], dict[str, Attribute], tuple[int, ...]]:
    """Weights' shape, attributes and result's shape of a convolution that fits; `same` keeps the shape."""
    n, c = b.shape[:2]
    groups = int(b.pick(*(g for g in range(1, c + 1) if c % g == 0)))
    k = c if same else groups * int(b.rng.integers(1, 4))
    if same:
        size = int(b.pick(1, 3))
        pad = size // 2
        attributes: dict[str, Attribute] = {"padding": (pad, pad, pad, pad), "groups": groups}
        return (k, c // groups, size, size), attributes, b.shape
    window = _window(b, dilated=True)
    kernel = window.pop("kernel")
    shape = _pooled(b, {"kernel": kernel, **window})
    return (k, c // groups, *kernel), {**window, "groups": groups}, (n, k, *shape[2:])


def _coded(b: Builder, data: Array) -> tuple[Array, dict[str, object]]:
    """Sometimes zeros or repeats in `data`, declared as such."""
    choice = b.rng.random()
    if choice < 0.15:
        return data * (b.rng.random(data.shape) < 0.4), {"sparse": True}
    if choice < 0.3:
        values = b.rng.choice(data.reshape(-1), 4)
        return values[b.rng.integers(0, 4, data.shape)], {"codebook_bits": 2}
    if choice < 0.4:
        values = b.rng.choice(data.reshape(-1), 4)
        return values[b.rng.integers(0, 4, data.shape)] * (b.rng.random(data.shape) < 0.4), {
            "codebook_bits": 2,
            "sparse": True,
        }
    return data, {}


# ---- floating point


def float_network(
    seed: int, *, bits: int = 32, broadcast: bool = False, asymmetric_padding: bool = True, coded: bool = True
) -> Network:
    """A random float network; `broadcast` also adds constants of fewer elements than the value."""
    b = Builder(rng=numpy_generator(seed, "float network"))
    element = Float(bits=bits)
    b.input("x", Type(shape=_start(b), element=element))
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
        operator, (w, attributes, shape) = "conv2d", _conv_shape(b, same)
    else:
        k = b.shape[-1] if same else int(b.rng.integers(1, 9))
        operator, w, attributes, shape = "linear", (k, b.shape[-1]), {}, (*b.shape[:-1], k)
    data = (b.rng.normal(size=w) / np.sqrt(prod(w[1:]))).astype(element.storage)
    data, coding = _coded(b, data) if coded else (data, {})
    names = [b.value, b.const(f"{operator}{index}.weight", data, Type(shape=w, element=element, **coding))]
    if b.chance(0.7):
        names.append(b.const(f"{operator}{index}.bias", b.rng.normal(size=w[0]), Type(shape=w[:1], element=element)))
    b.op(operator, names, shape, element, **attributes)


def _float_image_step(b: Builder, element: Float, coded: bool) -> None:
    step = b.rng.random()
    if step < 0.35:
        _float_multiply(b, element, coded)
    elif step < 0.5:
        window = _window(b, dilated=True)
        b.op("max_pool2d", (b.value,), _pooled(b, window), element, **window)
    elif step < 0.62:
        window = _window(b, dilated=False)
        b.op("average_pool2d", (b.value,), _pooled(b, window), element, **window)
    elif step < 0.77:
        b.op(str(b.pick("relu", "tanh", "sigmoid")), (b.value,), b.shape, element)
    elif step < 0.87:
        skip = b.value
        _float_multiply(b, element, coded, same=True)
        b.op("add", (b.value, skip) if b.chance(0.5) else (skip, b.value), b.shape, element)
    else:
        _flat(b)


def _flat(b: Builder) -> None:
    n, rest = b.shape[0], prod(b.shape[1:])
    if b.chance(0.7):
        b.op("flatten", (b.value,), (n, rest), b.element)
    else:
        b.op("reshape", (b.value,), (n, rest), b.element, shape=(0, -1))


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


# ---- integers


def integer_network(
    seed: int,
    *,
    rounding: str = "power_of_two",
    bits: tuple[int, int] = (2, 8),
    per_channel: bool | None = None,
    softmax: bool = True,
    coded: bool = True,
) -> Network:
    """A random integer network between a quantise and a dequantise, by the rules of INTERFACE section 5.

    `bits` bounds the widths of weights and activations; `per_channel` fixes what is else drawn per layer.
    """
    b = Builder(rng=numpy_generator(seed, "integer network", rounding))
    form = _Form(rounding=rounding, bits=bits, per_channel=per_channel, coded=coded)
    b.input("x", Type(shape=_start(b)))
    b.op("quantise", (b.value,), b.shape, form.activation(b, form.scale(b, -4), signed=True))
    for _ in range(int(b.rng.integers(1, 7))):
        (_integer_image_step if len(b.shape) == 4 else _integer_vector_step)(b, form)
    b.op("dequantise", (b.value,), b.shape, Float())
    if softmax and b.chance(0.2):
        b.op(str(b.pick("softmax", "log_softmax")), (b.value,), b.shape, Float(), axis=1)
    return b.finish(f"integer{seed}", {"y": b.value})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    rounding: str
    bits: tuple[int, int]
    per_channel: bool | None
    coded: bool

    def width(self, b: Builder) -> int:
        low, high = self.bits
        return high if b.chance(0.4) else int(b.rng.integers(low, high + 1))

    def scale(self, b: Builder, exponent: float) -> float:
        """About 2^exponent."""
        if self.rounding == "power_of_two":
            return float(2.0 ** round(exponent))
        return float(np.float32(2.0 ** (exponent + b.rng.uniform(-0.5, 0.5))))

    def activation(self, b: Builder, scale: float, *, signed: bool) -> Integer:
        """Float form: unsigned with a zero point; power_of_two form: zero point 0, signed unless it follows a relu."""
        width = self.width(b)
        if self.rounding == "float":
            zero = int(b.rng.integers(0, 2**width)) if signed else 0
            return Integer(bits=width, signed=False, scale=(scale,), zero_point=zero)
        return Integer(bits=width, signed=signed, scale=(scale,))

    def extra(self) -> dict[str, Attribute]:
        return {} if self.rounding == "power_of_two" else {"rounding": self.rounding}


def _integer_multiply(b: Builder, form: _Form, *, same: bool = False) -> None:
    index, x = len(b.operations), b.element
    assert isinstance(x, Integer)
    if len(b.shape) == 4:
        operator, (w, attributes, shape) = "conv2d", _conv_shape(b, same)
    else:
        k = b.shape[-1] if same else int(b.rng.integers(1, 9))
        operator, w, attributes, shape = "linear", (k, b.shape[-1]), {}, (*b.shape[:-1], k)
    width = form.width(b)
    high = 2 ** (width - 1) - 1
    per_channel = b.chance(0.5) if form.per_channel is None else form.per_channel
    scales = tuple(
        form.scale(b, 1 - width - int(b.rng.integers(0, 3)) * per_channel) for _ in range(w[0] if per_channel else 1)
    )
    axis = 0 if per_channel else None
    weight = Integer(bits=width, signed=True, scale=scales, axis=axis)
    data = np.clip(np.rint(b.rng.normal(size=w) * (high / 2)), -high, high).astype(np.int64)
    data, coding = _coded(b, data) if form.coded else (data, {})
    names = [b.value, b.const(f"{operator}{index}.weight", data, Type(shape=w, element=weight, **coding))]
    spread = np.sqrt(prod(w[1:])) * max(high / 2, 0.5) * (x.high - x.low) / 4  # about the accumulators' deviation
    if b.chance(0.7):
        sums = tuple(float(np.float32(x.scale[0]) * np.float32(s)) for s in scales)
        bias = Integer(bits=32, signed=True, scale=sums, axis=axis)
        values = np.rint(b.rng.normal(size=w[0]) * spread / 2).astype(np.int64)
        names.append(b.const(f"{operator}{index}.bias", values, Type(shape=w[:1], element=bias)))
    signed = b.chance(0.5)
    result = form.activation(b, 1.0, signed=signed)
    reach = 2 ** (result.bits - (1 if signed else 0))
    shift = log2(max(spread, 1)) + log2(3 / reach) + int(b.rng.integers(-1, 2))
    scale = form.scale(b, log2(x.scale[0]) + log2(max(scales)) + shift)
    result = Integer(bits=result.bits, signed=result.signed, scale=(scale,), zero_point=result.zero_point)
    b.op(operator, names, shape, result, **attributes, **form.extra())


def _integer_image_step(b: Builder, form: _Form) -> None:
    step, x = b.rng.random(), b.element
    assert isinstance(x, Integer)
    if step < 0.4:
        _integer_multiply(b, form)
    elif step < 0.52:
        window = _window(b, dilated=True)
        b.op("max_pool2d", (b.value,), _pooled(b, window), x, **window)
    elif step < 0.66:
        window = _window(b, dilated=False)
        y = form.activation(b, form.scale(b, log2(x.scale[0]) - int(b.rng.integers(0, 3))), signed=x.signed)
        b.op("average_pool2d", (b.value,), _pooled(b, window), y, **window, **form.extra())
    else:
        _integer_any_step(b, form, (step - 0.66) / 0.34)


def _integer_vector_step(b: Builder, form: _Form) -> None:
    step = b.rng.random()
    if step < 0.55:
        _integer_multiply(b, form)
    else:
        _integer_any_step(b, form, (step - 0.55) / 0.45)


def _integer_any_step(b: Builder, form: _Form, step: float) -> None:
    x = b.element
    assert isinstance(x, Integer)
    if step < 0.2:
        b.op("relu", (b.value,), b.shape, x)
    elif step < 0.5:
        y = form.activation(b, form.scale(b, -6), signed=True)
        table = b.rng.integers(y.low, y.high + 1, 2**x.bits)
        if b.chance(0.5):
            real = np.tanh((np.arange(x.low, x.high + 1) - x.zero_point) * x.scale[0])
            table = np.clip(np.rint(real / y.scale[0]) + y.zero_point, y.low, y.high).astype(np.int64)
        name = b.const(f"table{len(b.operations)}", table, Type(shape=(2**x.bits,), element=y))
        b.op("lookup", (b.value, name), b.shape, y)
    elif step < 0.8:
        skip = b.value
        _integer_multiply(b, form, same=True)
        other = b.element
        assert isinstance(other, Integer)
        more = log2(max(x.scale[0], other.scale[0])) + int(b.rng.integers(0, 2))
        y = form.activation(b, form.scale(b, more), signed=True)
        b.op("add", (b.value, skip) if b.chance(0.5) else (skip, b.value), b.shape, y, **form.extra())
    else:
        _flat(b)


# ---- fixed point


def fixed_network(seed: int, *, element: Fixed | None = None, products: str | None = None) -> Network:
    """A random network in `element` (Q6.10): truncating shifts, `products` "truncated" (DianNao) or "exact"."""
    b = Builder(rng=numpy_generator(seed, "fixed network"))
    q = element or Fixed()
    products = products or str(b.pick("truncated", "exact"))
    b.input("x", Type(shape=_start(b)))
    b.op("quantise", (b.value,), b.shape, q)
    for _ in range(int(b.rng.integers(1, 6))):
        _fixed_step(b, q, products)
    b.op("dequantise", (b.value,), b.shape, Float())
    return b.finish(f"fixed{seed}", {"y": b.value})


def _fixed_step(b: Builder, q: Fixed, products: str) -> None:
    step, image = b.rng.random(), len(b.shape) == 4
    if step < 0.4:
        _fixed_multiply(b, q, products)
    elif step < 0.55 and image:
        window = _window(b, dilated=False)
        average = b.chance(0.5)
        more = {"rounding": "truncate"} if average else {}
        operator = "average_pool2d" if average else "max_pool2d"
        b.op(operator, (b.value,), _pooled(b, window), q, **window, **more)
    elif step < 0.65:
        b.op("relu", (b.value,), b.shape, q)
    elif step < 0.8:
        starts = np.unique(b.rng.integers(q.low, q.high + 1, 15))
        starts = np.concatenate([[q.low], starts])
        names = [
            b.const(f"{what}{len(b.operations)}", data, Type(shape=(len(data),), element=q))
            for what, data in (
                ("starts", starts),
                ("slopes", b.rng.integers(-(2**q.fraction_bits), 2**q.fraction_bits + 1, len(starts))),
                ("intercepts", b.rng.integers(q.low // 8, q.high // 8, len(starts))),
            )
        ]
        b.op("piecewise_linear", (b.value, *names), b.shape, q)
    elif step < 0.9:
        skip = b.value
        _fixed_multiply(b, q, products, same=True)
        b.op("add", (b.value, skip), b.shape, q, rounding="truncate")
    elif image:
        _flat(b)


def _fixed_multiply(b: Builder, q: Fixed, products: str, *, same: bool = False) -> None:
    index = len(b.operations)
    if len(b.shape) == 4:
        operator, (w, attributes, shape) = "conv2d", _conv_shape(b, same)
    else:
        k = b.shape[-1] if same else int(b.rng.integers(1, 9))
        operator, w, attributes, shape = "linear", (k, b.shape[-1]), {}, (*b.shape[:-1], k)
    deviation = 2.0**q.fraction_bits * b.rng.uniform(0.5, 2) / np.sqrt(prod(w[1:]))
    data = np.clip(np.rint(b.rng.normal(size=w) * deviation), q.low, q.high).astype(np.int64)
    names = [b.value, b.const(f"{operator}{index}.weight", data, Type(shape=w, element=q))]
    if b.chance(0.7):
        fraction = q.fraction_bits * (1 if products == "truncated" else 2)
        bias = Fixed(integer_bits=32 - fraction, fraction_bits=fraction)
        values = np.rint(b.rng.normal(size=w[0]) * 2.0**fraction).astype(np.int64)
        names.append(b.const(f"{operator}{index}.bias", values, Type(shape=w[:1], element=bias)))
    b.op(operator, names, shape, q, **attributes, rounding="truncate", products=products, accumulator=64)


# ---- special ones


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

    def weights(name: str, shape: tuple[int, ...]) -> str:
        element = Integer(bits=8, signed=True, scale=(0.25,))
        return b.const(name, b.rng.integers(-3, 4, shape), Type(shape=shape, element=element))

    def bias(name: str, k: int, exponent: int) -> str:
        element = Integer(bits=32, signed=True, scale=(2.0**exponent,))
        return b.const(name, b.rng.integers(-5, 6, k), Type(shape=(k,), element=element))

    b.input("x", Type(shape=(batch, 2, 7, 7)))
    b.op("quantise", ("x",), (batch, 2, 7, 7), activation(-4))
    first = b.op(
        "conv2d",
        (b.value, weights("conv1.weight", (4, 2, 3, 3)), bias("conv1.bias", 4, -6)),
        (batch, 4, 7, 7),
        activation(-3),
        padding=(1, 1, 1, 1),
        **extra,
    )
    second = b.op(
        "conv2d",
        (first, weights("conv2.weight", (4, 2, 1, 1)), bias("conv2.bias", 4, -5)),
        (batch, 4, 7, 7),
        activation(-4),
        groups=2,
        **extra,
    )
    b.op("add", (first, second), (batch, 4, 7, 7), activation(-2), **extra)
    b.op("average_pool2d", (b.value,), (batch, 4, 3, 3), activation(-3), kernel=(2, 2), stride=(2, 2), **extra)
    b.op("flatten", (b.value,), (batch, 36), b.element)
    b.op(
        "linear", (b.value, weights("fc.weight", (6, 36)), bias("fc.bias", 6, -5)), (batch, 6), activation(-3), **extra
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


# ---- inputs


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
