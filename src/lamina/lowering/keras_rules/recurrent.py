"""Recurrent layers as a scan over time, and the layers that wrap others.

    SimpleRNN   h' = f(W x + b + U h)
    LSTM        i, f, g, o = parts of W x + b + U h;   c' = s(f) c + s(i) f(g),   h' = s(o) f(c')
    GRU         z, r = s(parts);  g = f(W x + b + r (U h + b'))  reset after,  f(W x + b + U (r h))  before;
                h' = z h + (1 - z) g

    Bidirectional     one layer forwards, one backwards, its outputs turned back and merged
    TimeDistributed   the inner layer on every step: time becomes part of the batch
    mask              a step that does not count leaves the states as they are; its output is the last one, or zero

Shapes    x [n, t, c]; kernel [c, gates u], recurrent_kernel [u, gates u], bias [gates u], of the GRU [2, 3 u]
"""

from dataclasses import replace
from math import prod

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Builder, Cell, Value
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Result, Rule, Tensor, only, plain
from lamina.lowering.keras_rules.activations import function, name_of

GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


def recurrent(layer: Layer, inputs: list[Tensor]) -> Result:
    """Output or sequence of outputs; with return_state the final states behind it."""
    layer.refuse("stateful")
    tensor, *given = inputs
    states = layer.arguments.get("initial_state")
    given = [*given, *(states if isinstance(states, list) else [states] if states is not None else [])]
    x, mask = layer.plain(tensor), tensor.mask
    if mask is not None and given:
        raise Unsupported("initial states together with a mask")
    if len(x.shape) != 3:
        raise BadInput(f"a value of shape {list(x.shape)} where [n, t, c] is needed")
    units, count = layer.whole("units"), 2 if layer.kind == "LSTM" else 1
    if given and len(given) != count:
        raise BadInput(f"{len(given)} initial states where {count} are needed")
    cell = CELLS[layer.kind](layer, x)
    begin = [layer.plain(t) for t in given]
    if not begin:
        begin = [layer.filled("initial", (x.shape[0], units), 0.0, x)] * count
    sequence = layer.emit("transpose", [x], part="steps", order=(1, 0, 2))
    backwards, zero = layer.truth("go_backwards", False), layer.truth("zero_output_for_mask", False)
    sequences = [sequence]
    if mask is not None:
        turned = layer.emit("transpose", [mask], part="counts", order=(1, 0))
        sequences.append(parts.reshape(layer.builder, f"{layer.name}.count", turned, (*turned.shape, 1)))
        cell = _masked(cell, layer.builder.scalar(0.0, x) if zero else None)
    finals, (stacked,) = layer.builder.scan(layer.name, cell, states=begin, sequences=sequences, reverse=backwards)
    if layer.truth("return_sequences", False):
        if backwards:  # Keras gives them in the order in which they were made
            stacked = parts.flip(layer.builder, f"{layer.name}.order", stacked, 0)
        result = replace(plain(layer.emit("transpose", [stacked], part="outputs", order=(1, 0, 2))), mask=mask)
    elif mask is not None and zero:
        last = 0 if backwards else stacked.shape[0] - 1
        row = parts.take(layer.builder, f"{layer.name}.row", stacked, 0, last, last + 1)
        result = plain(parts.reshape(layer.builder, f"{layer.name}.last", row, row.shape[1:]))
    else:
        result = plain(finals[0])
    return [result, *map(plain, finals)] if layer.truth("return_state", False) else result


