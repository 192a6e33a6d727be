"""What an operator is: one entry that says everything the house knows about it.

    shape      shapes of the inputs, attributes     -> shapes of the results
    run        arrays of real numbers, attributes   -> arrays             the float meaning
    integers   stored integers (int64), Site        -> stored integers    the integer meaning, None where there is none
    moves      stored arrays, Site                  -> stored arrays      one meaning for all element types: numbers are
                                                                          moved, compared or chosen, not computed
    element    elements of the inputs, attributes   -> element            the result's, for builders; else the first's
    nest       Site                                 -> Layer fields       what cost models read, None for pure views
    gradient   builder, Site, values, dL/d results  -> dL/d inputs        as operations (`ir.gradients`), None where
                                                                          there is none

An operator with several results gives lists. One with `moves` has neither `run` nor `integers`.
`attributes` maps each attribute to its default; a default that is a type (`int`, `tuple`) means it must be given.
Functions raise `BadInput` with the reason alone; the checker and the interpreter add the operation's name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.network import Array, Attribute
from lamina.ir.types import Element, Fixed, Float, Integer, Type

if TYPE_CHECKING:
    from lamina.ir.build import Builder, Value

Shape = tuple[int, ...]
Attributes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where an operator stands: the types around it and its attributes."""

    inputs: tuple[Type, ...]
    outputs: tuple[Type, ...]
    attributes: Attributes


class Gradient(Protocol):
    """Emits dL/d of each input into `b` from `given`, dL/d of each result; None where there is none."""

    def __call__(
        self, b: "Builder", site: Site, inputs: "list[Value]", outputs: "list[Value]", given: "list[Value | None]"
    ) -> "list[Value | None]": ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    name: str
    summary: str
    arity: tuple[int, int]  # least and most inputs
    shape: Callable[[Sequence[Shape], Attributes], Shape | list[Shape]]
    run: Callable[[Sequence[Array], Attributes], Array | list[Array]] | None = None
    integers: Callable[[Sequence[Array], Site], Array | list[Array]] | None = None
    moves: Callable[[Sequence[Array], Site], Array | list[Array]] | None = None
    element: Callable[[Sequence[Element], Attributes], Element | list[Element]] | None = None
    nest: Callable[[Site], dict[str, Any]] | None = None
    elements: Callable[[Site], None] | None = None  # raises when element types do not go together
    attributes: Mapping[str, Attribute | type[Any]] = field(default_factory=dict)
    gradient: Gradient | None = None


def shapes_of(entry: Operator, shapes: Sequence[Shape], attributes: Attributes) -> tuple[Shape, ...]:
    """The shapes of all results."""
    found = entry.shape(shapes, attributes)
    return tuple(found) if isinstance(found, list) else (found,)


def types_of(entry: Operator, inputs: Sequence[Type], attributes: Attributes) -> Type | list[Type]:
    """The type that a builder assumes, a list for an operator with several results.

    Raises `BadInput` where the shapes do not fit.
    """
    shapes = entry.shape([t.shape for t in inputs], attributes)
    found = entry.element([t.element for t in inputs], attributes) if entry.element else inputs[0].element
    if not isinstance(shapes, list):
        assert not isinstance(found, list)
        return Type(shape=shapes, element=found)
    elements = found if isinstance(found, list) else [found] * len(shapes)
    return [Type(shape=shape, element=element) for shape, element in zip(shapes, elements, strict=True)]


def is_integer(site: Site) -> bool:
    """Whether the operator computes in integers here; inputs of both kinds raise."""
    floats = {isinstance(t.element, Float) for t in (*site.inputs, *site.outputs)}
    if len(floats) > 1:
        raise BadInput("float and integer operands meet: put a quantise or dequantise between them")
    return not floats.pop()


def stored(type_: Type) -> Integer | Fixed:
    """The element type of a value that is computed in integers; the checker has let no float come here."""
    assert not isinstance(type_.element, Float)
    return type_.element


def same_element(site: Site) -> None:
    """Input and result have one element type (max, reshape: numbers only move)."""
    if site.inputs[0].element != site.outputs[0].element:
        raise BadInput(
            f"the result is {site.outputs[0].element}, its input {site.inputs[0].element}: they must be equal"
        )


def rescalable(x: Integer | Fixed, y: Integer | Fixed, rounding: str, *, divisor: int = 1) -> None:
    """Raise unless `ir.integers.rescale` is defined for sums of `divisor` numbers of `x`, and stays inside int64."""
    if rounding not in rules.ROUNDINGS:
        raise BadInput(f"rounding {one_line(rounding, 40)!r}: {', '.join(rules.ROUNDINGS)} are allowed")
    if x.axis is not None or y.axis is not None:
        raise BadInput("activations have one scale")
    if x == y and x.zero_point == 0 and rounding != "float" and divisor == 1:
        return  # nothing is scaled: plain integers may be as wide as they are
    if rounding == "truncate" and (x.zero_point or y.zero_point):
        raise BadInput("truncation is defined for zero points of 0")
    if rounding == "float":
        rules.check_multipliers(rules.rescale_multiplier(x, y, divisor))
        return
    shift = rules.exponent(y.scale[0]) - rules.exponent(x.scale[0])
    rules.check_shift(shift, max(x.high - x.zero_point, x.zero_point - x.low) * divisor)
    rules.check_shift(0, divisor << max(shift, 0))


def elementwise_nest(site: Site, *, ops_per_element: int = 1, operands: int = 1) -> dict[str, Any]:
    """Loop bounds of an operation that touches each element of its result once: n, k, p, q are the result's axes."""
    shape = site.outputs[0].shape
    n, k, p = (*shape, 1, 1, 1)[:3]
    q = prod(shape[3:])
    return {
        "n": n,
        "groups": k,
        "p": p,
        "q": q,
        "has_weights": False,
        "operands": operands,
        "ops": site.outputs[0].size * ops_per_element,
    }
