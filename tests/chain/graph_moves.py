"""Steps of a random graph that move, compare or choose integers, and scan."""

from collections.abc import Sequence
from math import prod

import numpy as np

from lamina.ir.build import Builder, Value
from lamina.ir.check import site
from lamina.ir.interpreter import meaning
from lamina.ir.types import BOOL, INDEX, Integer
from tests.chain.graph_builder import MOST, Graph
from tests.chain.graph_steps import STEPS, element, places, step, windows


def partner(g: Graph, x: Value) -> Value:
    """A value of the shape and element of `x`: another one requantised, itself mirrored, or stored numbers."""
    others = g.alike(x)
    if others and g.chance(0.5):
        y = g.pick(*others)
        if y.type.element == x.type.element:
            return y
        one = g.constant("one", np.ones(()), Integer(bits=2))
        made: Value = g.apply("multiply", [y, one], like=element(x))
        return made
    if g.chance(0.5) and x.shape:
        made = g.apply("slice", [x], **_mirror(x.shape))
        return made
    shape = x.shape if g.chance(0.5) else x.shape[-1:]
    return g.constant("operand", g.numbers(shape, element(x)), element(x))


def _mirror(shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    return {
        "starts": tuple(size - 1 for size in shape),
        "stops": tuple(-size - 1 for size in shape),
        "steps": (-1,) * len(shape),
    }


def _chosen(g: Graph, operator: str) -> bool:
    x = g.of()
    if x is not None:
        g.apply(operator, [x, partner(g, x)])
    return x is not None


COMPARED = ("equal", "less", "less_or_equal", "greater", "greater_or_equal")
for _name in ("minimum", "maximum", *COMPARED):
    STEPS[_name] = lambda g, name=_name: _chosen(g, name)


@step
def where(g: Graph) -> bool:
    x = g.of()
    if x is None:
        return False
    other = partner(g, x)
    condition = g.apply(g.pick(*COMPARED), [x, partner(g, x)])
    g.apply("where", [condition, x, other] if g.chance(0.5) else [condition, other, x])
    return True


@step
def logical(g: Graph) -> bool:
    x = g.of()
    if x is None:
        return False
    first, second = (g.apply(g.pick(*COMPARED), [x, partner(g, x)]) for _ in range(2))
    g.apply("logical_not", [g.apply(g.pick("logical_and", "logical_or", "logical_xor"), [first, second])])
    return True


@step
def max_pool2d(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is not None:
        g.apply("max_pool2d", [x], **windows(g, x.shape[2:]))
    return x is not None


@step
def max_unpool2d(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is not None:
        values, switches = g.apply("max_pool2d_switches", [x], **windows(g, x.shape[2:]))
        g.apply("max_unpool2d", [values, switches], size=x.shape[2:])
    return x is not None


@step
def concatenate(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape or prod(x.shape) > MOST // 2:
        return False
    other = partner(g, x)
    if other.shape != x.shape:
        return False
    g.apply("concatenate", [x, other], axis=int(g.rng.integers(len(x.shape))))
    return True


@step
def slice_(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    parts = []
    for size in x.shape:
        start, stop = sorted(int(v) for v in g.rng.integers(0, size + 1, 2))
        stride = int(g.rng.integers(1, 3))
        kept = g.chance(0.5) or start == stop
        forward = (0, size, 1) if kept else (start, stop, stride)
        parts.append(
            (forward[1] - 1, forward[0] - 1 if forward[0] else -size - 1, -stride) if g.chance(0.2) else forward
        )
    starts, stops, steps = zip(*parts, strict=True)
    g.apply("slice", [x], starts=starts, stops=stops, steps=steps)
    return True


@step
def pad(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape or prod(x.shape) > MOST // 4:
        return False
    mode = g.pick("constant", "constant", "edge", "reflect", "wrap")
    most = [2 if mode == "constant" else size - 1 if mode == "reflect" else size for size in x.shape]
    before, after = (tuple(int(g.rng.integers(0, min(m, 2) + 1)) if g.chance(0.5) else 0 for m in most) for _ in "ab")
    value = float(g.rng.choice(g.real(x).reshape(-1))) if g.chance(0.5) else 0.0
    g.apply("pad", [x], before=before, after=after, mode=mode, value=value)
    return True


@step
def transpose(g: Graph) -> bool:
    x = g.of(ranks=(2, 3, 4))
    if x is not None:
        rest = [int(axis) + 1 for axis in g.rng.permutation(len(x.shape) - 1)]
        g.apply("transpose", [x], order=(0, *rest))
    return x is not None


@step
def reshape(g: Graph) -> bool:
    x = g.of(ranks=(2, 3, 4))
    if x is None:
        return False
    n, rest = x.shape[0], prod(x.shape[1:])
    part = g.pick(*(d for d in range(1, min(rest, 12) + 1) if rest % d == 0))
    g.apply("reshape", [x], shape=g.pick((0, -1), (0, part, -1), (n, part, 1, rest // part), (n, 1, part, -1)))
    return True


@step
def flatten(g: Graph) -> bool:
    x = g.of(ranks=(3, 4))
    if x is not None:
        g.apply("flatten", [x], start=int(g.rng.integers(1, len(x.shape) - 1)))
    return x is not None


@step
def gather(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axis = int(g.rng.integers(len(x.shape)))
    shape = g.pick((), (3,), (2, 2)) if len(x.shape) < 4 else (int(g.rng.integers(1, 4)),)
    g.apply("gather", [x, places(g, shape, x.shape[axis])], axis=axis)
    return True


@step
def embedding(g: Graph) -> bool:
    """A gather from a stored table at places that the graph computes."""
    x = g.of(ranks=(2, 3))
    if x is None or x.shape[-1] < 2:
        return False
    found = g.apply("argmax", [x], axis=len(x.shape) - 1)
    kind = g.fitting(g.rng.normal(size=8))
    table = g.constant("table", g.numbers((x.shape[-1], int(g.rng.integers(1, 5))), kind), kind)
    g.apply("gather", [table, found], axis=0)
    return True


@step
def gather_elements(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axis = int(g.rng.integers(len(x.shape)))
    shape = tuple(int(g.rng.integers(1, size + 1)) for size in x.shape)
    g.apply("gather_elements", [x, places(g, shape, x.shape[axis])], axis=axis)
    return True


def _tuples(g: Graph, x: Value) -> Value:
    depth = int(g.rng.integers(1, len(x.shape) + 1))
    count = int(g.rng.integers(1, 4))
    return places(g, (count, depth), min(x.shape[:depth]))


@step
def gather_nd(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    g.apply("gather_nd", [x, _tuples(g, x)])
    return True


@step
def scatter_nd(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    indices = _tuples(g, x)
    shape = (*indices.shape[:-1], *x.shape[indices.shape[-1] :])
    updates = g.constant("updates", g.numbers(shape, element(x)), element(x))
    g.apply("scatter_nd", [x, indices, updates], reduction=g.pick("none", "max", "min", "add"))
    return True


@step
def scatter_elements(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axis = int(g.rng.integers(len(x.shape)))
    shape = tuple(int(g.rng.integers(1, size + 1)) for size in x.shape)
    updates = g.constant("updates", g.numbers(shape, element(x)), element(x))
    indices = places(g, shape, x.shape[axis])
    g.apply("scatter_elements", [x, indices, updates], axis=axis, reduction=g.pick("none", "max", "min", "add"))
    return True


@step
def resize(g: Graph) -> bool:
    x = g.of(ranks=(4,))
    if x is None or prod(x.shape) > MOST // 4:
        return False
    size = tuple(int(v) for v in g.rng.integers(1, 9, 2))
    coordinates = g.pick("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    nearest = g.pick("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    if g.chance(0.5):
        size, coordinates, nearest = (2 * x.shape[2], 2 * x.shape[3]), "asymmetric", "floor"
    g.apply("resize", [x], size=size, coordinates=coordinates, nearest=nearest)
    return True


@step
def expand(g: Graph) -> bool:
    x = g.of()
    if x is None or prod(x.shape) > MOST // 8:
        return False
    shape = tuple(3 if size == 1 and g.chance(0.7) else size for size in x.shape)
    g.apply("expand", [x], shape=(2, *shape) if len(shape) < 3 and g.chance(0.5) else shape)
    return True


@step
def tile(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape or prod(x.shape) > MOST // 8:
        return False
    g.apply("tile", [x], repeats=tuple(int(g.rng.integers(1, 3)) for _ in x.shape))
    return True


def _place(g: Graph, operator: str) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axis = int(g.rng.integers(len(x.shape)))
    g.apply(operator, [x], axis=axis, keep=g.chance(0.3), last=g.chance(0.3))
    return True


for _name in ("argmax", "argmin"):
    STEPS[_name] = lambda g, name=_name: _place(g, name)


@step
def top_k(g: Graph) -> bool:
    x = g.of()
    if x is None or not x.shape:
        return False
    axis = int(g.rng.integers(len(x.shape)))
    g.apply("top_k", [x], axis=axis, k=int(g.rng.integers(1, x.shape[axis] + 1)), largest=g.chance(0.7))
    return True


INSIDE = ("linear", "lookup", "negate", "absolute", "add", "subtract", "multiply", "minimum", "relu", "clip", "where")


@step
def scan(g: Graph) -> bool:
    """A body of a few steps; its state is requantised to its one element."""
    x = g.of(ranks=(3,))
    if x is None or prod(x.shape) > MOST // 2:
        return False
    kind = g.fitting(g.rng.normal(size=8))
    state = g.constant("state", g.numbers(x.shape[1:], kind), kind)
    inner_used = g.used

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        inner = Graph(g.rng, g.form, g.bits, b, used=inner_used)
        inner.enter(slices[0], g.sample(x)[0])
        inner.enter(states[0], g.sample(state))
        inner.apply("add", [slices[0], states[0]], fit=True)
        for _ in range(int(g.rng.integers(1, 4))):
            STEPS[g.pick(*INSIDE)](inner)
        last = next(v for v in reversed(inner.values) if v.type.element != BOOL)
        folded = last if last.shape == states[0].shape else slices[0]
        following = inner.apply("add", [folded, states[0]], like=kind)
        return [following], [last] if g.chance(0.5) else [following]

    finals, stacked = g.builder.scan("scan", cell, states=[state], sequences=[x], reverse=g.chance(0.3))
    operation = g.builder.operations[-1]
    _sampled(g, operation.outputs, [state, x], [*finals, *stacked])
    return True


def _sampled(g: Graph, outputs: object, inputs: list[Value], made: list[Value]) -> None:
    operation = g.builder.operations[-1]
    constants = g.builder.constants
    types = {n: c.type for n, c in constants.items()} | {v.name: v.type for v in (*inputs, *made)}
    types |= {v.name: v.type for v in g.values}
    arrays = [g.samples[name] if name in g.samples else constants[name].data for name in operation.inputs]
    for value, array in zip(made, meaning(operation, site(operation, types), arrays), strict=True):
        g.enter(value, array)
    g.used["scan"] += 1
    g.read.update(operation.inputs)


@step
def plain(g: Graph) -> bool:
    """Places and counts, plain integers: the arithmetic that has its meaning on them alone."""
    found = [v for v in g.values if v.type.element == INDEX and v.shape]
    values = g.of(ranks=(2, 3, 4))
    if not found and values is None:
        return False
    x = found[-1] if found else g.apply("argmax", [values], axis=1)
    by = g.constant("by", g.rng.choice([-3, -2, 1, 2, 3, 5], x.shape[-1:]), INDEX)
    axis = int(g.rng.integers(len(x.shape)))
    operator = g.pick("cumulative_sum", "reduce_product", "divide", "remainder", "power", "cast")
    if operator == "cumulative_sum":
        g.apply(operator, [x], axis=axis, exclusive=g.chance(0.5), reverse=g.chance(0.5))
    elif operator == "reduce_product":
        near = g.apply("remainder", [x, g.constant("three", np.asarray(3), INDEX)])
        g.apply(operator, [near], axes=(axis,), keep=g.chance(0.5))
    elif operator == "power":
        near = g.apply("remainder", [x, g.constant("five", np.asarray(5), INDEX)])
        g.apply(operator, [near, g.constant("three", np.asarray(3), INDEX)])
    elif operator == "cast":
        g.apply(operator, [x], like=BOOL)
    else:
        g.apply(operator, [x, by], **({"sign": g.pick("divisor", "dividend")} if operator == "remainder" else {}))
    return True
