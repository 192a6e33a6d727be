"""Rules that several operators share: sizes that memory can hold, and which element types meet.

Shape rules are reached by hostile files before anything is allocated, so what they multiply is bounded here: no value
and no padded or broadcast intermediate has more than 2^40 numbers.
"""

from collections.abc import Callable, Sequence
from math import prod

from lamina.core.errors import BadInput, one_line
from lamina.ir.operators._table import Attributes, Shape, Site
from lamina.ir.types import BOOL, INDEX, Element, Float, Integer

MOST = 2**40  # numbers of one value


def bounded(shape: Sequence[int]) -> Shape:
    """`shape` as a tuple; raises where it holds no number, or more than 2^40."""
    sizes = tuple(int(size) for size in shape)
    if any(size < 1 for size in sizes) or prod(sizes) > MOST:
        raise BadInput(f"a value of shape {one_line(list(sizes), 80)}: sizes are positive, at most 2^40 numbers")
    return sizes


def axis_of(shape: Shape, axis: int) -> int:
    """`axis`, which must be one of `shape`, not negative."""
    if not 0 <= axis < len(shape):
        raise BadInput(f"axis {axis} of a value of shape {list(shape)}: axes are 0 to {len(shape) - 1}")
    return axis


def one_per_axis(shape: Shape, **lists: Sequence[int]) -> None:
    """Raise unless each list has an entry for every axis of `shape`."""
    for name, entries in lists.items():
        if len(entries) != len(shape):
            raise BadInput(f"{name} has {len(entries)} entries for a value of {len(shape)} axes")


def equal_elements(*places: int) -> Callable[[Site], None]:
    """A rule: the inputs at `places` (0 where none is given) and the first result have one element type, one scale."""

    def rule(site: Site) -> None:
        met = [site.outputs[0].element, *(site.inputs[place].element for place in places or (0,))]
        if len(set(met)) > 1:
            raise BadInput(f"operands of different types meet: {', '.join(map(str, met))}")
        one_scale(site)

    return rule


def one_scale(site: Site) -> None:
    """Raise where a value has a scale per channel: those are for weights, which only their own operators read."""
    for type_ in (*site.inputs, *site.outputs):
        if not isinstance(type_.element, Float) and type_.element.axis is not None:
            raise BadInput("a value with one scale per channel is the weight of a layer, nothing else reads it")


def index(element: Element, what: str) -> None:
    """Raise unless `element` is that of places."""
    if element != INDEX:
        raise BadInput(f"{what} are {INDEX}, not {element}: cast them")


def logical(site: Site) -> None:
    """Raise unless all that meets is truth values."""
    if any(t.element != BOOL for t in (*site.inputs, *site.outputs)):
        raise BadInput(f"logic is about truth values ({BOOL})")


def truth(elements: Sequence[Element], attributes: Attributes) -> Element:
    """What a builder gives the answer to a question."""
    return BOOL


def plain(element: Element) -> bool:
    """Whether stored integers are the numbers themselves: scale 1, zero point 0."""
    return isinstance(element, Integer) and element.scale == (1.0,) and element.zero_point == 0


def first_and_index(elements: Sequence[Element], attributes: Attributes) -> list[Element]:
    """What a builder gives two results: values of the input's element type, and their places."""
    return [elements[0], INDEX]
