"""Cases of operators that move, code or loop: shapes, places, resizing, conversions, tables, views, scan."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
from numpy.random import Generator

from lamina.ir import Type
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL, INDEX, Element, Fixed, Float, Integer
from tests.export.case_parts import (
    ASYMMETRIC,
    EIGHT,
    SIXTEEN,
    UNEVEN,
    Case,
    Shape,
    anything,
    broadcast,
    chance,
    fixed,
    operand,
    pick,
    places,
    real,
    shape,
)


def _transpose(rng: Generator) -> Case:
    of = shape(rng)
    return Case(
        operands=[operand(of, anything(rng))], attributes={"order": tuple(int(v) for v in rng.permutation(len(of)))}
    )


def _concatenate(rng: Generator) -> Case:
    of, element = list(shape(rng)), anything(rng)
    axis, several = int(rng.integers(len(of))), []
    for _ in range(int(rng.integers(1, 4))):
        of[axis] = int(rng.integers(1, 4))
        several.append(operand(tuple(of), element))
    return Case(operands=several, attributes={"axis": axis})


def _slice(rng: Generator) -> Case:
    of = shape(rng, most=7)
    starts, stops, steps = [], [], []
    for size in of:
        step = int(pick(rng, 1, 2, -1, -3))
        start = int(rng.integers(0, size))
        if step > 0:
            stop = int(rng.integers(start + 1, size + 1))
        else:
            stop = -(size + 1) if start == 0 or chance(rng) else int(rng.integers(0, start))
        starts.append(start)
        stops.append(stop)
        steps.append(step)
    return Case(
        operands=[operand(of, anything(rng))],
        attributes={"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)},
    )


def _pad(rng: Generator) -> Case:
    of = shape(rng)
    element, mode = anything(rng), pick(rng, "constant", "constant", "reflect", "edge", "wrap")
    sides = [tuple(int(v) for v in rng.integers(0, 3, len(of))) for _ in range(2)]
    value = float(pick(rng, 0.0, 1.0, -inf if isinstance(element, Float) else 0.25))
    return Case(
        operands=[operand(of, element)],
        attributes={"before": sides[0], "after": sides[1], "mode": mode, "value": value},
    )


def _expand(rng: Generator) -> Case:
    of, _ = broadcast(rng)
    wanted = (*shape(rng, int(rng.integers(0, 2)), 3), *(s if s > 1 else int(rng.integers(1, 4)) for s in of))
    return Case(operands=[operand(of, anything(rng))], attributes={"shape": wanted})


def _tile(rng: Generator) -> Case:
    of = shape(rng, most=3)
    return Case(operands=[operand(of, anything(rng))], attributes={"repeats": shape(rng, len(of), 3)})


def _gather(rng: Generator) -> Case:
    of = shape(rng)
    axis = int(rng.integers(len(of)))
    indices = shape(rng, int(rng.integers(0, 3)), 4)
    return Case(operands=[operand(of, anything(rng)), places(indices, of[axis])], attributes={"axis": axis})


def _elements(rng: Generator) -> tuple[Shape, Shape, int]:
    of = shape(rng)
    axis = int(rng.integers(len(of)))
    indices = tuple(int(rng.integers(1, 6 if a == axis else size + 1)) for a, size in enumerate(of))
    return of, indices, axis


def _gather_elements(rng: Generator) -> Case:
    of, indices, axis = _elements(rng)
    return Case(operands=[operand(of, anything(rng)), places(indices, of[axis])], attributes={"axis": axis})


def _gather_nd(rng: Generator) -> Case:
    of = shape(rng, int(rng.integers(2, 5)), 4)
    batch = int(rng.integers(0, 2))
    depth = int(rng.integers(1, len(of) - batch + 1))
    indices = (*of[:batch], *shape(rng, int(rng.integers(1, 3)), 3), depth)
    return Case(
        operands=[operand(of, anything(rng)), places(indices, min(of[batch : batch + depth]))],
        attributes={"batch": batch},
    )


def _reduction(rng: Generator) -> tuple[Element, str]:
    reduction = pick(rng, "none", "none", "add", "mul", "max", "min")
    if reduction == "mul":
        return pick(rng, Float(), INDEX, Integer(bits=16)), reduction
    return pick(rng, Float(), ASYMMETRIC, SIXTEEN, INDEX), reduction


def _scatter_elements(rng: Generator) -> Case:
    of, indices, axis = _elements(rng)
    element, reduction = _reduction(rng)
    return Case(
        operands=[operand(of, element), places(indices, of[axis]), operand(indices, element)],
        attributes={"axis": axis, "reduction": reduction},
    )


def _scatter_nd(rng: Generator) -> Case:
    of = shape(rng, int(rng.integers(1, 4)), 4)
    depth = int(rng.integers(1, len(of) + 1))
    element, reduction = _reduction(rng)
    indices = (*shape(rng, int(rng.integers(1, 3)), 3), depth)
    return Case(
        operands=[
            operand(of, element),
            places(indices, min(of[:depth])),
            operand((*indices[:-1], *of[depth:]), element),
        ],
        attributes={"reduction": reduction},
    )


def _resize(rng: Generator) -> Case:
    mode = pick(rng, "nearest", "linear", "cubic")
    element = anything(rng) if mode == "nearest" else real(rng)
    return Case(
        operands=[operand((*shape(rng, 2, 3), *shape(rng, 2, 7)), element)],
        attributes={
            "size": shape(rng, 2, 12),
            "mode": mode,
            "coordinates": pick(rng, "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"),
            "nearest": pick(rng, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
        },
    )


def _uniform(rng: Generator) -> Case:
    key = operand((), INDEX, -(2**62), 2**62)
    return Case(operands=[key], attributes={"shape": shape(rng), "stream": int(pick(rng, 0, 7, 2**40 + 3))})


def _cast(rng: Generator) -> Case:
    kinds = (Float(), Float(bits=64), BOOL, INDEX, Integer(bits=8), Integer(bits=16, signed=False), Integer(bits=4))
    x, y = pick(rng, *kinds), pick(rng, *kinds)
    reach = float(pick(rng, 1, 100, 1e6, 1e20)) if isinstance(x, Float) else 2.0**62
    return Case(operands=[operand(shape(rng), x, -reach, reach)], element=y)


def _quantise(rng: Generator) -> Case:
    return Case(operands=[operand(shape(rng), Float(), -9, 9)], element=pick(rng, EIGHT, ASYMMETRIC, SIXTEEN, UNEVEN))


def _dequantise(rng: Generator) -> Case:
    return Case(operands=[operand(shape(rng), pick(rng, EIGHT, ASYMMETRIC, SIXTEEN, UNEVEN))], element=Float())


def _lookup(rng: Generator) -> Case:
    x, y = pick(rng, EIGHT, ASYMMETRIC), pick(rng, SIXTEEN, ASYMMETRIC)
    table = fixed(rng, (256,), y) if chance(rng) else operand((256,), y)
    return Case(operands=[operand(shape(rng), x), table], element=y)


def _piecewise(rng: Generator) -> Case:
    element = Fixed(integer_bits=6, fraction_bits=10)
    tables = [fixed(rng, (5,), element) for _ in range(3)]
    assert tables[0].data is not None
    tables[0].data = np.sort(tables[0].data)
    return Case(operands=[operand(shape(rng), element), *tables])


def _view(attributes: Callable[[Shape], dict[str, Any]]) -> Callable[[Generator], Case]:
    def case(rng: Generator) -> Case:
        of = shape(rng)
        return Case(operands=[operand(of, anything(rng))], attributes=attributes(of))

    return case


def _scan(rng: Generator) -> Case:
    """A running sum along the first axis, and what it was: more in test_c_scan."""
    element = real(rng)
    of = shape(rng, 2)
    inner = Builder()
    state, row = (inner.input(name, Type(shape=of[1:], element=element)) for name in ("state", "row"))
    total: Value = inner.emit("add", [state, row])
    body = inner.network("body", {"next": total, "seen": total}, {"next": "state"})
    return Case(
        operands=[operand(of[1:], element), operand(of, element)],
        attributes={"body": body, "sequences": 1, "reverse": chance(rng)},
    )


CASES: dict[str, Callable[[Generator], Case]] = {
    "transpose": _transpose,
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
    "expand": _expand,
    "tile": _tile,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
    "resize": _resize,
    "uniform": _uniform,
    "cast": _cast,
    "quantise": _quantise,
    "dequantise": _dequantise,
    "lookup": _lookup,
    "piecewise_linear": _piecewise,
    "flatten": _view(lambda of: {"start": len(of) - 1}),
    "reshape": _view(lambda of: {"shape": (-1, of[-1])}),
    "scan": _scan,
}
