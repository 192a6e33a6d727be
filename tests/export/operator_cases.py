"""Every operator of the table at random: operands, attributes and types that go together, for tests of exporters.

CASES      operator -> a function of a random generator that gives one `Case`
network    many cases side by side in one network: one compilation holds many functions
"""

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import numpy as np
from numpy.random import Generator

from lamina.ir import Network, Type
from lamina.ir.build import Builder
from lamina.ir.types import BOOL, INDEX, Element, Float, Integer
from tests.export import case_moves
from tests.export.case_parts import (
    ASYMMETRIC,
    EIGHT,
    SIXTEEN,
    UNEVEN,
    Case,
    Operand,
    Shape,
    anything,
    broadcast,
    chance,
    fixed,
    operand,
    pick,
    real,
    shape,
)


def network(name: str, operators: Sequence[str], rng: Generator, *, times: int) -> tuple[Network, dict[str, Operand]]:
    """`times` cases of each operator, and what each input is drawn from."""
    b, drawn, ends = Builder(), {}, {}
    for operator in operators:
        for at in range(times):
            case = CASES[operator](rng)
            values = []
            for place, given in enumerate(case.operands):
                label = f"{operator}{at}.{place}"
                if given.data is None:
                    values.append(b.input(label, given.type))
                    drawn[label] = given
                else:
                    values.append(b.constant(label, given.data, given.type))
            made = b.emit(operator, values, name=f"{operator}{at}", element=case.element, **case.attributes)
            if operator == "quantise":  # at the border of a network it would be left out
                ends[f"{operator}{at}.x"] = values[0]
            if operator == "dequantise":
                made = b.emit("relu", [made])
            results = made if isinstance(made, list) else [made]
            ends.update({f"{operator}{at}.y{i}": value for i, value in enumerate(results)})
    return b.network(name, ends), drawn


def _activation(low: float, high: float, **attributes: Any) -> Callable[[Generator], Case]:
    return lambda rng: Case(operands=[operand(shape(rng), real(rng), low, high)], attributes=attributes)


def _with_integers(attributes: Callable[[Generator], dict[str, Any]], *results: Element) -> Callable[[Generator], Case]:
    """Activations that have an integer meaning."""

    def case(rng: Generator) -> Case:
        x = pick(rng, Float(), Float(bits=64), EIGHT, ASYMMETRIC, SIXTEEN)
        y = x if isinstance(x, Float) or not results else pick(rng, x, *results)
        return Case(operands=[operand(shape(rng), x)], attributes=attributes(rng), element=y)

    return case


def _bounds(rng: Generator) -> dict[str, Any]:
    low = float(pick(rng, -inf, -0.7, 0.0))
    return {"low": low, "high": float(pick(rng, inf, 0.31, 1.5))}


def _gelu(rng: Generator) -> Case:
    return Case(operands=[operand(shape(rng), real(rng), -2, 4)], attributes={"approximate": pick(rng, "none", "tanh")})


def _special(rng: Generator) -> Case:
    """Infinities and NaN that arise inside: logarithms of 0 and below are their own operation, so here a constant."""
    return Case(operands=[operand(shape(rng), real(rng), -1, 1)])


def _binary(*elements: Element, low: float = -2.0, high: float = 2.0, second: float | None = None, **attributes: Any):
    def case(rng: Generator) -> Case:
        element, (a, b) = pick(rng, *elements), broadcast(rng)
        if element == INDEX:
            return Case(operands=[operand(a, INDEX, -40, 40), operand(b, INDEX, 1, 9)], attributes=attributes)
        return Case(
            operands=[operand(a, element, low, high), operand(b, element, low if second is None else second, high)],
            attributes=attributes,
        )

    return case


