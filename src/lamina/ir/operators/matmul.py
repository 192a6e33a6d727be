"""The product of two values, both of them activations: attention's scores and mixtures, batched.

    matmul   y[…, m, n] = sum_c a[…, m, c] b[…, c, n]        batch axes broadcast as NumPy's; both have at least 2 axes

Integers  y = requantise(sum (a - z_a)(b - z_b)), scale s_a s_b: unlike weights, either operand may have a zero point
Nest      the second operand takes the weights' place: groups are its batches, n the rows that meet each, k its columns
Weights that are constant belong to `linear`, whose scales may differ per channel.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.gradients import multiply as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, stored
from lamina.ir.operators.multiply import INTEGER_ATTRIBUTES, exact_product, shifts
from lamina.ir.types import Float


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    a, b = shapes
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise BadInput(f"matmul takes a […, m, c] and b […, c, n], not {list(a)} and {list(b)}")
    try:
        batches = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError as e:
        raise BadInput(f"the batch axes of {list(a)} and {list(b)} do not broadcast") from e
    return bounded((*batches, a[-2], b[-1]))


def _integers(arrays: Sequence[Array], site: Site) -> Array:
    a, b, y = (stored(t) for t in (*site.inputs, *site.outputs))
    sums = exact_product(arrays[0] - a.zero_point, arrays[1] - b.zero_point)
    return rules.requantise(sums, a, b, y, site.attributes["rounding"], axis=-1)


def _elements(site: Site) -> None:
    a, b, y = (t.element for t in (*site.inputs, *site.outputs))
    if isinstance(a, Float) or isinstance(b, Float) or isinstance(y, Float):
        if len({a, b, y}) > 1:
            raise BadInput(f"operands of different types meet: {a}, {b} and {y}")
        return
    rounding, accumulator = site.attributes["rounding"], site.attributes["accumulator"]
    if rounding not in rules.ROUNDINGS or accumulator not in (32, 64):
        raise BadInput(
            f"rounding {one_line(rounding, 40)!r} and an accumulator of {accumulator} bits: "
            f"{', '.join(rules.ROUNDINGS)}, and 32 or 64 are allowed"
        )
    if any(e.axis is not None for e in (a, b, y)):
        raise BadInput("the operands of matmul have one scale: constant weights with a scale per channel use linear")
    if rounding == "truncate" and any(e.zero_point for e in (a, b, y)):
        raise BadInput("truncation is defined for zero points of 0")
    if rounding == "float":
        rules.check_multipliers(rules.multipliers(a, b, y))
    else:
        rules.check_shift(shifts(site)[0])


def _nest(site: Site) -> dict[str, Any]:
    b, y = site.inputs[1].shape, site.outputs[0].shape
    batches = prod(b[:-2])
    return {"n": prod(y[:-1]) // batches, "groups": batches, "k": b[-1], "c": b[-2]}


OPERATORS = (
    Operator(
        name="matmul",
        summary="matrix product of two values, batch axes broadcast",
        arity=(2, 2),
        attributes={name: default for name, default in INTEGER_ATTRIBUTES.items() if name != "products"},
        shape=_shape,
        run=lambda arrays, attributes: np.asarray(np.matmul(arrays[0], arrays[1])),
        integers=_integers,
        nest=_nest,
        elements=_elements,
        gradient=gradients.matmul,
    ),
)
