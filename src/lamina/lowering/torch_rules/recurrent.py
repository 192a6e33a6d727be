"""torch's recurrent layers and cells: LSTM, GRU and the plain RNN, each direction of each layer one scan.

    lstm  c = f c + i g,  h = o tanh(c)                    i f g o = gates of  W x + b + U h + d
    gru   h = n + z (h - n),  n = tanh(W_n x + b_n + r (U_n h + d_n))          r z likewise
    rnn   h = tanh or relu of  W x + b + U h + d

What depends on the input alone, W x + b, is one fully connected layer over all steps, outside of the scan. Sequences
are [t, n, c] inside; a layer that has the batch first is turned at both ends.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.lowering.torch_rules._rule import RULES, operands, rule, transpose
from lamina.lowering.torch_rules.shape import concatenate, part, select, stack

Weights = Sequence[Value | None]  # of the input, of the state, and their biases
Step = Callable[[Builder, Value, list[Value], Weights], list[Value]]  # gates of the input, states -> next states


def _hidden(b: Builder, h: Value, weights: Weights) -> Any:
    return b.emit("linear", operands(h, weights[1], weights[3]), name="hidden")


def _gates(b: Builder, x: Value, count: int) -> list[Value]:
    size, axis = x.shape[-1] // count, len(x.shape) - 1
    return [part(b, "gate", x, axis, i * size, (i + 1) * size) for i in range(count)]


def _lstm(b: Builder, given: Value, states: list[Value], weights: Weights) -> list[Value]:
    h, c = states
    sums = b.emit("add", [given, _hidden(b, h, weights)], name="gates")
    gates = _gates(b, sums, 4)
    i, f, o = (b.emit("sigmoid", [gates[k]], name=name) for k, name in ((0, "input"), (1, "forget"), (3, "output")))
    g = b.emit("tanh", [gates[2]], name="candidate")
    kept = b.emit("multiply", [f, c], name="kept")
    c = b.emit("add", [kept, b.emit("multiply", [i, g], name="new")], name="cell")
    return [b.emit("multiply", [o, b.emit("tanh", [c], name="squashed")], name="state"), c]


def _gru(b: Builder, given: Value, states: list[Value], weights: Weights) -> list[Value]:
    (h,) = states
    (x_r, x_z, x_n), (h_r, h_z, h_n) = _gates(b, given, 3), _gates(b, _hidden(b, h, weights), 3)
    r = b.emit("sigmoid", [b.emit("add", [x_r, h_r], name="reset.sum")], name="reset")
    z = b.emit("sigmoid", [b.emit("add", [x_z, h_z], name="update.sum")], name="update")
    recalled = b.emit("multiply", [r, h_n], name="recalled")
    n = b.emit("tanh", [b.emit("add", [x_n, recalled], name="candidate.sum")], name="candidate")
    apart = b.emit("subtract", [h, n], name="apart")
    return [b.emit("add", [n, b.emit("multiply", [z, apart], name="kept")], name="state")]


def _rnn(activation: str) -> Step:
    def step(b: Builder, given: Value, states: list[Value], weights: Weights) -> list[Value]:
        sums = b.emit("add", [given, _hidden(b, states[0], weights)], name="sum")
        return [b.emit(activation, [sums], name="state")]

    return step


STEPS: dict[str, tuple[Step, int]] = {  # and how many states
    "lstm": (_lstm, 2),
    "gru": (_gru, 1),
    "rnn_tanh": (_rnn("tanh"), 1),
    "rnn_relu": (_rnn("relu"), 1),
}


def _layer(kind: str) -> Callable[..., Any]:
    step, count = STEPS[kind]

    def lowered(
        b: Builder,
        name: str,
        input: Value,
        hx: Any,
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> list[Value]:
        if train and dropout:
            raise Unsupported(f"{kind} at {name!r} with dropout in training: lower in evaluation mode")
        each, directions = 4 if has_biases else 2, 2 if bidirectional else 1
        if len(params) != each * num_layers * directions:
            raise Unsupported(f"{kind} at {name!r} with projections: proj_size=0 is lowered")
        initial = list(hx) if isinstance(hx, list | tuple) else [hx]
        x = transpose(b, f"{name}.time", input, (1, 0, 2)) if batch_first else input
        last: list[list[Value]] = [[] for _ in range(count)]
        for layer in range(num_layers):
            ways = []
            for way in range(directions):
                at = layer * directions + way
                weights = _weights(params[at * each : (at + 1) * each])
                states = [select(b, f"{name}.initial", s, 0, at) for s in initial]
                called = name + (f".l{layer}" if num_layers > 1 else "") + (".reverse" if way else "")
                finals, y = _scanned(b, called, x, states, weights, step, reverse=bool(way))
                ways.append(y)
                for part_, final in zip(last, finals, strict=True):
                    part_.append(final)
            x = concatenate(b, f"{name}.both", ways, 2)
        y = transpose(b, f"{name}.batch", x, (1, 0, 2)) if batch_first else x
        return [y, *(stack(b, f"{name}.last", part_, 0) for part_ in last)]

    return lowered


def _weights(params: Sequence[Value]) -> Weights:
    return [*params, *[None] * (4 - len(params))]


def _scanned(
    b: Builder, name: str, x: Value, states: list[Value], weights: Weights, step: Step, *, reverse: bool
) -> tuple[list[Value], Value]:
    """The last states and the first state of every step."""
    given = b.emit("linear", operands(x, weights[0], weights[2]), name=f"{name}.given")

    def cell(inner: Builder, before: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        after = step(inner, slices[0], before, weights)
        return after, [after[0]]

    finals, (y,) = b.scan(name, cell, states=states, sequences=[given], reverse=reverse)
    return finals, y


RULES.update({f"aten.{kind}.input": _layer(kind) for kind in STEPS})


@rule("aten.lstm_cell")
def lstm_cell(b: Builder, name: str, input: Value, hx: Sequence[Value], **weights: Value | None) -> list[Value]:
    return _cell(b, name, "lstm", input, list(hx), weights)


@rule("aten.gru_cell")
def gru_cell(b: Builder, name: str, input: Value, hx: Value, **weights: Value | None) -> Value:
    return _cell(b, name, "gru", input, [hx], weights)[0]


@rule("aten.rnn_tanh_cell")
def rnn_tanh_cell(b: Builder, name: str, input: Value, hx: Value, **weights: Value | None) -> Value:
    return _cell(b, name, "rnn_tanh", input, [hx], weights)[0]


@rule("aten.rnn_relu_cell")
def rnn_relu_cell(b: Builder, name: str, input: Value, hx: Value, **weights: Value | None) -> Value:
    return _cell(b, name, "rnn_relu", input, [hx], weights)[0]


def _cell(
    b: Builder, name: str, kind: str, x: Value, states: list[Value], weights: dict[str, Value | None]
) -> list[Value]:
    ordered = [weights.get(key) for key in ("w_ih", "w_hh", "b_ih", "b_hh")]
    given = b.emit("linear", operands(x, ordered[0], ordered[2]), name=name)
    return STEPS[kind][0](b, given, states, ordered)
