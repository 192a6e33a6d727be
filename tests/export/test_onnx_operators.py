"""Every operator of the table, written as ONNX: ONNX Runtime gives the interpreter's numbers.

`CASES` holds for each operator the sites it is tried at; an operator without one has to be named in `REFUSED`. Floats
agree to 1e-5 of the largest value, integers, places and truth values to the bit.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

import lamina.export
from lamina.core.errors import Unsupported
from lamina.export.onnx_session import session, trace
from lamina.ir import Type
from lamina.ir.build import Builder
from lamina.ir.operators import TABLE
from lamina.ir.types import BOOL, FLOAT32, INDEX, Fixed, Float, Integer

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

I8 = Integer(scale=(2.0**-4,), zero_point=3)
U8 = Integer(signed=False, scale=(2.0**-5,), zero_point=100)
I5 = Integer(bits=5, scale=(0.25,), zero_point=-2)
ODD = Integer(scale=(float(np.float32(0.037)),), zero_point=-9)  # the float form's scale
FINE, COARSE = (
    Integer(scale=(float(np.float32(0.011)),)),
    Integer(signed=False, scale=(float(np.float32(0.3)),), zero_point=7),
)
EVERY = (FLOAT32, Float(bits=64), I8, U8, I5, INDEX, BOOL)
WHOLE = (I8, U8, INDEX, BOOL)
FOUR, THREE, TWO = (2, 4, 6, 5), (2, 3, 4), (3, 4)


@dataclass
class Case:
    shapes: list
    attributes: dict = field(default_factory=dict)
    elements: object = FLOAT32  # of all operands, or a list
    result: object = None  # the result's, where it is not what the table assumes
    highest: dict = field(default_factory=dict)  # operand -> integers lie in 0..this
    low: float = -3.0
    high: float = 3.0
    constant: tuple = ()  # operands that are stored


def each(elements, *arguments, **settings):
    return [Case(*arguments, elements=e, **settings) for e in elements]


def one(*, low=-3.0, high=3.0, elements=(FLOAT32,), **attributes):
    return each(elements, [THREE], attributes, low=low, high=high)


WINDOW = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 0, 1), "dilation": (2, 1)}
POOL = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 2, 0, 1)}
CONVOLUTION = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2), "groups": 2}
TRANSPOSED = {"stride": (2, 3), "padding": (1, 0, 0, 1), "output_padding": (1, 2), "groups": 2}
BIAS = Integer(bits=32, scale=(2.0**-8,))
WEIGHT = Integer(scale=(2.0**-4,))
ROUNDED = {"rounding": "float"}


def both(**more):
    """Two operands that broadcast: floats, quantised in both forms, plain integers."""
    two = [THREE, (3, 1)]
    return [
        Case(two),
        Case(two, elements=[I8, U8], result=I5),
        Case(two, ROUNDED, elements=[FINE, ODD], result=COARSE),
        Case(two, elements=INDEX),
    ]


def pools(**more):
    return [Case([FOUR], WINDOW | more), *each((I8, U8), [FOUR], POOL | more)]


def compared():
    return each((FLOAT32, Float(bits=64), I8, U8, INDEX, BOOL), [THREE, (3, 1)])


def reduced(elements):
    settings = [{"axes": (1,)}, {"axes": (0, 2), "keep": True}, {"axes": (0, 1, 2)}]
    return [Case([THREE], a, elements=e) for e in elements for a in settings]


def summed():
    quantised = [Case([THREE], {"axes": (0, 2)}, elements=I8, result=I5)]
    return [*reduced((FLOAT32,)), *quantised, Case([THREE], {"axes": (1,)} | ROUNDED, elements=FINE, result=COARSE)]


def placed(**attributes):
    return each((FLOAT32, I8, U8), [THREE], {"axis": 1} | attributes)


def sizes(coordinates, mode, **more):
    return Case([FOUR], {"size": (9, 4), "mode": mode, "coordinates": coordinates, **more})


SMOOTH = (
    "tanh", "sigmoid", "exp", "floor", "ceil", "round", "sign", "erf", "sin", "cos", "tan", "atan", "sinh", "cosh",
    "asinh",
)  # fmt: skip
COORDINATES = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
ROUND = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
FLOATS = [FLOAT32, INDEX, FLOAT32]

CASES = {
    "conv2d": [
        Case([FOUR, (6, 2, 3, 2), (6,)], CONVOLUTION),
        Case([FOUR, (6, 4, 3, 2)], constant=(1,)),
        Case([FOUR, (6, 2, 3, 2), (6,)], CONVOLUTION, elements=[I8, WEIGHT, BIAS], result=U8, constant=(1, 2)),
        Case([FOUR, (6, 2, 3, 2)], CONVOLUTION | ROUNDED, elements=[FINE, FINE], result=COARSE, constant=(1,)),
    ],
    "conv_transpose2d": [
        Case([FOUR, (4, 3, 3, 2), (6,)], TRANSPOSED),
        Case([FOUR, (4, 3, 3, 2)], {"dilation": (2, 1)}),
        Case([FOUR, (4, 3, 3, 2), (6,)], TRANSPOSED, elements=[I8, WEIGHT, BIAS], result=U8, constant=(1, 2)),
        Case(
            [FOUR, (4, 2, 3, 2)],
            ROUNDED,
            elements=[FINE, Integer(scale=(float(np.float32(0.3)), 0.5), axis=1)],
            result=COARSE,
            constant=(1,),
        ),
    ],
    "linear": [
        Case([TWO, (5, 4), (5,)]),
        Case([THREE, (5, 4), (5,)]),
        Case([THREE, (5, 4)], constant=(1,)),
        Case([THREE, (5, 4), (5,)], elements=[I8, WEIGHT, BIAS], result=I8, constant=(1, 2)),
        Case([TWO, (5, 4)], ROUNDED, elements=[FINE, FINE], result=COARSE, constant=(1,)),
    ],
    "matmul": [
        Case([(2, 3, 4), (4, 5)]),
        Case([(2, 1, 3, 4), (3, 4, 5)]),
        Case([THREE, (2, 4, 5)], elements=[I8, U8], result=I5),
        Case([TWO, (4, 5)], ROUNDED, elements=[FINE, COARSE], result=ODD),
    ],
    "max_pool2d": pools(),
    "max_pool2d_switches": [Case([FOUR], WINDOW), *each((U8, I8), [FOUR], POOL)],
    "max_unpool2d": each((FLOAT32, I8, U8), [(2, 2, 3, 2)], {"size": (6, 5)}),
    "average_pool2d": [
        Case([FOUR], WINDOW),
        Case([FOUR], POOL | {"include_padding": False}),
        *each((I8, U8), [FOUR], POOL, result=I8),
        Case([FOUR], POOL | {"include_padding": False}, elements=I8, result=U8),
        Case([FOUR], POOL | {"include_padding": False} | ROUNDED, elements=FINE, result=ODD),
    ],
    "relu": one(elements=(FLOAT32, I8, U8, INDEX)),
    "clip": [
        *one(elements=(FLOAT32, I8, U8, INDEX), low=-1.0, high=2.0),
        Case([THREE], {"low": 0.5}),
        Case([THREE], {"high": 0.5}),
        Case([THREE]),
    ],
    "negate": [*one(elements=(FLOAT32, INDEX)), Case([THREE], elements=I8, result=U8)],
    "absolute": [*one(elements=(FLOAT32, INDEX)), Case([THREE], ROUNDED, elements=FINE, result=ODD)],
    **{name: one() for name in SMOOTH},
    **{name: one() for name in ("softplus", "softsign", "silu", "selu", "is_nan", "is_infinite")},
    **{name: one(low=0.1) for name in ("log", "sqrt", "reciprocal")},
    **{name: one(low=-0.9, high=0.9) for name in ("asin", "acos", "atanh")},
    "acosh": one(low=1.1),
    "gelu": [*one(approximate="none"), *one(approximate="tanh")],
    "elu": one(alpha=0.5),
    "leaky_relu": one(slope=0.2),
    "hard_sigmoid": one(alpha=0.3, beta=0.4),
    "logical_not": one(elements=(BOOL,)),
    "add": both(),
    "subtract": both(),
    "multiply": both(),
    "divide": [Case([THREE, (3, 1)], low=0.5), Case([THREE, (3, 1)], elements=INDEX, low=1)],
    "power": [Case([THREE, (3, 1)], low=0.1)],
    "minimum": each((FLOAT32, Float(bits=64), I8, U8, INDEX), [THREE, (3, 1)]),
    "maximum": each((FLOAT32, Float(bits=64), I8, U8, INDEX), [THREE, (3, 1)]),
    "remainder": [
        Case([THREE, (3, 1)], {"sign": s}, elements=e) for s in ("divisor", "dividend") for e in (FLOAT32, INDEX)
    ],
    **{name: compared() for name in ("equal", "less", "less_or_equal", "greater", "greater_or_equal")},
    **{name: [Case([THREE, (3, 1)], elements=BOOL)] for name in ("logical_and", "logical_or", "logical_xor")},
    "where": [Case([(3, 1), THREE, THREE], elements=[BOOL, e, e]) for e in EVERY],
    "batch_norm": [Case([FOUR, (4,), (4,), (4,), (4,)], {"epsilon": 0.01}, low=0.1), Case([TWO, *[(4,)] * 4], low=0.1)],
    "layer_norm": [
        Case([THREE]),
        Case([THREE, (3, 4)], {"axis": -2, "epsilon": 0.01}),
        Case([THREE, (4,), (4,)], {"axis": -1}),
    ],
    "lrn": [
        Case([FOUR], {"size": 3, "alpha": 0.3, "beta": 0.6, "k": 2.0}),
        Case([FOUR], {"size": 2, "alpha": 0.3}),
        Case([THREE], {"size": 3, "alpha": 0.3}),
    ],
    "softmax": [Case([THREE]), Case([FOUR], {"axis": 1})],
    "log_softmax": [Case([THREE]), Case([FOUR], {"axis": -3})],
    "reduce_sum": [*summed(), *reduced((INDEX,))],
    "reduce_mean": summed(),
    "reduce_max": reduced(EVERY),
    "reduce_min": reduced(EVERY),
    "reduce_product": reduced((FLOAT32, INDEX)),
    "argmax": [*placed(), *placed(keep=True), *placed(last=True), Case([THREE], {"axis": 2}, elements=INDEX)],
    "argmin": [*placed(), *placed(last=True), Case([THREE], {"axis": 2, "keep": True}, elements=INDEX)],
    "top_k": [
        Case([THREE], {"k": 2, "axis": 2, "largest": way}, elements=e) for e in (FLOAT32, I8, INDEX) for way in (0, 1)
    ],
    "cumulative_sum": [
        *each((FLOAT32, INDEX), [THREE], {"axis": 1}),
        Case([THREE], {"axis": 2, "exclusive": True, "reverse": True}),
    ],
    "flatten": each(EVERY, [FOUR], {"start": 2}),
    "reshape": each(EVERY, [FOUR], {"shape": (0, -1, 6)}),
    "transpose": each(EVERY, [FOUR], {"order": (2, 0, 3, 1)}),
    "concatenate": [Case([THREE, (2, 1, 4), THREE], {"axis": 1}, elements=e) for e in EVERY],
    "slice": [
        *each(EVERY, [FOUR], {"starts": (0, 1, 5, 4), "stops": (2, 3, 1, -6), "steps": (1, 1, -2, -1)}),
        Case([TWO], {"starts": (0, 0), "stops": (3, 4), "steps": (1, 1)}),
    ],
    "pad": [
        *each(EVERY, [THREE], {"before": (0, 1, 2), "after": (1, 0, 3), "value": 1.0}),
        *each((FLOAT32, I8), [THREE], {"before": (0, 1, 2), "after": (0, 2, 3), "mode": "reflect"}),
        *each((FLOAT32, U8), [THREE], {"before": (0, 1, 2), "after": (0, 0, 5), "mode": "edge"}),
        *each((FLOAT32, INDEX), [THREE], {"before": (0, 1, 2), "after": (0, 0, 3), "mode": "wrap"}),
    ],
    "expand": each(EVERY, [(3, 1)], {"shape": (2, 3, 4)}),
    "tile": each(EVERY, [TWO], {"repeats": (2, 3)}),
    "gather": [Case([THREE, (2, 2)], {"axis": 1}, elements=[e, INDEX], highest={1: 2}) for e in EVERY],
    "gather_elements": [Case([THREE, (2, 5, 4)], {"axis": 1}, elements=[e, INDEX], highest={1: 2}) for e in EVERY],
    "gather_nd": [
        Case([THREE, (5, 2)], elements=[e, INDEX], highest={1: 1}) for e in EVERY
    ] + [Case([THREE, (2, 5, 1)], {"batch": 1}, elements=[FLOAT32, INDEX], highest={1: 2})],
    "scatter_elements": [
        Case([THREE, (2, 5, 4), (2, 5, 4)], {"axis": 1}, elements=[e, INDEX, e], highest={1: 2}) for e in EVERY
    ] + [
        Case([THREE, (2, 5, 4), (2, 5, 4)], {"axis": 1, "reduction": r}, elements=FLOATS, highest={1: 2})
        for r in ("add", "mul", "max", "min")
    ],
    "scatter_nd": [
        Case([THREE, (3, 1), (3, 3, 4)], elements=[e, INDEX, e], highest={1: 1}) for e in EVERY
    ] + [
        Case([THREE, (3, 1), (3, 3, 4)], {"reduction": r}, elements=FLOATS, highest={1: 1})
        for r in ("add", "mul", "max", "min")
    ],
    "resize": [
        *each(EVERY, [FOUR], {"size": (9, 4), "mode": "nearest", "coordinates": "asymmetric", "nearest": "floor"}),
        *(sizes("half_pixel", "nearest", nearest=n) for n in ROUND),
        *(sizes(c, m) for c in COORDINATES for m in ("linear", "cubic")),
        sizes("half_pixel", "cubic", cubic_a=-0.5),
        Case([FOUR], {"size": (10, 8), "mode": "linear", "scale": (1.7, 1.7)}),
    ],
    "cast": [
        *(Case([THREE], elements=a, result=b) for a in (FLOAT32, INDEX, BOOL) for b in (Float(bits=64), INDEX, BOOL)),
        Case([THREE], elements=INDEX, result=FLOAT32),
        Case([THREE], elements=FLOAT32, result=Integer(bits=32)),
    ],
    "quantise": [Case([THREE], result=e, low=-20.0, high=20.0) for e in (I8, U8, I5, ODD, BOOL)],
    "dequantise": [Case([THREE], elements=e, result=FLOAT32) for e in (I8, U8, I5, ODD, BOOL)],
    "lookup": [Case([THREE, (256,)], elements=[I8, U8], result=U8, constant=(1,))],
}  # fmt: skip
REFUSED = {
    "piecewise_linear": r"no QuantizeLinear|no ONNX form",  # fixed point
    "uniform": "Philox",
}
OWN_TEST = {"scan"}


def numbers(case, place, type_, rng):
    element = type_.element
    if isinstance(element, Float):
        return rng.uniform(case.low, case.high, type_.shape).astype(element.storage)
    if place in case.highest:
        return rng.integers(0, case.highest[place] + 1, type_.shape, dtype=element.storage)
    low, high = max(element.low, -100), min(element.high, 100)
    if element == INDEX:
        low, high = (1 if case.low > 0 else -9), 9
    drawn = rng.integers(low, high + 1, type_.shape).astype(element.storage)
    return np.where(drawn == 0, 1, drawn) if element == INDEX and case.highest == {} else drawn


def network(name, case, rng):
    """One operation; stored operands as constants, the others as inputs."""
    b, values = Builder(), []
    count = len(case.shapes)
    elements = case.elements if isinstance(case.elements, list) else [case.elements] * count
    if name == "max_unpool2d":
        x = b.input("x", Type(shape=case.shapes[0], element=elements[0]))
        places = np.stack([rng.permutation(30)[:6] for _ in range(4)]).reshape(2, 2, 3, 2)
        made = b.emit(name, [x, b.constant("places", places)], name="y", **case.attributes)
        return b.network("n", {"out": made})
    for i, (shape, element) in enumerate(zip(case.shapes, elements, strict=True)):
        type_ = Type(shape=shape, element=element)
        if i in case.constant:
            values.append(
                b.constant(
                    f"c{i}", numbers(case, i, type_, rng) if element != BIAS else rng.integers(-99, 99, shape), type_
                )
            )
        else:
            values.append(b.input(f"x{i}", type_))
    attributes = {k: bool(v) if k == "largest" else v for k, v in case.attributes.items()}
    made = b.emit(name, values, name="y", element=case.result, **attributes)
    made = made if isinstance(made, list) else [made]
    return b.network("n", {f"out{i}": v for i, v in enumerate(made)})


def agree(net, folder, rng, case=Case([])):
    path = lamina.export.onnx(net, folder / "n.onnx")
    inputs = {name: numbers(case, int(name[1:] or 0), t, rng) for name, t in net.inputs.items()}
    given = {k: v.astype(bool) if net.inputs[k].element == BOOL else v for k, v in inputs.items()}
    wanted = net.run(inputs)
    for level in ("disabled", "all"):
        found = session(path, level=level).run(list(wanted), given)
        for array, (name, expected) in zip(found, wanted.items(), strict=True):
            assert array.shape == expected.shape, (level, name)
            if expected.dtype.kind == "f":
                reach = 1e-5 * max(abs(expected[np.isfinite(expected)]).max(initial=0), 1e-3)
                assert np.allclose(array, expected, rtol=0, atol=reach), (level, name)
            else:
                assert (array == expected).all(), (level, name, int((array != expected).sum()))


def test_every_operator_has_a_case_or_a_reason():
    assert set(TABLE) == set(CASES) | set(REFUSED) | OWN_TEST
    assert not set(CASES) & set(REFUSED)


@pytest.mark.parametrize(("name", "place"), [(name, i) for name, cases in CASES.items() for i in range(len(cases))])
def test_operator(name, place, tmp_path):
    rng = np.random.default_rng(place)
    case = CASES[name][place]
    agree(network(name, case, rng), tmp_path, rng, case)


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_what_onnx_cannot_say_is_refused(name, said, tmp_path):
    b = Builder()
    if name == "uniform":
        made = b.emit(name, [b.input("key", Type(shape=(), element=INDEX))], shape=(3,))
    else:
        of = Fixed()
        segments = [b.constant(part, np.zeros(4), Type(shape=(4,), element=of)) for part in ("at", "slope", "off")]
        made = b.emit(name, [b.input("x", Type(shape=THREE, element=of)), *segments])
    with pytest.raises(Unsupported, match=said):
        lamina.export.onnx(b.network("n", {"out": made}), tmp_path / "n.onnx")


def accumulating(weights):
    """s' = tanh(s W + x), y = (x s', s): a captured weight, an output made and one handed on."""

    def cell(b, states, slices):
        (s,), (x,) = states, slices
        after = b.emit("tanh", [b.emit("add", [b.emit("linear", [s, weights]), x], name="sum")], name="next")
        return [after], [b.emit("multiply", [x, after], name="made"), s]

    return cell


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse, tmp_path):
    rng = np.random.default_rng(0)
    b = Builder()
    weights = b.constant("w", rng.normal(size=(4, 4)).astype(np.float32))
    x, s = b.input("x0", Type(shape=(5, 3, 4))), b.input("x1", Type(shape=(3, 4)))
    (last,), (made, states) = b.scan("loop", accumulating(weights), states=[s], sequences=[x], reverse=reverse)
    agree(b.network("n", {"made": made, "last": last, "states": states}), tmp_path, rng)


def test_scan_over_nothing_but_steps_and_inside_another(tmp_path):
    b = Builder()
    s = b.input("x0", Type(shape=(3,)))

    def doubled(inner, states, slices):
        again, _ = inner.scan(
            "inner", lambda i, s, x: ([i.emit("add", [s[0], states[0]])], []), states=[states[0]], steps=2
        )
        return again, [states[0]]

    (last,), (each_,) = b.scan("loop", doubled, states=[s], steps=3)
    net = b.network("n", {"last": last, "each": each_})
    agree(net, tmp_path, np.random.default_rng(0))
    one = net.run({"x0": np.ones(3, np.float32)})
    assert one["last"].tolist() == [27, 27, 27]  # times three at every step
    assert one["each"][:, 0].tolist() == [1, 3, 9]


def test_scan_of_integers(tmp_path):
    b = Builder()
    x, s = (b.input(f"x{i}", Type(shape=shape, element=I8)) for i, shape in enumerate([(5, 3), (3,)]))

    def cell(inner, states, slices):
        after = inner.emit("add", [states[0], slices[0]], element=I8)
        return [after], [inner.emit("relu", [after])]

    (last,), (y,) = b.scan("loop", cell, states=[s], sequences=[x])
    agree(b.network("n", {"y": y, "last": last}), tmp_path, np.random.default_rng(0))


def test_a_trace_takes_truth_values_as_bytes_and_gives_single_numbers(tmp_path):
    b = Builder()
    x, mask = b.input("x", Type(shape=(2, 3))), b.input("mask", Type(shape=(2, 3), element=BOOL))
    kept = b.emit("where", [mask, x, b.scalar(0, x)], name="kept")
    net = b.network("n", {"total": b.emit("reduce_sum", [kept], name="sum", axes=(0, 1))})
    given = {"x": np.ones((2, 3), np.float32), "mask": np.eye(2, 3, dtype=np.uint8)}
    found = trace(lamina.export.onnx(net, tmp_path / "n.onnx"), given)
    assert found["total"] == net.run(given)["total"] == 2
    assert found["kept"].tolist() == np.eye(2, 3).tolist()
