"""One step of a random graph for each operator with an integer meaning that computes numbers.

A step returns whether it could be done: a convolution needs an image. `STEPS` is filled by the files `graph_steps*`.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from lamina.ir import integers
from lamina.ir.build import Value
from lamina.ir.types import INDEX, Float, Integer
from tests.chain.graph_builder import MOST, Graph

Step = Callable[[Graph], bool]
STEPS: dict[str, Step] = {}


def step(function: Step) -> Step:
    STEPS[function.__name__] = function
    return function


def element(value: Value) -> Integer:
    assert isinstance(value.type.element, Integer)
    return value.type.element


def wide(*values: Value) -> dict[str, int]:
    """The accumulator that operands of these widths have."""
    return {"accumulator": 64} if max(element(v).bits for v in values) > 8 else {}


def windows(g: Graph, sizes: tuple[int, ...], *, dilated: bool = True) -> dict[str, tuple[int, ...]]:
    """Kernel, stride, dilation and padding that fit a picture."""
    rows = []
    for size in sizes:
        kernel = int(g.rng.integers(1, min(size, 3) + 1))
        dilation = 2 if dilated and kernel > 1 and 2 * (kernel - 1) < size and g.chance(0.3) else 1
        before, after = (int(v) for v in g.rng.integers(0, kernel, 2))
        rows.append((kernel, int(g.rng.integers(1, 3)), dilation, before, after))
    (a, b, c, top, bottom), (d, e, f, left, right) = rows
    return {"kernel": (a, d), "stride": (b, e), "dilation": (c, f), "padding": (top, bottom, left, right)}


def _convolved(g: Graph, x: Value, groups: int, k: int) -> bool:
    window = windows(g, x.shape[2:])
    kernel = window.pop("kernel")
    w = g.weights((k, x.shape[1] // groups, *kernel), axis=0)
    inputs = [x, w] + ([g.bias(x, w, k)] if g.chance(0.6) else [])
    g.apply("conv2d", inputs, fit=True, groups=groups, **window, **wide(x, w))
    kinds = {"dilated": max(window["dilation"]) > 1, "grouped": groups > 1, "depthwise": groups == x.shape[1] > 1}
    g.used.update(f"conv2d_{kind}" for kind, there in kinds.items() if there)
    return True


@step
def conv2d(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    return x is not None and _convolved(g, x, 1, int(g.rng.integers(1, 6)))


@step
def conv2d_grouped(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is None:
        return False
    choices = [groups for groups in range(2, x.shape[1] + 1) if x.shape[1] % groups == 0]
    if not choices:
        return False
    groups = g.pick(*choices)
    return _convolved(g, x, groups, groups * int(g.rng.integers(1, 3)))


@step
def conv2d_depthwise(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    return x is not None and x.shape[1] > 1 and _convolved(g, x, x.shape[1], x.shape[1])


@step
def conv_transpose2d(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is None or prod(x.shape) > MOST // 8:
        return False
    groups = g.pick(*(n for n in range(1, x.shape[1] + 1) if x.shape[1] % n == 0))
    kernel, stride = (tuple(int(v) for v in g.rng.integers(1, 4, 2)) for _ in range(2))
    w = g.weights((x.shape[1], int(g.rng.integers(1, 4)), *kernel), axis=1 if groups == 1 else None)
    k = w.shape[1] * groups
    inputs = [x, w] + ([g.bias(x, w, k)] if g.chance(0.6) else [])
    padding = tuple(int(g.rng.integers(0, min(n, 2))) for n in (kernel[0], kernel[0], kernel[1], kernel[1]))
    if any((size - 1) * s + r <= a + b for size, s, r, a, b in zip(
        x.shape[2:], stride, kernel, padding[::2], padding[1::2], strict=True
    )):  # fmt: skip
        return False
    extra = tuple(int(g.rng.integers(0, s)) for s in stride)
    g.apply(
        "conv_transpose2d", inputs, fit=True, groups=groups, stride=stride, padding=padding, output_padding=extra,
        **wide(x, w),
    )  # fmt: skip
    return True


@step
def linear(g: Graph) -> bool:
    x = g.of(ranks=(2, 3))
    if x is None:
        return False
    k = int(g.rng.integers(1, 9))
    w = g.weights((k, x.shape[-1]), axis=0)
    inputs = [x, w] + ([g.bias(x, w, k)] if g.chance(0.6) else [])
    g.apply("linear", inputs, fit=True, **wide(x, w))
    return True


@step
def matmul(g: Graph) -> bool:
    x = g.of(ranks=(2, 3, 4))
    if x is None:
        return False
    order = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    other = g.apply("transpose", [x], order=order)
    pair = [x, other] if g.chance(0.5) else [other, x]
    if prod(x.shape) * max(x.shape[-2:]) > 4 * MOST:
        return True
    g.apply("matmul", pair, fit=True, **wide(*pair))
    return True


def _two(g: Graph, operator: str) -> bool:
    x = g.of()
    if x is None:
        return False
    others = g.alike(x)
    if others and g.chance(0.6):
        y = g.pick(*others)
    else:
        shape = g.pick(x.shape, x.shape[-1:], (1,) * len(x.shape), ())
        stored = g.fitting(g.rng.normal(size=8))
        y = g.constant("operand", g.numbers(shape, stored), stored)
    pair = [x, y] if g.chance(0.5) else [y, x]
    g.apply(operator, pair, fit=True)
    return True


def _one(g: Graph, operator: str) -> bool:
    x = g.of()
    if x is not None:
        g.apply(operator, [x], fit=True)
    return x is not None


for _name in ("add", "subtract", "multiply"):
    STEPS[_name] = lambda g, name=_name: _two(g, name)
for _name in ("negate", "absolute"):
    STEPS[_name] = lambda g, name=_name: _one(g, name)


@step
def relu(g: Graph) -> bool:
    x = g.of()
    if x is not None:
        g.apply("relu", [x])
    return x is not None


@step
def clip(g: Graph) -> bool:
    x = g.of()
    if x is None:
        return False
    low, high = sorted(float(v) for v in g.rng.choice(g.real(x).reshape(-1), 2))
    g.apply("clip", [x], low=g.pick(low, -np.inf), high=g.pick(high, np.inf))
    return True


@step
def lookup(g: Graph) -> bool:
    x = g.of()
    if x is None:
        return False
    kind = element(x)
    real = np.tanh((np.arange(kind.low, kind.high + 1) - kind.zero_point) * kind.scale[0])
    y = g.fitting(real)
    data = g.numbers(real.shape, y)
    if g.chance(0.7):
        data = np.clip(np.rint(real / y.scale[0]) + y.zero_point, y.low, y.high)
    g.apply("lookup", [x, g.constant("table", data, y)], like=y)
    return True


@step
def average_pool2d(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is None:
        return False
    window = windows(g, x.shape[2:], dilated=False)
    g.apply("average_pool2d", [x], fit=True, include_padding=g.chance(0.6), **window)
    return True


def _reduced(g: Graph, operator: str, *, fit: bool) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axes = tuple(axis for axis in range(1, len(x.shape)) if g.chance(0.5)) or (len(x.shape) - 1,)
    g.apply(operator, [x], fit=fit, axes=axes, keep=g.chance(0.5))
    return True


for _name in ("reduce_sum", "reduce_mean"):
    STEPS[_name] = lambda g, name=_name: _reduced(g, name, fit=True)
for _name in ("reduce_max", "reduce_min"):
    STEPS[_name] = lambda g, name=_name: _reduced(g, name, fit=False)


@step
def requantise(g: Graph) -> bool:
    """To another element, as quantised networks do it: times 1."""
    x = g.of()
    if x is not None:
        one = g.constant("one", np.ones(()), Integer(bits=2))
        g.apply("multiply", [x, one], like=g.fitting(g.real(x)))
    return x is not None


@step
def dequantise(g: Graph) -> bool:
    """Through real numbers and back."""
    x = g.of()
    if x is None:
        return False
    real = g.builder.emit("dequantise", [x], element=Float())
    kind = g.fitting(g.real(x))
    made = g.builder.emit("quantise", [real], element=kind)
    g.enter(made, integers.quantise(g.real(x).astype(np.float32), kind).astype(kind.storage))
    g.read.add(x.name)
    g.used.update(("dequantise", "quantise"))
    return True


def places(g: Graph, shape: tuple[int, ...], size: int) -> Value:
    """Stored indices into an axis of `size`, some counted from its end."""
    return g.constant("places", g.rng.integers(-size, size, shape), INDEX)
