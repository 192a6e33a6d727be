"""Two values (`where`: three) in, one out, element by element; shapes broadcast as NumPy's.

    add x + y    subtract x - y    multiply x y    divide x / y    power x^y    remainder
    minimum, maximum               equal, less, less_or_equal, greater, greater_or_equal -> truth values
    logical_and, logical_or, logical_xor           where(condition, x, y)

Integers  add and subtract rescale both operands to the result's scale, one rounding each, then add (INTERFACE, section
          5); multiply requantises (x - z_x)(y - z_y) once with m = (s_x s_y) / s; what only compares or chooses works
          on stored numbers of one type. divide (towards zero), power and remainder are defined on plain integers
          (scale 1) too, where a division by 0 gives 0: shape arithmetic of other tools needs them.
`remainder` has the sign of the divisor (Python's) or of the dividend (C's).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.gradients import elementwise as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded, equal_elements, logical, one_scale, plain, truth
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest, rescalable, stored
from lamina.ir.types import BOOL, Float

_same_elements = equal_elements(-2, -1)  # a condition comes before them
_ROUNDING: dict[str, Any] = {"rounding": "power_of_two"}


def broadcast(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    """The shape that all operands stretch to."""
    try:
        return bounded(np.broadcast_shapes(*shapes))
    except ValueError as e:
        raise BadInput(f"shapes {' and '.join(str(list(shape)) for shape in shapes)} do not broadcast") from e


def _one_kind(site: Site) -> bool:
    """Whether operands and result are floats, which then are of one width."""
    met = [t.element for t in (*site.inputs, *site.outputs)]
    if any(isinstance(element, Float) for element in met):
        if len(set(met)) > 1:
            raise BadInput(f"operands of different types meet: {', '.join(map(str, met[:-1]))} and {met[-1]}")
        return True
    return False


def _sum_elements(site: Site) -> None:
    if not _one_kind(site):
        for operand in site.inputs:
            rescalable(stored(operand), stored(site.outputs[0]), str(site.attributes["rounding"]))


def _product_elements(site: Site) -> None:
    if _one_kind(site):
        return
    one_scale(site)
    a, b, y = (stored(t) for t in (*site.inputs, *site.outputs))
    rounding = str(site.attributes["rounding"])
    if rounding not in rules.ROUNDINGS:
        raise BadInput(f"rounding {one_line(rounding, 40)!r}: {', '.join(rules.ROUNDINGS)} are allowed")
    if all(plain(e) for e in (a, b, y)) and rounding == "power_of_two":
        return  # plain integers: int64 products
    if rounding == "truncate" and any(e.zero_point for e in (a, b, y)):
        raise BadInput("truncation is defined for zero points of 0")
    if rounding == "float":
        rules.check_multipliers(rules.multipliers(a, b, y))
    else:
        reach = [max(e.zero_point - e.low, e.high - e.zero_point) for e in (a, b)]
        rules.check_shift(int(rules.accumulator_exponents(a, b, y)[0]), reach[0] * reach[1])


def _plain_elements(site: Site) -> None:
    if not _one_kind(site) and not all(plain(t.element) for t in (*site.inputs, *site.outputs)):
        raise BadInput("this operator is defined on floats and on plain integers (scale 1): dequantise before it")


def _where_elements(site: Site) -> None:
    if site.inputs[0].element != BOOL:
        raise BadInput(f"the condition is {site.inputs[0].element}, truth values ({BOOL}) are needed")
    _same_elements(site)


def _compared_elements(site: Site) -> None:
    a, b = (t.element for t in site.inputs)
    if a != b or site.outputs[0].element != BOOL:
        raise BadInput(f"{a} and {b} are compared into {site.outputs[0].element}: one type and {BOOL} are needed")
    one_scale(site)


def _sums(sign: int) -> Callable[[Sequence[Array], Site], Array]:
    def meaning(arrays: Sequence[Array], site: Site) -> Array:
        a, b, y = (stored(t) for t in (*site.inputs, *site.outputs))
        rounding = site.attributes["rounding"]
        first, second = rules.rescale(arrays[0], a, y, rounding), rules.rescale(arrays[1], b, y, rounding)
        return rules.clip(first + sign * second + y.zero_point, y)

    return meaning


def _product(arrays: Sequence[Array], site: Site) -> Array:
    a, b, y = (stored(t) for t in (*site.inputs, *site.outputs))
    product = np.asarray((arrays[0] - a.zero_point) * (arrays[1] - b.zero_point))
    return rules.requantise(product, a, b, y, site.attributes["rounding"])


def _quotient(arrays: Sequence[Array], site: Site) -> Array:
    x, y = arrays
    by = np.where(y == 0, 1, y)
    inexact = (np.mod(x, by) != 0) & ((x < 0) != (y < 0))  # there the floor lies one below
    return np.asarray(np.where(y == 0, 0, np.floor_divide(x, by) + inexact))


def _integer_power(arrays: Sequence[Array], site: Site) -> Array:
    x, y = np.broadcast_arrays(*arrays)
    below = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0))  # x^-n, towards zero
    return np.asarray(np.where(y < 0, below, np.power(x, np.maximum(y, 0))))


def _remainder_elements(site: Site) -> None:
    _plain_elements(site)
    if site.attributes["sign"] not in ("divisor", "dividend"):
        raise BadInput(f"sign {one_line(site.attributes['sign'], 40)!r}: divisor and dividend are allowed")


def _remainder(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return np.asarray((np.mod if attributes["sign"] == "divisor" else np.fmod)(*arrays))


def _integer_remainder(arrays: Sequence[Array], site: Site) -> Array:
    x, y = np.broadcast_arrays(*arrays)
    return np.where(y == 0, 0, _remainder((x, np.where(y == 0, 1, y)), site.attributes))


def _two(name: str, summary: str, function: Callable[..., Any], **more: Any) -> Operator:
    """An operator that computes."""
    return Operator(
        name=name,
        summary=summary,
        arity=(2, 2),
        shape=broadcast,
        nest=lambda site: elementwise_nest(site, operands=2),
        **{"run": lambda arrays, attributes: np.asarray(function(*arrays)), **more},
    )


def _choice(name: str, summary: str, function: Callable[..., Any], **more: Any) -> Operator:
    """An operator that only looks at stored numbers."""
    return Operator(
        name=name,
        summary=summary,
        shape=broadcast,
        moves=lambda arrays, site: np.asarray(function(*arrays)),
        nest=lambda site: elementwise_nest(site, operands=len(site.inputs)),
        **{"arity": (2, 2), "elements": _same_elements, **more},
    )


_COMPARED: dict[str, Any] = {"element": truth, "elements": _compared_elements}
_LOGICAL: dict[str, Any] = {"elements": logical}

OPERATORS = (
    _two(
        "add",
        "x + y, broadcast",
        np.add,
        attributes=_ROUNDING,
        integers=_sums(1),
        elements=_sum_elements,
        gradient=gradients.add,
    ),
    _two(
        "subtract",
        "x - y, broadcast",
        np.subtract,
        attributes=_ROUNDING,
        integers=_sums(-1),
        elements=_sum_elements,
        gradient=gradients.subtract,
    ),
    _two(
        "multiply",
        "x y, broadcast",
        np.multiply,
        attributes=_ROUNDING,
        integers=_product,
        elements=_product_elements,
        gradient=gradients.multiply,
    ),
    _two(
        "divide", "x / y, broadcast", np.divide, integers=_quotient, elements=_plain_elements, gradient=gradients.divide
    ),
    _two(
        "power",
        "x to the y, broadcast",
        np.power,
        integers=_integer_power,
        elements=_plain_elements,
        gradient=gradients.power,
    ),
    _two(
        "remainder",
        "what a division leaves, with the sign of the divisor or of the dividend",
        np.mod,
        run=_remainder,
        attributes={"sign": "divisor"},
        integers=_integer_remainder,
        elements=_remainder_elements,
        gradient=gradients.remainder,
    ),
    _choice("minimum", "the smaller of x and y", np.minimum, gradient=gradients.extreme),
    _choice("maximum", "the larger of x and y", np.maximum, gradient=gradients.extreme),
    _choice("equal", "whether x = y", np.equal, **_COMPARED),
    _choice("less", "whether x < y", np.less, **_COMPARED),
    _choice("less_or_equal", "whether x <= y", np.less_equal, **_COMPARED),
    _choice("greater", "whether x > y", np.greater, **_COMPARED),
    _choice("greater_or_equal", "whether x >= y", np.greater_equal, **_COMPARED),
    _choice("logical_and", "whether both are true", np.minimum, **_LOGICAL),
    _choice("logical_or", "whether one is true", np.maximum, **_LOGICAL),
    _choice("logical_xor", "whether just one is true", np.not_equal, **_LOGICAL),
    _choice(
        "where",
        "x where the condition holds, else y",
        lambda c, x, y: np.where(c != 0, x, y),
        arity=(3, 3),
        element=lambda elements, attributes: elements[1],
        elements=_where_elements,
        gradient=gradients.where,
    ),
)
