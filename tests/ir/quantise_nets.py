"""Float networks that are quantised in tests: recurrent cells, attention, one network with every operator."""

from collections.abc import Sequence

import numpy as np

from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.types import INDEX


def _part(i: Builder, gates: Value, index: int, size: int) -> Value:
    n = gates.shape[0]
    made: Value = i.emit("slice", [gates], starts=(0, index * size), stops=(n, (index + 1) * size), steps=(1, 1))
    return made


def lstm_tagger(*, steps: int, batch: int, words: int, hidden: int, tags: int, seed: int = 0) -> Network:
    """Embedding, LSTM, one linear layer over every step, argmax; inputs: tokens [steps, batch]."""
    rng = np.random.default_rng(seed)
    b = Builder()
    tokens = b.input("tokens", Type(shape=(steps, batch), element=INDEX))
    k = 1.5 * hidden**-0.5
    w = {n: b.constant(n, rng.uniform(-k, k, s).astype(np.float32)) for n, s in (
        ("wx", (4 * hidden, hidden)), ("wh", (4 * hidden, hidden)), ("bias", (4 * hidden,)),
        ("out", (tags, hidden)), ("out_bias", (tags,)),
    )}  # fmt: skip
    table = b.constant("embedding", rng.normal(size=(words, hidden)).astype(np.float32))
    x = b.emit("gather", [table, tokens], name="embedded")
    zeros = b.constant("zeros", np.zeros((batch, hidden), np.float32))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        gates = i.emit(
            "add", [i.emit("linear", [slices[0], w["wx"], w["bias"]]), i.emit("linear", [states[0], w["wh"]])]
        )
        enter, forget, new, leave = (_part(i, gates, k, hidden) for k in range(4))
        kept = i.emit("multiply", [i.emit("sigmoid", [forget]), states[1]], name="kept")
        came = i.emit("multiply", [i.emit("sigmoid", [enter]), i.emit("tanh", [new])], name="came")
        c = i.emit("add", [kept, came], name="c")
        h = i.emit("multiply", [i.emit("sigmoid", [leave]), i.emit("tanh", [c])], name="h")
        return [h, c], [h]

    (_, c_n), (y,) = b.scan("lstm", cell, states=[zeros, zeros], sequences=[x])
    scores = b.emit("linear", [y, w["out"], w["out_bias"]], name="scores")
    return b.network("tagger", {"scores": scores, "tags": b.emit("argmax", [scores], axis=2), "cell": c_n})


def gru(*, steps: int, batch: int, inputs: int, hidden: int, seed: int = 0, reverse: bool = False) -> Network:
    """A GRU layer in torch's form; inputs x [steps, batch, inputs], h [batch, hidden]."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input("x", Type(shape=(steps, batch, inputs)))
    h = b.input("h", Type(shape=(batch, hidden)))
    k = 1.5 * hidden**-0.5
    w = {n: b.constant(n, rng.uniform(-k, k, s).astype(np.float32)) for n, s in (
        ("wx", (3 * hidden, inputs)), ("wh", (3 * hidden, hidden)), ("bx", (3 * hidden,)), ("bh", (3 * hidden,)),
    )}  # fmt: skip

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        gx, gh = i.emit("linear", [slices[0], w["wx"], w["bx"]]), i.emit("linear", [states[0], w["wh"], w["bh"]])
        reset, update = (
            i.emit("sigmoid", [i.emit("add", [_part(i, gx, k, hidden), _part(i, gh, k, hidden)])]) for k in (0, 1)
        )
        inside = i.emit("multiply", [reset, _part(i, gh, 2, hidden)])
        new = i.emit("tanh", [i.emit("add", [_part(i, gx, 2, hidden), inside])])
        came = i.emit("multiply", [i.emit("subtract", [i.scalar(1.0), update]), new])
        following = i.emit("add", [came, i.emit("multiply", [update, states[0]])], name="h_next")
        return [following], [following]

    (last,), (y,) = b.scan("gru", cell, states=[h], sequences=[x], reverse=reverse)
    return b.network("gru", {"y": y, "h_n": last})


def attention(*, batch: int, length: int, width: int, heads: int, seed: int = 0) -> Network:
    """One masked self-attention block with its feed-forward part, layer norms and residual sums."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input("x", Type(shape=(batch, length, width)))
    each = width // heads

    def dense(v: Value, k: int, name: str) -> Value:
        weight = b.constant(f"{name}.w", (rng.normal(size=(k, v.shape[-1])) * v.shape[-1] ** -0.5).astype(np.float32))
        made: Value = b.emit(
            "linear", [v, weight, b.constant(f"{name}.b", rng.normal(size=k).astype(np.float32) / 9)], name=name
        )
        return made

    def split(v: Value, order: tuple[int, ...]) -> Value:
        shaped = b.emit("reshape", [v], shape=(batch, length, heads, each))
        made: Value = b.emit("transpose", [shaped], order=order)
        return made

    q, k, v = split(dense(x, width, "q"), (0, 2, 1, 3)), split(dense(x, width, "k"), (0, 2, 3, 1)), None
    v = split(dense(x, width, "v"), (0, 2, 1, 3))
    scores = b.emit("multiply", [b.emit("matmul", [q, k], name="scores"), b.scalar(each**-0.5)], name="scaled")
    mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
    weights = b.emit("softmax", [b.emit("add", [scores, b.constant("mask", mask)], name="masked")], name="weights")
    mixed = b.emit("transpose", [b.emit("matmul", [weights, v], name="mixed")], order=(0, 2, 1, 3))
    joined = dense(b.emit("reshape", [mixed], shape=(batch, length, width)), width, "joined")
    y = b.emit("layer_norm", [b.emit("add", [x, joined], name="residual")], name="norm")
    fed = dense(b.emit("gelu", [dense(y, 2 * width, "up")], name="bent"), width, "down")
    return b.network("attention", {"y": b.emit("add", [y, fed], name="out")})