def _masked(cell: Cell, zero: Value | None) -> Cell:
    """`cell` that does nothing in a step that does not count, and shows its last output there, or zero."""

    def guarded(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        x, counts = slices
        after, _ = cell(b, states, [x])
        kept = [b.emit("where", [counts, new, old], name="kept") for new, old in zip(after, states, strict=True)]
        shown = kept[0] if zero is None else b.emit("where", [counts, after[0], zero], name="shown")
        return kept, [shown]

    return guarded


class Weights:
    """The constants of one cell, as our linear layers take them."""

    __slots__ = ("bias", "kernel", "recurrent", "recurrent_bias")

    def __init__(self, layer: Layer, x: Value) -> None:
        units, c = layer.whole("units"), x.shape[-1]
        width = GATES[layer.kind] * units
        self.kernel = layer.constant("kernel", layer.array(0, (c, width), part="cell").T, x)
        self.recurrent = layer.constant("recurrent", layer.array(1, (units, width), part="cell").T, x)
        self.bias: list[Value] = []
        self.recurrent_bias: list[Value] = []
        if layer.truth("use_bias", True):
            two = layer.kind == "GRU" and layer.truth("reset_after", True)
            bias = layer.array(2, (2, width) if two else (width,), part="cell")
            self.bias = [layer.constant("bias", bias[0] if two else bias, x)]
            self.recurrent_bias = [layer.constant("recurrent_bias", bias[1], x)] if two else []


def _gates(b: Builder, x: Value, units: int, names: str) -> list[Value]:
    return [parts.take(b, name, x, 1, i * units, (i + 1) * units) for i, name in enumerate(names)]


def _simple(layer: Layer, x: Value) -> Cell:
    w, activation = Weights(layer, x), function(name_of(layer.get("activation", "tanh")))

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        total = b.emit(
            "add",
            [
                b.emit("linear", [slices[0], w.kernel, *w.bias], name="input"),
                b.emit("linear", [states[0], w.recurrent], name="memory"),
            ],
            name="sum",
        )
        h = activation(b, "hidden", total)
        return [h], [h]

    return cell


def _lstm(layer: Layer, x: Value) -> Cell:
    w, units = Weights(layer, x), layer.whole("units")
    activation = function(name_of(layer.get("activation", "tanh")))
    gate = function(name_of(layer.get("recurrent_activation", "sigmoid")))

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        h, c = states
        total = b.emit(
            "add",
            [
                b.emit("linear", [slices[0], w.kernel, *w.bias], name="input"),
                b.emit("linear", [h, w.recurrent], name="memory"),
            ],
            name="sum",
        )
        i, f, g, o = _gates(b, total, units, "ifgo")
        kept = b.emit("multiply", [gate(b, "forget", f), c], name="kept")
        new = b.emit("multiply", [gate(b, "write", i), activation(b, "candidate", g)], name="new")
        c = b.emit("add", [kept, new], name="cell")
        h = b.emit("multiply", [gate(b, "read", o), activation(b, "shown", c)], name="hidden")
        return [h, c], [h]

    return cell


def _gru(layer: Layer, x: Value) -> Cell:
    w, units = Weights(layer, x), layer.whole("units")
    activation = function(name_of(layer.get("activation", "tanh")))
    gate = function(name_of(layer.get("recurrent_activation", "sigmoid")))
    after = layer.truth("reset_after", True)
    data = w.recurrent.data
    assert data is not None
    gates = layer.constant("recurrent.gates", data[: 2 * units], x)
    candidate = layer.constant("recurrent.candidate", data[2 * units :], x)
    one = layer.builder.scalar(1.0, x)

    def cell(b: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        (h,) = states
        z_x, r_x, g_x = _gates(b, b.emit("linear", [slices[0], w.kernel, *w.bias], name="input"), units, "zrg")
        if after:
            memory = b.emit("linear", [h, w.recurrent, *w.recurrent_bias], name="memory")
            z_h, r_h, g_h = _gates(b, memory, units, "zrg")
        else:
            z_h, r_h = _gates(b, b.emit("linear", [h, gates], name="memory"), units, "zr")
        z = gate(b, "update", b.emit("add", [z_x, z_h], name="z_sum"))
        r = gate(b, "reset", b.emit("add", [r_x, r_h], name="r_sum"))
        if after:
            recalled = b.emit("multiply", [r, g_h], name="recalled")
        else:
            recalled = b.emit("linear", [b.emit("multiply", [r, h], name="kept"), candidate], name="recalled")
        g = activation(b, "candidate", b.emit("add", [g_x, recalled], name="g_sum"))
        fresh = b.emit("multiply", [b.emit("subtract", [one, z], name="open"), g], name="fresh")
        h = b.emit("add", [b.emit("multiply", [z, h], name="old"), fresh], name="hidden")
        return [h], [h]

    return cell


CELLS = {"SimpleRNN": _simple, "LSTM": _lstm, "GRU": _gru}


def bidirectional(layer: Layer, inputs: list[Tensor]) -> Result:
    forward = layer.inner(layer.config.get("layer"), "forward_layer", f"{layer.name}.forward")
    backward = layer.inner(layer.config.get("backward_layer"), "backward_layer", f"{layer.name}.backward")
    if forward.kind not in GATES or backward.kind != forward.kind:
        raise Unsupported(f"a layer of kind {forward.kind!r} in both directions: {', '.join(GATES)} are read")
    tensor, *given = inputs
    states = layer.arguments.get("initial_state")
    given = [*given, *(states if isinstance(states, list) else [])]
    half = len(given) // 2
    results, finals = [], []
    for inner, begin in ((forward, given[:half]), (backward, given[half:])):
        made = recurrent(inner, [tensor, *begin])
        first, *states_ = made if isinstance(made, list) else [made]
        finals.extend(states_)
        if inner is backward and inner.truth("return_sequences", False):
            first = plain(parts.flip(layer.builder, f"{layer.name}.turned", layer.plain(first), 1))
        results.append(first)
    mode = layer.config.get("merge_mode", "concat")
    if mode is None:
        if tensor.mask is not None:
            raise Unsupported("a layer in both directions with a mask and without merging")
        return [*results, *finals]
    kinds = {"concat": "Concatenate", "sum": "Add", "ave": "Average", "mul": "Multiply"}
    if mode not in kinds:
        raise BadInput(f"merge_mode {mode!r}: {', '.join(kinds)} are allowed")
    mask = results[0].mask if forward.truth("return_sequences", False) else None
    bare = [replace(result, mask=None) for result in results]
    merged = layer.shared.run(replace(layer, kind=kinds[mode], config={}, arguments={}), bare)
    merged = replace(merged, mask=mask)
    return [merged, *finals] if finals else merged


def time_distributed(layer: Layer, inputs: list[Tensor]) -> Result:
    x = layer.plain(only(inputs))
    if len(x.shape) < 3:
        raise BadInput(f"a value of shape {list(x.shape)} where [n, t, ...] is needed")
    n, t = x.shape[:2]
    b = layer.builder
    steps = b.emit("reshape", [x], name=f"{layer.name}.steps", shape=(-1, *x.shape[2:]))
    made = layer.shared.run(layer.inner(layer.config.get("layer"), "layer"), [plain(steps)])
    if not isinstance(made, Tensor):
        raise Unsupported("a layer of several outputs on every step")
    y = layer.plain(made)
    if prod(y.shape) % (n * t):
        raise BadInput("the inner layer does not keep the batch")
    return plain(b.emit("reshape", [y], name=layer.name, shape=(-1, t, *y.shape[1:])))


RULES: dict[str, Rule] = {
    "SimpleRNN": recurrent,
    "LSTM": recurrent,
    "GRU": recurrent,
    "Bidirectional": bidirectional,
    "TimeDistributed": time_distributed,
}
