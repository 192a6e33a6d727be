"""Integer sums, products and means written out in ONNX in float32, where every one of them is exact.

    y = clip(Round(a m) + z)      a = (q - z_x), their sum, or (q_a - z_a)(q_b - z_b);  m from the scales

Whole numbers below 2^24 are exact in float32 in any order. With power-of-two scales the one multiplication or division
is by an exact number, and what it rounds is too far from a half to reach it; with float scales it is INTERFACE's own
formula, float32(a) m.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from lamina.export._onnx_integers import element, exact
from lamina.export._onnx_operators import PLAIN
from lamina.export._onnx_write import Task, Write
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators.pooling import divisors


def _centred(task: Task, place: int) -> str:
    """An operand as whole numbers about its zero point."""
    zero = element(task.site.inputs[place].element).zero_point
    real = task.graph.cast(task.inputs[place], np.float32, to=f"{task.to}:{place}:cast")
    offset = task.graph.tensor(f"{task.to}:{place}:offset", zero, np.float32)
    return task.node("Sub", real, offset, part=f"{place}:centred")


def _rescaled(task: Task, centred: str, part: str, place: int = 0, divisor: Array | int = 1) -> str:
    """An exact sum of one operand's numbers, over `divisor`, at the result's scale and rounded."""
    x, y = element(task.site.inputs[place].element), element(task.site.outputs[0].element)
    if exact(task) == "float":
        factors = [rules.rescale_multiplier(x, y, int(d)) for d in np.ravel(divisor)]
        by = task.graph.tensor(f"{task.to}:{part}:multiplier", np.reshape(factors, np.shape(divisor)), np.float32)
        scaled = task.node("Mul", centred, by, part=f"{part}:scaled")
    else:
        by = task.graph.tensor(f"{task.to}:{part}:divisor", np.multiply(divisor, y.scale[0] / x.scale[0]), np.float32)
        scaled = task.node("Div", centred, by, part=f"{part}:scaled")
    return task.node("Round", scaled, part=f"{part}:rounded")


def _requantised(task: Task, exact_sum: str, axis: int | None = None) -> str:
    """Products at scale s_a s_b at the result's scale and rounded; scales per channel lie along `axis`."""
    x, w, y = (element(t.element) for t in (*task.site.inputs[:2], task.site.outputs[0]))
    if exact(task) == "float":
        factors = rules.multipliers(x, w, y)
    else:
        factors = np.exp2(-rules.accumulator_exponents(x, w, y).astype(np.float64))
    shape = [-1 if a == axis else 1 for a in range(len(task.site.outputs[0].shape))] if w.axis is not None else []
    by = task.graph.tensor(f"{task.to}:multiplier", np.reshape(factors, shape), np.float32)
    return task.node("Round", task.node("Mul", exact_sum, by, part="scaled"), part="rounded")


def _saturated(task: Task, x: str) -> None:
    """Whole numbers in float, offset, clipped and stored."""
    y = element(task.site.outputs[0].element)
    zero = task.graph.tensor(f"{task.to}:zero", y.zero_point, np.float32)
    ends = [task.graph.tensor(f"{task.to}:{name}", end, np.float32) for name, end in (("low", y.low), ("high", y.high))]
    clipped = task.node("Clip", task.node("Add", x, zero, part="moved"), *ends, part="clipped")
    task.graph.cast(clipped, y.storage, to=task.to)


def _terms(operator: str) -> Write:
    """Both operands rescaled, then added or subtracted."""

    def write(task: Task) -> None:
        terms = [_rescaled(task, _centred(task, place), str(place), place) for place in (0, 1)]
        _saturated(task, task.node(operator, *terms, part="sum"))

    return write


def _function(operator: str) -> Write:
    """A function of the rescaled operand: negation, absolute value."""

    def write(task: Task) -> None:
        _saturated(task, task.node(operator, _rescaled(task, _centred(task, 0), "0"), part="function"))

    return write


def _multiply(task: Task) -> None:
    product = task.node("Mul", _centred(task, 0), _centred(task, 1), part="product")
    _saturated(task, _requantised(task, product))


def _product(operator: str) -> Write:
    """A layer on whole numbers in float, and one requantisation."""

    def write(task: Task) -> None:
        inputs = [_centred(task, 0), _centred(task, 1)]
        if len(task.inputs) > 2:
            inputs.append(task.graph.cast(task.inputs[2], np.float32, to=f"{task.to}:bias"))
        inner = Task(task.graph, task.site, tuple(inputs), (f"{task.to}:sums",))
        PLAIN[operator](inner)
        channels = 1 if "groups" in task.attributes else len(task.site.outputs[0].shape) - 1
        _saturated(task, _requantised(task, inner.to, axis=channels))

    return write


def _average(task: Task) -> None:
    counts = divisors(task.site.inputs[0].shape, task.attributes)
    inner = Task(task.graph, task.site, (_centred(task, 0),), (f"{task.to}:mean",))
    PLAIN["average_pool2d"](inner)
    count = task.graph.tensor(f"{task.to}:count", counts, np.float32)
    # the mean times its count is within 1/2 of the exact sum, which Round then gives
    total = task.node("Round", task.node("Mul", inner.to, count, part="product"), part="total")
    _saturated(task, _rescaled(task, total, "total", divisor=counts))


def _reduced(divisor: Callable[[Task], int]) -> Write:
    def write(task: Task) -> None:
        inner = Task(task.graph, task.site, (_centred(task, 0),), (f"{task.to}:sums",))
        axes = task.graph.places(f"{task.to}:axes", task.attributes["axes"])
        inner.node("ReduceSum", inner.inputs[0], axes, keepdims=int(task.attributes["keep"]))
        _saturated(task, _rescaled(task, inner.to, "total", divisor=divisor(task)))

    return write


def _counted(task: Task) -> int:
    return prod(task.site.inputs[0].shape[axis] for axis in task.attributes["axes"])


SUMS: dict[str, Write] = {
    "add": _terms("Add"),
    "subtract": _terms("Sub"),
    "negate": _function("Neg"),
    "absolute": _function("Abs"),
    "multiply": _multiply,
    "conv_transpose2d": _product("conv_transpose2d"),
    "average_pool2d": _average,
    "reduce_sum": _reduced(lambda task: 1),
    "reduce_mean": _reduced(_counted),
}
# in a scan's body ONNX Runtime does not heed `session.x64quantprecision`: what it recognised there would saturate
INSIDE: dict[str, Write] = {name: _product(name) for name in ("conv2d", "linear", "matmul")}