def _sum(rng: Generator) -> Case:
    """Plain numbers, or quantised operands of different scales."""
    a, b = broadcast(rng)
    if chance(rng):
        return _binary(Float(), Float(bits=64), INDEX)(rng)
    if chance(rng):
        elements, y, rounding = (UNEVEN, EIGHT), UNEVEN, "float"
    else:
        elements, y, rounding = (pick(rng, EIGHT, SIXTEEN), ASYMMETRIC), pick(rng, EIGHT, SIXTEEN), "power_of_two"
    return Case(
        operands=[operand(a, elements[0]), operand(b, elements[1])], attributes={"rounding": rounding}, element=y
    )


def _where(rng: Generator) -> Case:
    a, b = broadcast(rng)
    element = anything(rng)
    return Case(operands=[operand(shape_of(rng, a, b), BOOL), operand(a, element), operand(b, element)])


def shape_of(rng: Generator, a: Shape, b: Shape) -> Shape:
    return tuple(int(v) for v in np.broadcast_shapes(a, b))


def _axis_case(element: Callable[[Generator], Element], attributes: Callable[[Generator, Shape, int], dict[str, Any]]):
    """An operator along one axis."""

    def case(rng: Generator) -> Case:
        of = shape(rng, most=7)
        axis = int(rng.integers(len(of)))
        return Case(operands=[operand(of, element(rng))], attributes={"axis": axis, **attributes(rng, of, axis)})

    return case


def _reduce(*elements: Element) -> Callable[[Generator], Case]:
    def case(rng: Generator) -> Case:
        element, of = pick(rng, *elements), shape(rng, most=int(pick(rng, 4, 20)))
        axes = tuple(axis for axis in range(len(of)) if chance(rng, 0.6)) or (len(of) - 1,)
        reach = 30 if element == INDEX else 2
        rounded = {"rounding": "float"} if element == UNEVEN else {}
        return Case(
            operands=[operand(of, element, -reach, reach)],
            attributes={"axes": axes, "keep": chance(rng), **rounded},
            element=pick(rng, element, ASYMMETRIC) if UNEVEN in elements and element in (UNEVEN, EIGHT) else element,
        )

    return case


def _matmul(rng: Generator) -> Case:
    m, c, n = shape(rng, 3, 9)
    batch = shape(rng, int(rng.integers(0, 3)), 3)
    other = tuple(1 if chance(rng, 0.3) else size for size in batch)[int(rng.integers(0, len(batch) + 1)) :]
    elements: tuple[Element, Element] = pick(rng, *((e, e) for e in (Float(), Float(bits=64))), (EIGHT, EIGHT))
    more: dict[str, Any] = {}
    y = elements[0]
    if elements[0] == EIGHT:
        elements, y, rounding = pick(
            rng,
            ((EIGHT, ASYMMETRIC), Integer(bits=8, scale=(2.0**-2,)), "power_of_two"),
            ((UNEVEN, ASYMMETRIC), UNEVEN, "float"),
        )
        more = {"rounding": rounding, "accumulator": 32}
    return Case(
        operands=[operand((*batch, m, c), elements[0]), operand((*other, c, n), elements[1])],
        attributes=more,
        element=y,
    )


def _linear(rng: Generator) -> Case:
    """Weights packed, weights computed; floats and integers."""
    n, c, k = shape(rng, 3, 19)
    return _weighted(rng, (n, c), (k, c), k, {})


def _conv2d(rng: Generator) -> Case:
    groups, n = int(pick(rng, 1, 1, 2, 3)), int(rng.integers(1, 3))
    c, k = (int(v) for v in rng.integers(1, 4, 2))
    kernel, size = shape(rng, 2, 3), tuple(int(v) for v in rng.integers(5, 10, 2))
    attributes = {
        "stride": shape(rng, 2, 2),
        "dilation": shape(rng, 2, 2),
        "padding": tuple(int(v) for v in rng.integers(0, 3, 4)),
        "groups": groups,
    }
    return _weighted(rng, (n, groups * c, *size), (groups * k, c, *kernel), groups * k, attributes)


