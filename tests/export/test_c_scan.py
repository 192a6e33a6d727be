"""Loops in exported C: recurrent cells, nested and reversed, equal the interpreter; code does not grow with steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina.export
from lamina.export import _c_hoist
from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.types import INDEX, Integer
from tests.export.compiled import STRICT, Library

FLAGS = ("-O1", *STRICT, "-fsanitize=undefined", "-fno-sanitize-recover=all")


class Cells:
    """Recurrent layers over one sequence [t, n, c], composed as every reader does."""

    def __init__(self, seed: int, *, steps: int = 5, n: int = 2, c: int = 3, h: int = 4) -> None:
        self.rng, self.b = np.random.default_rng(seed), Builder()
        self.steps, self.n, self.c, self.h = steps, n, c, h
        self.x = self.b.input("x", Type(shape=(steps, n, c)))

    def weight(self, name: str, *shape: int) -> Value:
        return self.b.constant(name, (self.rng.normal(size=shape) / 2).astype(np.float32))

    def zeros(self) -> Value:
        return self.b.constant("zero", np.zeros((self.n, self.h), np.float32))

    def gates(self, name: str, count: int, c: int | None = None) -> list[Value]:
        c = self.c if c is None else c
        return [
            self.weight(f"{name}.w", count * self.h, c),
            self.weight(f"{name}.u", count * self.h, self.h),
            self.weight(f"{name}.b", count * self.h),
        ]

    def lstm(self, x: Value, *, peephole: bool = False, reverse: bool = False, name: str = "lstm") -> list[Value]:
        w, u, bias = self.gates(name, 4, x.shape[-1])
        peep = [self.weight(f"{name}.p{i}", self.h) for i in range(3)] if peephole else []

        def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            h, cell_state = states
            z = b.emit("add", [b.emit("linear", [slices[0], w, bias]), b.emit("linear", [h, u])])
            i, f, g, o = (part(b, z, k, self.h) for k in range(4))
            if peephole:
                i, f = (
                    b.emit("add", [v, b.emit("multiply", [cell_state, p])]) for v, p in zip((i, f), peep, strict=False)
                )
            i, f, g = b.emit("sigmoid", [i]), b.emit("sigmoid", [f]), b.emit("tanh", [g])
            following = b.emit("add", [b.emit("multiply", [f, cell_state]), b.emit("multiply", [i, g])])
            if peephole:
                o = b.emit("add", [o, b.emit("multiply", [following, peep[2]])])
            h = b.emit("multiply", [b.emit("sigmoid", [o]), b.emit("tanh", [following])])
            return [h, following], [h]

        ends, outputs = self.b.scan(name, cell, states=[self.zeros(), self.zeros()], sequences=[x], reverse=reverse)
        return [*outputs, *ends]

    def gru(self, x: Value) -> list[Value]:
        w, u, bias = self.gates("gru", 3, x.shape[-1])
        first = self.b.input("h0", Type(shape=(self.n, self.h)))

        def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            left, right = b.emit("linear", [slices[0], w, bias]), b.emit("linear", [states[0], u])
            r = b.emit("sigmoid", [b.emit("add", [part(b, left, 0, self.h), part(b, right, 0, self.h)])])
            z = b.emit("sigmoid", [b.emit("add", [part(b, left, 1, self.h), part(b, right, 1, self.h)])])
            scaled = b.emit("multiply", [r, part(b, right, 2, self.h)])
            n = b.emit("tanh", [b.emit("add", [part(b, left, 2, self.h), scaled])])
            h = b.emit("add", [n, b.emit("multiply", [z, b.emit("subtract", [states[0], n])])])
            return [h], [h, r]

        ends, outputs = self.b.scan("gru", cell, states=[first], sequences=[x])
        return [*outputs, *ends]

    def network(self, name: str, values: Sequence[Value]) -> Network:
        return self.b.network(name, {f"y{at}": value for at, value in enumerate(values)})


def part(b: Builder, z: Value, k: int, h: int) -> Value:
    """Columns k h .. (k + 1) h of z [n, 4 h]."""
    made: Any = b.emit(
        "slice", [z], starts=(0, k * h), stops=(z.shape[0], (k + 1) * h), steps=(1, 1)
    )  # fmt: skip
    assert isinstance(made, Value)
    return made


def lstm(seed: int, **more: Any) -> Network:
    cells = Cells(seed, **{k: v for k, v in more.items() if k in ("steps", "n", "c", "h")})
    own = {k: v for k, v in more.items() if k not in ("steps", "n", "c", "h")}
    return cells.network("lstm", cells.lstm(cells.x, **own))


def bidirectional(seed: int) -> Network:
    """Two directions side by side, then a second layer over both."""
    cells = Cells(seed)
    forward, backward = cells.lstm(cells.x, name="f"), cells.lstm(cells.x, name="b", reverse=True)
    both = cells.b.emit("concatenate", [forward[0], backward[0]], axis=2)
    return cells.network("both", [*cells.lstm(both, name="top"), backward[1]])


def gru(seed: int) -> Network:
    cells = Cells(seed, steps=4)
    return cells.network("gru", cells.gru(cells.x))


def counters() -> Network:
    """A loop without sequences: two numbers that change places (Fibonacci), a counter, a power; no state is stacked."""
    b = Builder()
    x = b.input("x", Type(shape=(3,)))
    step = b.input("step", Type(shape=(), element=INDEX))

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        first, second, count, kept = states
        return [second, b.emit("add", [first, second]), b.emit("add", [count, step]), kept], []

    zero = b.constant("zero", np.asarray(0, np.int64), Type(shape=(), element=INDEX))
    ends, _ = b.scan("loop", cell, states=[x, x, zero, x], steps=9)
    return b.network("counters", {f"y{at}": value for at, value in enumerate(ends)})


def nested(seed: int) -> Network:
    """Rows of pictures inside pictures: the inner loop goes on with the outer state; weights from two levels up."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input("x", Type(shape=(3, 4, 2, 5)))
    w = b.constant("w", (rng.normal(size=(5, 5)) / 2).astype(np.float32))
    scale = b.input("scale", Type(shape=(5,)))

    def inner(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        h = b.emit("tanh", [b.emit("add", [b.emit("linear", [states[0], w]), b.emit("multiply", [slices[0], scale])])])
        return [h], [h]

    def outer(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        ends, rows = b.scan("rows", inner, states=states, sequences=slices, reverse=True)
        return ends, rows

    first = b.constant("first", np.zeros((2, 5), np.float32))
    ends, rows = b.scan("pictures", outer, states=[first], sequences=[x])
    return b.network("nested", {"last": ends[0], "rows": rows[0]})


def single_step() -> Network:
    cells = Cells(3, steps=1)
    return cells.network("one", cells.lstm(cells.x)[1:])


def integers(seed: int) -> Network:
    """h' = clip(requantise(x w + h u)) in eight bits: the state has one scale."""
    rng = np.random.default_rng(seed)
    b = Builder()
    eight, weight = Integer(bits=8, scale=(2.0**-5,)), Integer(bits=8, scale=(2.0**-6,))
    x = b.input("x", Type(shape=(6, 2, 7), element=eight))
    w, u = (
        b.constant(name, rng.integers(-60, 61, shape).astype(np.int8), Type(shape=shape, element=weight))
        for name, shape in (("w", (4, 7)), ("u", (4, 4)))
    )

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        left, right = b.emit("linear", [slices[0], w], element=eight), b.emit("linear", [states[0], u], element=eight)
        h = b.emit("clip", [b.emit("add", [left, right], element=eight)], low=-3.0, high=2.5)
        return [h], [b.emit("relu", [h])]

    first = b.constant("first", np.zeros((2, 4), np.int8), Type(shape=(2, 4), element=eight))
    ends, rows = b.scan("loop", cell, states=[first], sequences=[x])
    return b.network("integers", {"last": ends[0], "rows": rows[0]})


def every_kind() -> list[Network]:
    return [
        lstm(1), lstm(2, peephole=True, reverse=True), lstm(4, steps=8), bidirectional(5), gru(6), counters(),
        nested(7), single_step(), integers(8),
    ]  # fmt: skip


def test_recurrent_networks_equal_the_interpreter(tmp_path: Path) -> None:
    Library(every_kind(), tmp_path, *FLAGS).check()


def test_clang_agrees(tmp_path: Path) -> None:
    Library(every_kind()[2:], tmp_path, "-O2", *STRICT, compiler="clang").check()


def test_code_does_not_grow_with_steps(tmp_path: Path) -> None:
    few, many = (lamina.export.c(lstm(1, steps=steps), tmp_path / str(steps)) for steps in (10, 1000))
    few_text, many_text = (next(f for f in r.files if f.name == "lstm.c").read_text() for r in (few, many))
    assert few_text.replace("10", "N").count("\n") == many_text.count("\n")
    assert few.arena_bytes == many.arena_bytes
    assert few.flash_bytes == many.flash_bytes


def test_a_body_is_one_function_and_its_weights_are_packed_once(tmp_path: Path) -> None:
    report = lamina.export.c(lstm(1), tmp_path)
    text = (tmp_path / "lstm.c").read_text()
    assert text.count("static void lstm_op_lstm_body(") == 1
    weights = 4 * (16 * 3 + 16 * 4 + 16 + 2 * 7)
    assert report.flash_bytes == weights + 4 * 8  # and one constant of zeros for both states


def test_layers_over_slices_leave_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that overflow a cache are read once for all steps; small ones stay, since memory is dearer."""
    monkeypatch.setattr(_c_hoist, "LEAST_BYTES", 100)
    networks = [lstm(1), lstm(2, reverse=True, steps=8), bidirectional(5), gru(6), nested(7), integers(8)]
    Library(networks, tmp_path, *FLAGS).check()
    lean = _c_hoist.hoisted(networks[0])
    assert [o.operator for o in lean.operations] == ["linear", "scan"]
    assert lean.operations[0].outputs == {"lstm.linear": Type(shape=(5, 2, 16))}
    body = lean.operations[1].attributes["body"]
    assert isinstance(body, Network)
    assert sum(o.operator == "linear" for o in body.operations) == 1
    monkeypatch.undo()
    assert _c_hoist.hoisted(networks[0]) is networks[0]
