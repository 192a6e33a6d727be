"""Numbers moved by a rule: the same places whatever the numbers are.

    transpose    axes in another order: axis i of the result is axis order[i] of x
    concatenate  values one behind the other along an axis
    slice        x[start:stop:step] along every axis; steps may be negative; a stop past the end means the end (`END`,
                 which leaves an axis open for other sizes), and -(size + 1) with a negative step "through place 0"
    pad          before and after along every axis: a constant, or the border repeated (edge), mirrored without its last
                 number (reflect), or the other end (wrap); the two last go on periodically
    expand       broadcast to a shape; 0 keeps the size that x has there
    tile         x repeated along every axis

One meaning for floats and integers: stored numbers move. Only the constant that pads is a real number: it is quantised.
"""

from collections.abc import Sequence

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.gradients import move as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import MOST, axis_of, bounded, equal_elements, one_per_axis, plain
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest, stored
from lamina.ir.types import Element, Fixed, Float, Integer

END = MOST  # a stop: the end of the axis, whatever its size
MODES = ("constant", "edge", "reflect", "wrap")


def _transpose_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, order = shapes[0], attributes["order"]
    if sorted(order) != [*range(len(x))]:
        raise BadInput(f"order {order}: each of the {len(x)} axes once is needed")
    return tuple(x[axis] for axis in order)


def _transposed(elements: Sequence[Element], attributes: Attributes) -> Element:
    """The input's element; scales per channel follow their axis."""
    x = elements[0]
    if not isinstance(x, Integer) or x.axis is None or x.axis not in attributes["order"]:
        return x
    axis = attributes["order"].index(x.axis)
    return Integer(bits=x.bits, signed=x.signed, scale=x.scale, zero_point=x.zero_point, axis=axis)


def _transpose_elements(site: Site) -> None:
    x, y = site.inputs[0].element, site.outputs[0].element
    if y != _transposed([x], site.attributes):
        raise BadInput(f"the result is {y}, its input {x}: they must be equal, scales along the moved axis")


def _concatenate_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    axis = axis_of(shapes[0], attributes["axis"])
    rests = {(*shape[:axis], 0, *shape[axis + 1 :]) for shape in shapes if len(shape) > axis}
    if len({len(shape) for shape in shapes}) > 1 or len(rests) > 1:
        raise BadInput(f"shapes {one_line([list(s) for s in shapes], 80)} differ elsewhere than along axis {axis}")
    return bounded((*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]))


def _concatenate_elements(site: Site) -> None:
    equal_elements(*range(len(site.inputs)))(site)


def _slices(x: Shape, attributes: Attributes) -> tuple[slice, ...]:
    starts, stops, steps = (attributes[name] for name in ("starts", "stops", "steps"))
    one_per_axis(x, starts=starts, stops=stops, steps=steps)
    for size, start, stop, step in zip(x, starts, stops, steps, strict=True):
        there = stop > start if step > 0 else (0 <= stop < start or stop == -size - 1)
        if step == 0 or not 0 <= start < size or not there:
            raise BadInput(
                f"places {start} to {stop} by {step} of an axis of {size}: starts lie inside, steps are not 0, one "
                f"place at least is left, and a negative step ends at a place or at {-size - 1} (through place 0)"
            )
    return tuple(slice(*part) for part in zip(starts, stops, steps, strict=True))


def _slice_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x = shapes[0]
    return tuple(len(range(*part.indices(size))) for part, size in zip(_slices(x, attributes), x, strict=True))


def _pad_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    before, after = attributes["before"], attributes["after"]
    one_per_axis(shapes[0], before=before, after=after)
    if min((*before, *after), default=0) < 0:
        raise BadInput(f"padding {before} before and {after} after: none is negative; slice instead")
    if attributes["mode"] not in MODES:
        raise BadInput(f"mode {one_line(attributes['mode'], 40)!r}: {', '.join(MODES)} are allowed")
    return bounded([size + b + a for size, b, a in zip(shapes[0], before, after, strict=True)])


def padded_places(size: int, before: int, after: int, mode: str) -> Array:
    """Which place of an axis of `size` each place of the padded axis shows; `mode` is not constant."""
    places = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(places, 0, size - 1)
    if mode == "wrap":
        return places % size
    period = max(2 * (size - 1), 1)
    return np.asarray((size - 1) - np.abs((size - 1) - places % period))