def _transposed(rng: Generator) -> Case:
    groups, n = int(pick(rng, 1, 2)), int(rng.integers(1, 3))
    c, k = (int(v) for v in rng.integers(1, 4, 2))
    kernel, stride = tuple(int(v) for v in rng.integers(2, 5, 2)), shape(rng, 2, 3)
    attributes = {
        "stride": stride,
        "dilation": shape(rng, 2, 2),
        "padding": tuple(int(v) for v in rng.integers(0, 2, 4)),
        "output_padding": tuple(int(rng.integers(0, s)) for s in stride),
        "groups": groups,
    }
    size = tuple(int(v) for v in rng.integers(3, 6, 2))
    return _weighted(rng, (n, groups * c, *size), (groups * c, k, *kernel), groups * k, attributes, channels=1)


def _weighted(rng: Generator, x: Shape, w: Shape, k: int, attributes: dict[str, Any], channels: int = 0) -> Case:
    make = fixed if chance(rng, 0.7) else lambda rng, *more: operand(*more)
    if chance(rng):
        element = real(rng)
        operands = [operand(x, element), make(rng, w, element), make(rng, (k,), element)]
        return Case(operands=operands[: 2 + chance(rng, 0.7)], attributes=attributes)
    scaled = chance(rng) and attributes.get("groups", 1) == 1
    scales = tuple(2.0 ** -int(v) for v in rng.integers(6, 9, w[channels])) if scaled else (2.0**-7,)
    weight = Integer(bits=8, scale=scales, axis=channels if scaled else None)
    source, y, rounding = pick(
        rng, (EIGHT, EIGHT, "power_of_two"), (ASYMMETRIC, EIGHT, "power_of_two"), (UNEVEN, UNEVEN, "float")
    )
    sums = tuple(float(np.float32(source.scale[0]) * np.float32(s)) for s in scales)
    bias = Integer(bits=32, scale=sums, axis=0 if scaled else None)
    bias_data = Operand(
        type=Type(shape=(k,), element=bias), data=rng.integers(-900, 900, k).astype(np.int32)
    )  # fmt: skip
    operands = [operand(x, source), make(rng, w, weight), bias_data]
    biased = operands[1].data is not None and chance(rng, 0.7)  # else anything that the types hold has to fit
    return Case(operands=operands[: 2 + biased], attributes={"rounding": rounding, **attributes}, element=y)