def zoo(*, batch: int = 2, seed: int = 0, softmax: bool = True) -> Network:
    """Every operator with an integer meaning that a picture can pass through, residual sums and branches among them."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input("x", Type(shape=(batch, 4, 12, 12)))

    def weight(*shape: int) -> Value:
        fan = np.prod(shape[1:])
        return b.constant("w", (rng.normal(size=shape) * fan**-0.5).astype(np.float32))

    def numbers(*shape: int) -> Value:
        return b.constant("c", rng.normal(size=shape).astype(np.float32))

    e = b.emit
    padding = (1, 1, 1, 1)
    a = e("relu", [e("conv2d", [x, weight(8, 2, 3, 3), numbers(8)], groups=2, padding=padding, name="grouped")])
    a = e("conv2d", [a, weight(8, 1, 3, 3)], groups=8, dilation=(2, 2), padding=(2, 2, 2, 2), name="depthwise")
    a = e(
        "batch_norm",
        [e("silu", [a]), *(b.constant("n", np.abs(rng.normal(size=8)).astype(np.float32)) for _ in range(4))],
    )
    c = e("clip", [e("conv2d", [x, weight(8, 4, 1, 1), numbers(8)])], low=0.0, high=1.5)
    s = e("add", [a, c], name="residual")
    s = e("multiply", [s, e("sigmoid", [e("reduce_mean", [s], axes=(2, 3), keep=True)])], name="squeezed")
    values, switches = e("max_pool2d_switches", [s], kernel=(2, 2), stride=(2, 2))
    d = e("max_unpool2d", [e("negate", [values]), switches], size=(12, 12))
    u = e("resize", [e("average_pool2d", [s], kernel=(3, 3), stride=(3, 3))], size=(12, 12))
    t = e(
        "conv_transpose2d",
        [e("max_pool2d", [s], kernel=(2, 2), stride=(2, 2)), weight(8, 4, 2, 2), numbers(4)],
        stride=(2, 2),
    )
    j = e("concatenate", [d, u, t], axis=1, name="joined")
    j = e("pad", [e("slice", [j], starts=(0, 0, 1, 1), stops=(batch, 20, 11, 11), steps=(1, 1, 1, 1))],
          before=(0, 0, 1, 1), after=(0, 0, 1, 1), mode="reflect")  # fmt: skip
    m = e(
        "where",
        [e("greater", [j, e("absolute", [e("subtract", [j, numbers(20, 1, 1)])])]), j, e("minimum", [j, numbers(1)])],
    )
    first = e("slice", [m], starts=(0,) * 4, stops=(batch, 20, 1, 12), steps=(1,) * 4)
    rows = b.constant("rows", np.zeros((batch, 20, 1, 12), np.int64))
    m = e("maximum", [m, e("scatter_elements", [m, rows, first], axis=2)])
    p = e("reshape", [e("transpose", [m], order=(0, 2, 3, 1))], shape=(0, 144, 20))
    p = e("gather", [p, b.constant("some", np.arange(0, 144, 5))], axis=1)
    p = e("power", [e("exp", [e("tanh", [p])]), b.scalar(2.0)])
    g = e("matmul", [p, e("transpose", [p], order=(0, 2, 1))], name="gram")
    g = e("divide", [e("reduce_sum", [e("tile", [g], repeats=(1, 1, 2))], axes=(2,)), b.scalar(9.0)])
    h = e("gelu", [e("linear", [g, weight(10, 29), numbers(10)], name="scores")])
    best, places = e("top_k", [h], k=3, axis=1)
    top = e("expand", [e("reduce_max", [best], axes=(1,), keep=True)], shape=(batch, 10))
    h = e("add", [h, top])
    h = e("softmax", [h]) if softmax else h
    return b.network(
        "zoo", {"y": h, "best": e("gather_elements", [g, places], axis=1), "places": e("argmin", [g], axis=1)}
    )