def fill(value: float, element: Element) -> int | float:
    """`value` as a stored number of `element`."""
    if isinstance(element, Float):
        return value
    if plain(element):  # exactly: float32, in which others are quantised, has 24 bits
        inside = min(max(value, element.low), element.high)
        return inside if isinstance(inside, int) else round(inside)
    return int(rules.quantise(np.asarray(value), element))


def _pad(arrays: Sequence[Array], site: Site) -> Array:
    x, mode = arrays[0], site.attributes["mode"]
    before, after = site.attributes["before"], site.attributes["after"]
    if mode == "constant":
        value = fill(site.attributes["value"], site.outputs[0].element)
        return np.pad(x, [*zip(before, after, strict=True)], constant_values=value)
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            x = np.take(x, padded_places(x.shape[axis], b, a, mode), axis=axis)
    return x


def _pad_elements(site: Site) -> None:
    equal_elements(0)(site)
    if isinstance(site.inputs[0].element, Fixed | Integer):
        fill(site.attributes["value"], stored(site.inputs[0]))


def _expand_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, wanted = shapes[0], attributes["shape"]
    own = (1,) * (len(wanted) - len(x)) + x
    shape = tuple(o if w == 0 else w for o, w in zip(own, wanted, strict=False))
    if len(own) > len(wanted) or any(o not in (1, s) for o, s in zip(own, shape, strict=True)):
        raise BadInput(f"a value of shape {list(x)} does not broadcast to {list(wanted)}")
    return bounded(shape)


def _tile_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    one_per_axis(shapes[0], repeats=attributes["repeats"])
    return bounded([size * count for size, count in zip(shapes[0], attributes["repeats"], strict=True)])


OPERATORS = (
    Operator(
        name="transpose",
        summary="axes in another order",
        arity=(1, 1),
        attributes={"order": tuple},
        shape=_transpose_shape,
        moves=lambda arrays, site: np.transpose(arrays[0], site.attributes["order"]),
        element=_transposed,
        nest=elementwise_nest,
        elements=_transpose_elements,
        gradient=gradients.transpose,
    ),
    Operator(
        name="concatenate",
        summary="values one behind the other along an axis",
        arity=(1, 4096),
        attributes={"axis": int},
        shape=_concatenate_shape,
        moves=lambda arrays, site: np.concatenate(arrays, axis=site.attributes["axis"]),
        nest=elementwise_nest,
        elements=_concatenate_elements,
        gradient=gradients.concatenate,
    ),
    Operator(
        name="slice",
        summary="every step-th place from start to stop, along every axis",
        arity=(1, 1),
        attributes={"starts": tuple, "stops": tuple, "steps": tuple},
        shape=_slice_shape,
        moves=lambda arrays, site: arrays[0][_slices(arrays[0].shape, site.attributes)],
        nest=elementwise_nest,
        elements=equal_elements(0),
        gradient=gradients.slice_,
    ),
    Operator(
        name="pad",
        summary="a border of a constant, or of what lies inside",
        arity=(1, 1),
        attributes={"before": tuple, "after": tuple, "mode": "constant", "value": 0.0},
        shape=_pad_shape,
        moves=_pad,
        nest=elementwise_nest,
        elements=_pad_elements,
        gradient=gradients.pad,
    ),
    Operator(
        name="expand",
        summary="broadcast to a shape; 0 keeps a size",
        arity=(1, 1),
        attributes={"shape": tuple},
        shape=_expand_shape,
        moves=lambda arrays, site: np.broadcast_to(arrays[0], site.outputs[0].shape),
        nest=elementwise_nest,
        elements=equal_elements(0),
        gradient=gradients.expand,
    ),
    Operator(
        name="tile",
        summary="repeated along every axis",
        arity=(1, 1),
        attributes={"repeats": tuple},
        shape=_tile_shape,
        moves=lambda arrays, site: np.tile(arrays[0], site.attributes["repeats"]),
        nest=elementwise_nest,
        elements=equal_elements(0),
        gradient=gradients.tile,
    ),
)
