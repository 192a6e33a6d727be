"""Random integer and fixed-point networks by the rules of INTERFACE section 5; see `tests/networks.py`."""

from dataclasses import dataclass
from math import log2, prod

import numpy as np

from lamina.core.seeds import numpy_generator
from lamina.ir import Fixed, Float, Integer, Network, Type
from lamina.ir.network import Attribute
from tests.network_builder import Builder, coded_data, conv_shape, fitting_window, flat, pooled, start_shape


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
    b.input("x", Type(shape=start_shape(b)))
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
        operator, (w, attributes, shape) = "conv2d", conv_shape(b, same)
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
    data, coding = coded_data(b, data) if form.coded else (data, {})
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
        window = fitting_window(b, dilated=True)
        b.op("max_pool2d", (b.value,), pooled(b, window), x, **window)
    elif step < 0.66:
        window = fitting_window(b, dilated=False)
        y = form.activation(b, form.scale(b, log2(x.scale[0]) - int(b.rng.integers(0, 3))), signed=x.signed)
        b.op("average_pool2d", (b.value,), pooled(b, window), y, **window, **form.extra())
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
        flat(b)


def fixed_network(seed: int, *, element: Fixed | None = None, products: str | None = None) -> Network:
    """A random network in `element` (Q6.10): truncating shifts, `products` "truncated" (DianNao) or "exact"."""
    b = Builder(rng=numpy_generator(seed, "fixed network"))
    q = element or Fixed()
    products = products or str(b.pick("truncated", "exact"))
    b.input("x", Type(shape=start_shape(b)))
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
        window = fitting_window(b, dilated=False)
        average = b.chance(0.5)
        more = {"rounding": "truncate"} if average else {}
        operator = "average_pool2d" if average else "max_pool2d"
        b.op(operator, (b.value,), pooled(b, window), q, **window, **more)
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
        flat(b)


def _fixed_multiply(b: Builder, q: Fixed, products: str, *, same: bool = False) -> None:
    index = len(b.operations)
    if len(b.shape) == 4:
        operator, (w, attributes, shape) = "conv2d", conv_shape(b, same)
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