def _window(rng: Generator, dilated: bool) -> tuple[Shape, dict[str, Any]]:
    kernel = tuple(int(v) for v in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, kernel[side // 2])) for side in range(4))
    size = tuple(int(v) for v in rng.integers(6, 10, 2))
    dilation = shape(rng, 2, 2) if dilated else (1, 1)
    return (*shape(rng, 2, 3), *size), {
        "kernel": kernel, "stride": shape(rng, 2, 2), "padding": padding, "dilation": dilation,
    }  # fmt: skip


def _max_pool(rng: Generator) -> Case:
    of, attributes = _window(rng, True)
    return Case(operands=[operand(of, pick(rng, Float(), Float(bits=64), EIGHT, ASYMMETRIC))], attributes=attributes)


def _average_pool(rng: Generator) -> Case:
    of, attributes = _window(rng, False)
    attributes["include_padding"] = chance(rng)
    x, y, rounding = pick(
        rng, (Float(), Float(), "power_of_two"), (ASYMMETRIC, EIGHT, "power_of_two"), (UNEVEN, ASYMMETRIC, "float")
    )
    return Case(operands=[operand(of, x)], attributes={**attributes, "rounding": rounding}, element=y)


def _unpool(rng: Generator) -> Case:
    of, size = shape(rng, 4, 3), (6, 5)
    return Case(
        operands=[operand(of, pick(rng, Float(), ASYMMETRIC)), operand(of, INDEX, 0, prod(size) - 1)],
        attributes={"size": size},
    )


def _batch_norm(rng: Generator) -> Case:
    of, element = shape(rng, int(rng.integers(2, 5))), real(rng)
    more = [operand((of[1],), element) for _ in range(3)]
    return Case(operands=[operand(of, element), *more, operand((of[1],), element, 0.1, 2)])


def _layer_norm(rng: Generator) -> Case:
    of, element = shape(rng, most=12), real(rng)
    axis = int(rng.integers(len(of)))
    affine = [operand(of[axis:], element) for _ in range(int(rng.integers(0, 3)))]
    return Case(operands=[operand(of, element), *affine], attributes={"axis": axis, "epsilon": 1e-3})


def _lrn(rng: Generator) -> Case:
    of = shape(rng, int(rng.integers(2, 5)), 6)
    return Case(
        operands=[operand(of, real(rng))],
        attributes={"size": int(rng.integers(1, 6)), "alpha": 0.3, "beta": float(pick(rng, 0.75, 0.6)), "k": 1.5},
    )


NUMBERS = (Float(), Float(bits=64), INDEX, Integer(bits=16), Integer(bits=8, signed=False))
ORDERED = (Float(), Float(bits=64), INDEX, EIGHT, ASYMMETRIC)
CASES: dict[str, Callable[[Generator], Case]] = {
    **{name: _activation(-3, 3) for name in (
        "tanh", "sigmoid", "exp", "floor", "ceil", "round", "sign", "erf", "sin", "cos", "atan", "sinh", "cosh",
        "asinh", "softplus", "softsign", "silu", "elu", "selu", "leaky_relu", "hard_sigmoid",
    )},
    **{name: _activation(0.05, 9) for name in ("log", "sqrt", "reciprocal")},
    **{name: _activation(-0.95, 0.95) for name in ("asin", "acos", "atanh", "tan")},
    "acosh": _activation(1.1, 9),
    "gelu": _gelu,
    "is_nan": _special,
    "is_infinite": _special,
    "relu": _with_integers(lambda rng: {}),
    "clip": _with_integers(_bounds),
    "negate": _with_integers(lambda rng: {}, SIXTEEN, EIGHT),
    "absolute": _with_integers(lambda rng: {}, SIXTEEN, EIGHT),
    "logical_not": lambda rng: Case(operands=[operand(shape(rng), BOOL)]),
    "add": _sum,
    "subtract": _sum,
    "multiply": _sum,
    "divide": _binary(*NUMBERS, second=0.3),
    "power": _binary(*NUMBERS, low=0.1),
    "remainder": _binary(*NUMBERS, second=0.3),
    **{name: _binary(*ORDERED) for name in (
        "minimum", "maximum", "equal", "less", "less_or_equal", "greater", "greater_or_equal",
    )},
    **{name: _binary(BOOL) for name in ("logical_and", "logical_or", "logical_xor")},
    "where": _where,
    **{name: _axis_case(real, lambda rng, of, axis: {}) for name in ("softmax", "log_softmax")},
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "lrn": _lrn,
    "reduce_sum": _reduce(*NUMBERS, EIGHT, ASYMMETRIC, UNEVEN),
    "reduce_mean": _reduce(Float(), Float(bits=64), EIGHT, ASYMMETRIC, UNEVEN),
    "reduce_max": _reduce(*ORDERED),
    "reduce_min": _reduce(*ORDERED),
    "reduce_product": _reduce(*NUMBERS),
    **{name: _axis_case(lambda rng: pick(rng, *ORDERED), lambda rng, of, axis: {
        "keep": chance(rng), "last": chance(rng),
    }) for name in ("argmax", "argmin")},
    "top_k": _axis_case(lambda rng: pick(rng, *ORDERED), lambda rng, of, axis: {
        "k": int(rng.integers(1, of[axis] + 1)), "largest": chance(rng),
    }),
    "cumulative_sum": _axis_case(lambda rng: pick(rng, *NUMBERS), lambda rng, of, axis: {
        "exclusive": chance(rng), "reverse": chance(rng),
    }),
    "linear": _linear,
    "conv2d": _conv2d,
    "conv_transpose2d": _transposed,
    "matmul": _matmul,
    "max_pool2d": _max_pool,
    "max_pool2d_switches": _max_pool,
    "average_pool2d": _average_pool,
    "max_unpool2d": _unpool,
    **case_moves.CASES,
}  # fmt: skip
