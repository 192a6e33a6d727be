"""Small random networks in the machine's fixed point: every operator that the compiler has a rule for, odd sizes."""

from collections.abc import Callable
from math import prod

import numpy as np

from lamina.emulation.cambricon.functions import FUNCTIONS, table
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array, Network
from lamina.ir.types import BOOL, Fixed, Type

Q = Fixed(integer_bits=6, fraction_bits=10)
PRODUCT = {"products": "exact", "accumulator": 64}


class Maker:
    """Draws a network operation by operation; `pool` are the values so far."""

    def __init__(self, seed: int, *, most: int = 8) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = Builder()
        self.pool: list[Value] = []
        self.tables: dict[str, Value] = {}
        self.input(tuple(int(self.rng.integers(1, 5)) for _ in range(self.rng.integers(1, 4))))
        if self.chance(0.6):
            self.input((1, int(self.rng.integers(1, 5)), int(self.rng.integers(3, 8)), int(self.rng.integers(3, 8))))
        steps = int(self.rng.integers(2, most))
        while len(self.b.operations) < steps:
            self.step()

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def whole(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def input(self, shape: tuple[int, ...]) -> None:
        self.pool.append(self.b.input("x", Type(shape=(1, *shape) if len(shape) < 4 else shape, element=Q)))

    def constant(self, shape: tuple[int, ...], size: float = 0.5) -> Value:
        return self.b.constant("c", stored(self.rng.normal(size=shape) * size), Type(shape=shape, element=Q))

    def value(self, fits: Callable[[Value], bool] = lambda v: True) -> Value | None:
        known = [v for v in self.pool if fits(v)]
        return known[self.whole(0, len(known) - 1)] if known else None

    def keep(self, v: Value) -> None:
        if v.type.size <= 600 and v.data is None:
            self.pool.append(v)

    def step(self) -> None:
        name = self.rng.choice([n for n in dir(self) if n.startswith("op_")])
        getattr(self, name)()

    def op_linear(self) -> None:
        x = self.value(lambda v: v.type.element == Q)
        assert x is not None
        w = self.constant((self.whole(1, 6), x.shape[-1]))
        y = self.b.emit("linear", [x, w], **PRODUCT)
        self.keep(self.b.emit("add", [y, self.constant((w.shape[0],))]) if self.chance(0.5) else y)

    def op_matmul(self) -> None:
        a = self.value(lambda v: v.type.element == Q and len(v.shape) == 2)
        if a is not None:
            b = self.value(lambda v: v.type.element == Q and len(v.shape) == 2 and v.shape[0] == a.shape[1])
            if b is None or self.chance(0.5):
                b = self.constant((a.shape[1], self.whole(1, 5)))
            self.keep(self.b.emit("matmul", [a, b], accumulator=64))

    def window(self, x: Value) -> dict[str, tuple[int, ...]]:
        r, s = self.whole(1, 3), self.whole(1, 3)
        d = (self.whole(1, 2) if 2 * r - 1 <= x.shape[2] else 1, self.whole(1, 2) if 2 * s - 1 <= x.shape[3] else 1)
        return {
            "kernel": (r, s),
            "stride": (self.whole(1, 2), self.whole(1, 3)),
            "dilation": d,
            "padding": (self.whole(0, r - 1), self.whole(0, r - 1), self.whole(0, s - 1), self.whole(0, s - 1)),
        }

    def image(self) -> Value | None:
        return self.value(
            lambda v: v.type.element == Q and len(v.shape) == 4 and v.shape[0] == 1 and min(v.shape[2:]) >= 3
        )

    def op_conv(self) -> None:
        if (x := self.image()) is not None:
            window = self.window(x)
            groups = int(self.rng.choice([g for g in (1, 2, 3, 4) if x.shape[1] % g == 0]))
            w = self.constant((groups * self.whole(1, 3), x.shape[1] // groups, *window.pop("kernel")))
            self.keep(self.b.emit("conv2d", [x, w], groups=groups, **window, **PRODUCT))

    op_conv_again = op_conv

    def op_pool(self) -> None:
        if (x := self.image()) is not None:
            if self.chance(0.5):
                self.keep(self.b.emit("max_pool2d", [x], **self.window(x)))
            else:
                window = self.window(x) | {"kernel": [(2, 2), (1, 2), (2, 1)][self.whole(0, 2)]}
                top, bottom, left, right = window["padding"]
                r, s = window["kernel"]
                window["padding"] = (min(top, r - 1), min(bottom, r - 1), min(left, s - 1), min(right, s - 1))
                self.keep(self.b.emit("average_pool2d", [x], **window))

    def op_one(self) -> None:
        x = self.value(lambda v: v.type.element == Q)
        assert x is not None
        name = str(self.rng.choice(["relu", "negate", "absolute", "clip", "lookup"]))
        if name == "clip":
            self.keep(self.b.emit("clip", [x], low=-0.5, high=float(self.rng.random())))
        elif name == "lookup":
            self.keep(self.b.emit("lookup", [x, self.function(str(self.rng.choice(list(FUNCTIONS))))]))
        else:
            self.keep(self.b.emit(name, [x]))

    def function(self, name: str) -> Value:
        if name not in self.tables:
            self.tables[name] = self.b.constant(name, table(name, 10), Type(shape=(2**16,), element=Q))
        return self.tables[name]

    def pair(self, element: object) -> tuple[Value, Value]:
        x = self.value(lambda v: v.type.element == element)
        if x is None:
            x = self.value()
            assert x is not None
            return x, x
        y = self.value(lambda v: v.type.element == element and fits(x.shape, v.shape))
        if element == Q and (y is None or self.chance(0.3)):
            shape = tuple(n if self.chance(0.6) else 1 for n in x.shape)[self.whole(0, len(x.shape) - 1) :]
            y = self.constant(shape)
        return x, y if y is not None else x

    def op_two(self) -> None:
        x, y = self.pair(Q)
        if x.type.element == y.type.element == Q:
            name = str(self.rng.choice(["add", "subtract", "multiply", "maximum", "minimum"]))
            self.keep(self.b.emit(name, [x, y]))

    op_two_again = op_two

    def op_compare(self) -> None:
        x, y = self.pair(Q)
        if x.type.element == y.type.element == Q:
            names = ["equal", "greater", "less", "greater_or_equal", "less_or_equal"]
            self.keep(self.b.emit(str(self.rng.choice(names)), [x, y]))

    def op_logic(self) -> None:
        x, y = self.pair(BOOL)
        if x.type.element == y.type.element == BOOL:
            names = ["logical_and", "logical_or", "logical_xor"]
            self.keep(self.b.emit(str(self.rng.choice(names)), [x, y]))
            self.keep(self.b.emit("logical_not", [x]))

    def op_where(self) -> None:
        c = self.value(lambda v: v.type.element == BOOL)
        if c is not None:
            y = self.value(lambda v: v.type.element == Q and fits(c.shape, v.shape)) or self.constant(c.shape)
            pairs = [(1024.0, 0.0), (1024.0, -1024.0), (7.0, 3.0)]
            a, b = (self.b.scalar(n, self.pool[0]) for n in pairs[self.whole(0, 2)])
            self.keep(self.b.emit("where", [c, y, b] if self.chance(0.5) else [c, a, b]))

    def op_reduce(self) -> None:
        x = self.value(lambda v: v.type.element == Q)
        assert x is not None
        axes = tuple(a for a in range(len(x.shape)) if self.chance(0.5)) or (len(x.shape) - 1,)
        names = ["reduce_sum", "reduce_max", "reduce_min"]
        if 1024 % prod(x.shape[a] for a in axes) == 0:
            names.append("reduce_mean")
        y = self.b.emit(str(self.rng.choice(names)), [x], axes=axes, keep=self.chance(0.5))
        if y.shape:
            self.keep(y)

    def op_move(self) -> None:
        x = self.value()
        assert x is not None
        name, n = str(self.rng.choice(["transpose", "slice", "pad", "expand", "tile", "concatenate"])), len(x.shape)
        if name == "transpose":
            self.keep(self.b.emit("transpose", [x], order=tuple(self.rng.permutation(n).tolist())))
        elif name == "slice":
            starts = tuple(self.whole(0, s - 1) for s in x.shape)
            stops = tuple(self.whole(a + 1, s) for a, s in zip(starts, x.shape, strict=True))
            self.keep(
                self.b.emit("slice", [x], starts=starts, stops=stops, steps=tuple(self.whole(1, 2) for _ in starts))
            )
        elif name == "pad" and x.type.element == Q:
            before, after = (tuple(self.whole(0, 2) for _ in x.shape) for _ in range(2))
            self.keep(self.b.emit("pad", [x], before=before, after=after, value=float(self.whole(-1, 1))))
        elif name == "expand":
            self.keep(self.b.emit("expand", [x], shape=(2, *(3 if s == 1 else s for s in x.shape))))
        elif name == "tile":
            self.keep(self.b.emit("tile", [x], repeats=tuple(self.whole(1, 2) for _ in x.shape)))
        elif name == "concatenate" and x.type.element == Q:
            axis = self.whole(0, n - 1)
            other = self.constant((*x.shape[:axis], self.whole(1, 3), *x.shape[axis + 1 :]))
            parts = [x, other, x] if self.chance(0.5) else [other, x]
            self.keep(self.b.emit("concatenate", parts, axis=axis))

    def op_view(self) -> None:
        x = self.value()
        assert x is not None
        self.keep(
            self.b.emit("reshape", [x], shape=(1, x.type.size))
            if self.chance(0.5)
            else self.b.emit("flatten", [x], start=0)
        )

    def op_scan(self) -> None:
        x = self.value(lambda v: v.type.element == Q and len(v.shape) == 2)
        s = self.value(lambda v: v.type.element == Q and len(v.shape) == 1) or self.constant((self.whole(1, 4),))
        if x is None:
            return
        w, u = self.constant((s.shape[0], x.shape[1])), self.constant((s.shape[0], s.shape[0]))
        entries, extra = self.function("tanh"), self.constant(s.shape)

        def cell(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            a, b = states
            sums = inner.emit(
                "add", [inner.emit("linear", [slices[0], w], **PRODUCT), inner.emit("linear", [a, u], **PRODUCT)]
            )
            h = inner.emit("lookup", [sums, entries])
            return [h, a], [inner.emit("multiply", [h, b]), inner.emit("add", [b, extra])]  # states change places

        finals, stacked = self.b.scan("scan", cell, states=[s, extra], sequences=[x], reverse=self.chance(0.3))
        for y in (*finals, *stacked):
            self.keep(y)

    def finish(self) -> Network:
        made = [v for v in self.pool if v.name not in self.b.inputs]
        outputs = {f"y{i}": v for i, v in enumerate(made[-3:])} or {"y": self.pool[0]}
        return self.b.network("random", outputs)


def fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether the two broadcast to something small."""
    try:
        return prod(np.broadcast_shapes(shape, other)) <= 600
    except ValueError:
        return False


def stored(real: Array) -> Array:
    return np.clip(np.rint(real * 1024), Q.low, Q.high).astype(np.int16)


def random_network(seed: int, **options: int) -> Network:
    return Maker(seed, **options).finish()


def random_inputs(network: Network, seed: int) -> dict[str, Array]:
    """Mostly small numbers, some that saturate."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, type_ in network.inputs.items():
        wild = rng.integers(-(2**15), 2**15, type_.shape)
        found[name] = np.where(rng.random(type_.shape) < 0.1, wild, stored(rng.normal(size=type_.shape))).astype(
            np.int16
        )
    return found
