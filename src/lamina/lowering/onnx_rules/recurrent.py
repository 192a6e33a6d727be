"""RNN, LSTM and GRU as scans, one for each direction.

    LSTM   i, o, f = act(x Wi' + h Ri' + p · c + b)   c' = f c + i g(...)   h' = o act(c')     peepholes p
    GRU    z, r    = act(...)   h' = (1 - z) g(...) + z h        linear_before_reset: r (h R' + b) in place of (r h) R'
    RNN    h' = act(x W' + h R' + b)

What depends on the input alone is one product over all steps before the scan. Lengths of sequences become a mask: past
its end a sequence keeps its state and gives 0. Gates come in ONNX's order; weights stay whole, their products are cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Builder, Value
from lamina.lowering._onnx_node import BOOLEAN, Node, Tensor, affordable, known
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.shape import part

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
Function = Callable[[Node, Tensor], Tensor]
Product = Callable[[Node, Tensor, Tensor | None], Tensor]  # x W' + bias
Products = Callable[[Node, int], tuple[Product, Product]]  # of a direction: those with the input and with the state


@dataclass(frozen=True, kw_only=True, slots=True)
class Direction:
    """The weights of one direction, [gates · hidden, ...], and its functions."""

    times_w: Product
    times_r: Product
    r: Tensor  # as stored; GRU takes it apart
    input_bias: Tensor | None  # all gates; hidden biases of gates where both are added in one place
    hidden_bias: Tensor | None  # of GRU's last gate, where it is added before the reset
    peepholes: list[Tensor]
    functions: list[Function]
    hidden: int
    clip: float | None
    reverse: bool


@rule("RNN", "GRU", "LSTM")
def recurrent(node: Node) -> Results:
    kind = node.proto.op_type
    hidden = node.x(2).shape[-1]
    rows = GATES[kind] * hidden
    ways = 2 if node.text("direction") == "bidirectional" else 1
    _shaped(node, {1: (ways, rows, node.x().shape[-1] if node.x().rank else 0), 2: (ways, rows, hidden)})
    return directions(node, kind, hidden, _linear)


def _linear(node: Node, way: int) -> tuple[Product, Product]:
    """Products with the weights as they are stored."""
    w, r = own(node, 1, way), own(node, 2, way)

    def times(weights: Tensor) -> Product:
        return lambda node, x, bias: node.step("linear", x, weights, *([bias] if bias is not None else []))

    return times(w), times(r)


def directions(node: Node, kind: str, hidden: int, products: Products) -> Results:
    """Outputs of every step, then the final states, of a recurrent node whose weights `products` multiplies."""
    x, batch_first = node.x(0), bool(node.integer("layout", 0))
    if x.rank != 3:
        raise BadInput(f"a sequence of shape {list(x.shape)}: [steps, batch, size] is needed")
    if batch_first:
        x = node.step("transpose", x, order=(1, 0, 2))
    way = node.text("direction", "forward")
    ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(way)
    if ways is None or node.integer("hidden_size", hidden) != hidden:
        raise BadInput(f"direction {way!r}, hidden size {node.integer('hidden_size', hidden)} and weights of {hidden}")
    _shaped(
        node, {3: (len(ways), 2 * GATES[kind] * hidden), **({7: (len(ways), 3 * hidden)} if kind == "LSTM" else {})}
    )
    functions = _functions(node, kind, len(ways))
    mask = _mask(node, x)
    outputs, finals = [], []
    for at, reverse in enumerate(ways):
        direction = _direction(node, kind, at, hidden, functions[at], reverse, products(node, at))
        states = [
            _initial(node, place, at, x.shape[1], hidden, batch_first) for place in ((5, 6) if kind == "LSTM" else (5,))
        ]
        final, steps = _run(node, kind, direction, x, states, mask)
        outputs.append(node.reshape(steps, (steps.shape[0], 1, *steps.shape[1:])))
        finals.append([node.reshape(f, (1, *f.shape)) for f in final])
    y = outputs[0] if len(outputs) == 1 else node.step("concatenate", *outputs, axis=1)
    ends = [f[0] if len(f) == 1 else node.step("concatenate", *f, axis=0) for f in zip(*finals, strict=True)]
    if batch_first:
        y = node.step("transpose", y, order=(2, 0, 1, 3))
        ends = [node.step("transpose", end, order=(1, 0, 2)) for end in ends]
    return [y, *ends]


def _shaped(node: Node, wanted: Mapping[int, tuple[int, ...]]) -> None:
    for at, shape in wanted.items():
        given = node.given(at)
        if given is not None and given.shape != shape:
            raise BadInput(f"operand {at} has shape {list(given.shape)}, {list(shape)} is needed")


def own(node: Node, at: int, way: int) -> Tensor:
    """The part of operand `at` that belongs to direction `way`."""
    x = node.x(at)
    if x.array is not None:
        name = x.name if x.shape[0] == 1 else f"{x.name}/{('forward', 'reverse')[way]}"
        return known(name, x.array[way])
    return node.reshape(part(node, x, 0, way, way + 1), x.shape[1:])


def _direction(
    node: Node,
    kind: str,
    way: int,
    hidden: int,
    functions: list[Function],
    reverse: bool,
    times: tuple[Product, Product],
) -> Direction:
    both = own(node, 3, way) if node.given(3) is not None else None
    peep = own(node, 7, way) if kind == "LSTM" and node.given(7) is not None else None
    rows = GATES[kind] * hidden
    bias = last = None
    if both is not None:
        of_input, of_hidden = part(node, both, 0, 0, rows), part(node, both, 0, rows, 2 * rows)
        if kind == "GRU" and node.integer("linear_before_reset", 0):
            last = of_hidden
            bias = of_input
        else:
            bias = node.step("add", of_input, of_hidden)
    clip = node.real("clip", 0.0) if node.has("clip") else None
    return Direction(
        times_w=times[0],
        times_r=times[1],
        r=own(node, 2, way),
        input_bias=bias,
        hidden_bias=last,
        peepholes=[part(node, peep, 0, i * hidden, (i + 1) * hidden) for i in range(3)] if peep is not None else [],
        functions=functions,
        hidden=hidden,
        clip=clip,
        reverse=reverse,
    )


def _initial(node: Node, at: int, way: int, batch: int, hidden: int, batch_first: bool) -> Tensor:
    given = node.given(at)
    if given is None:
        affordable(batch * hidden)
        return known(f"{node.name}/zero", np.zeros((batch, hidden), node.x().dtype))
    axis = 1 if batch_first else 0
    if given.rank != 3:
        raise BadInput(f"an initial state of shape {list(given.shape)}")
    return node.reshape(part(node, given, axis, way, way + 1), (batch, hidden))


def _mask(node: Node, x: Tensor) -> Tensor | None:
    """[steps, batch, 1]: whether a step lies inside its sequence; None where all do."""
    lengths = node.given(4)
    if lengths is None:
        return None
    if lengths.shape != (x.shape[1],):
        raise BadInput(f"{list(lengths.shape)} lengths for a batch of {x.shape[1]}")
    if lengths.array is not None and (lengths.array >= x.shape[0]).all():
        return None
    steps = node.constant(node.places(x.shape[0], (-1, 1, 1)), name="steps")
    made: Tensor = node.step("less", steps, node.reshape(lengths, (1, x.shape[1], 1)), dtype=bool)
    return made


def _run(
    node: Node, kind: str, direction: Direction, x: Tensor, states: Sequence[Tensor], mask: Tensor | None
) -> tuple[list[Tensor], Tensor]:
    """Final states and the stacked hidden states [steps, batch, hidden] of one direction."""
    projected = direction.times_w(node, x, direction.input_bias)
    cell = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}[kind]

    def step(inner: Builder, now: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        inside = node.within(inner)
        before = [inside.tensor(v, x.dtype) for v in now]
        after = cell(inside, direction, inside.tensor(slices[0], x.dtype), before)
        shown = after[0]
        if mask is not None:
            valid = inside.tensor(slices[1], BOOLEAN)
            after = [inside.step("where", valid, a, b, dtype=x.dtype) for a, b in zip(after, before, strict=True)]
            shown = inside.step("where", valid, shown, inside.constant(0, shown), dtype=x.dtype)
        return [inside.value(t) for t in after], [inside.value(shown)]

    finals, outputs = node.builder.scan(
        node.name,
        step,
        states=[node.value(s) for s in states],
        sequences=[node.value(projected), *([node.value(mask)] if mask is not None else [])],
        reverse=direction.reverse,
    )
    return [node.tensor(v, x.dtype) for v in finals], node.tensor(outputs[0], x.dtype)


def _cut(node: Node, x: Tensor, at: int, hidden: int, count: int = 1) -> Tensor:
    return part(node, x, x.rank - 1, at * hidden, (at + count) * hidden)


def _gate(node: Node, d: Direction, function: int, x: Tensor) -> Tensor:
    if d.clip is not None:
        x = node.step("clip", x, low=-d.clip, high=d.clip)
    return d.functions[function](node, x)


def _rnn(node: Node, d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    return [_gate(node, d, 0, node.step("add", x, d.times_r(node, states[0], None)))]


def _gru(node: Node, d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    h, size = states[0], d.hidden
    if node.integer("linear_before_reset", 0):
        products = d.times_r(node, h, d.hidden_bias)
        ahead, last = _cut(node, products, 0, size, 2), _cut(node, products, 2, size)
    else:
        ahead = node.step("linear", h, part(node, d.r, 0, 0, 2 * size))
        last = None
    gates = node.step("add", _cut(node, x, 0, size, 2), ahead)
    z, r = (_gate(node, d, 0, _cut(node, gates, i, size)) for i in (0, 1))
    if last is None:
        last = node.step("linear", node.step("multiply", r, h), part(node, d.r, 0, 2 * size, 3 * size))
    else:
        last = node.step("multiply", r, last)
    new = _gate(node, d, 1, node.step("add", _cut(node, x, 2, size), last))
    rest = node.step("subtract", node.constant(1, z), z)
    return [node.step("add", node.step("multiply", rest, new), node.step("multiply", z, h))]


def _lstm(node: Node, d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    h, c = states
    sums = node.step("add", x, d.times_r(node, h, None))
    i, o, f, g = (_cut(node, sums, at, d.hidden) for at in range(4))
    if d.peepholes:
        i = node.step("add", i, node.step("multiply", d.peepholes[0], c))
        f = node.step("add", f, node.step("multiply", d.peepholes[2], c))
    i = _gate(node, d, 0, i)
    coupled = node.integer("input_forget", 0)
    f = node.step("subtract", node.constant(1, i), i) if coupled else _gate(node, d, 0, f)
    g = _gate(node, d, 1, g)
    cell = node.step("add", node.step("multiply", f, c), node.step("multiply", i, g))
    if d.peepholes:
        o = node.step("add", o, node.step("multiply", d.peepholes[1], cell))
    o = _gate(node, d, 0, o)
    return [node.step("multiply", o, d.functions[2](node, cell)), cell]


def _functions(node: Node, kind: str, ways: int) -> list[list[Function]]:
    """The activation functions of each direction; parameters are taken in order by those that have them."""
    default = DEFAULTS[kind] * ways
    names = [n.decode("utf-8", "replace").lower() for n in node.attribute("activations", "strings", [])]
    names = names or [n.lower() for n in default]
    if len(names) != len(default):
        raise BadInput(f"{len(names)} activations, {len(default)} are needed")
    alphas, betas = node.floats("activation_alpha", []), node.floats("activation_beta", [])
    made = [_function(name, alphas, betas) for name in names]
    each = len(default) // ways
    return [made[at * each : (at + 1) * each] for at in range(ways)]


PARAMETERS: dict[str, dict[str, float | None]] = {
    "affine": {"alpha": 1.0, "beta": 0.0},
    "leakyrelu": {"alpha": 0.01},
    "thresholdedrelu": {"alpha": 1.0},
    "scaledtanh": {"alpha": 1.0, "beta": 1.0},
    "hardsigmoid": {"alpha": 0.2, "beta": 0.5},
    "elu": {"alpha": 1.0},
    "relu": {},
    "tanh": {},
    "sigmoid": {},
    "softsign": {},
    "softplus": {},
}


def _function(name: str, alphas: list[float], betas: list[float]) -> Function:
    if name not in PARAMETERS:
        raise Unsupported(f"activation {name!r}: {', '.join(PARAMETERS)} are read")
    defaults = PARAMETERS[name]
    alpha = alphas.pop(0) if "alpha" in defaults and alphas else defaults.get("alpha", 0.0)
    beta = betas.pop(0) if "beta" in defaults and betas else defaults.get("beta", 0.0)

    def apply(node: Node, x: Tensor) -> Tensor:
        made: Tensor
        if name == "affine":
            made = node.step("add", node.step("multiply", x, node.constant(alpha, x)), node.constant(beta, x))
        elif name == "scaledtanh":
            inner = node.step("tanh", node.step("multiply", x, node.constant(beta, x)))
            made = node.step("multiply", inner, node.constant(alpha, x))
        elif name == "leakyrelu":
            made = node.step("leaky_relu", x, slope=alpha)
        elif name == "thresholdedrelu":
            above = node.step("greater", x, node.constant(alpha, x), dtype=bool)
            made = node.step("where", above, x, node.constant(0, x), dtype=x.dtype)
        elif name == "hardsigmoid":
            made = node.step("hard_sigmoid", x, alpha=alpha, beta=beta)
        elif name == "elu":
            made = node.step("elu", x, alpha=alpha)
        else:
            made = node.step(name, x)
        return made

    return apply
