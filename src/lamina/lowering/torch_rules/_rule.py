"""What the rules share: registration, torch's sizes and types in the words of `ir`, promotion of mixed operands.

Promotion is torch's: real numbers win over integers, integers over truth values; among equals a tensor with axes wins
over one without, and that over a plain number. Quantised values never take part: their meaning is in `lamina`'s own
operators.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL, FLOAT32, INDEX, Element, Float, Type
from lamina.lowering._coded import coding as coding

MOST_FILLED = 2**27  # numbers of a constant that is made, not stored
Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*targets: str) -> Callable[[Rule], Rule]:
    """Register a function for `targets`; "aten.relu" is short for its overload `default`."""

    def register(function: Rule) -> Rule:
        for target in targets:
            full = target if target.count(".") == 2 else f"{target}.default"
            if full in RULES:
                raise AssertionError(f"two rules for {full}")
            RULES[full] = function
        return function

    return register


def pair(value: Sequence[int] | int) -> tuple[int, int]:
    sizes = [value] if isinstance(value, int) else list(value)
    return (int(sizes[0]), int(sizes[-1]))


def around(value: Sequence[int] | int) -> tuple[int, int, int, int]:
    """torch's symmetric padding (height, width) as top, bottom, left, right."""
    height, width = pair(value)
    return (height, height, width, width)


def operands(*values: Value | None) -> list[Value]:
    return [v for v in values if v is not None]


def axis_of(x: Value, dim: int) -> int:
    """`dim` as an axis that is not negative; a value without axes has the one axis 0 in torch."""
    return dim % max(1, len(x.shape))


def axes_of(x: Value, dim: Any) -> tuple[int, ...]:
    """torch's `dim` (None or empty: all) as sorted axes."""
    if dim is None or dim == []:
        return tuple(range(len(x.shape)))
    return tuple(sorted({axis_of(x, d) for d in ([dim] if isinstance(dim, int) else dim)}))


def reshape(b: Builder, name: str, x: Value, shape: Sequence[int]) -> Value:
    """A reshape that leaves the batch open where axis 0 is kept; none where the shape stays."""
    shape = tuple(int(s) for s in shape)
    if shape == x.shape:
        return x
    if shape and x.shape and shape[0] == x.shape[0]:
        shape = (0, *shape[1:])
    made: Value = b.emit("reshape", [x], name=called(name, x), shape=shape)
    return made


def transpose(b: Builder, name: str, x: Value, order: Sequence[int]) -> Value:
    """Axes in another order; none where the order stays."""
    if tuple(order) == tuple(range(len(x.shape))):
        return x
    made: Value = b.emit("transpose", [x], name=called(name, x), order=tuple(order))
    return made


def called(name: str, x: Value) -> str:
    """The name of what is made of `x`: weights in another form are still called after their parameter."""
    return name if x.data is None else x.name


def cast(b: Builder, name: str, x: Value, element: Element) -> Value:
    if x.type.element == element:
        return x
    made: Value = b.emit("cast", [x], name=name, element=element)
    return made


def numpy_type(dtype: torch.dtype) -> np.dtype[Any]:
    """The NumPy type of torch's; raises `Unsupported` for those that networks do not have."""
    kinds = {
        torch.float32: np.float32, torch.float64: np.float64, torch.bool: np.bool_, torch.int64: np.int64,
        torch.int32: np.int32, torch.int16: np.int16, torch.int8: np.int8, torch.uint8: np.uint8,
    }  # fmt: skip
    if dtype not in kinds:
        raise Unsupported(f"numbers of type {dtype}: float32, float64, integers and truth values are lowered")
    return np.dtype(kinds[dtype])


def element_of_dtype(dtype: torch.dtype | None, otherwise: Element = FLOAT32) -> Element:
    """The element type that torch's type has here."""
    if dtype is None:
        return otherwise
    kind = numpy_type(dtype)
    if kind.kind == "f":
        return Float(bits=kind.itemsize * 8)
    return BOOL if kind.kind == "b" else INDEX


def is_plain(x: Value) -> bool:
    """Whether the numbers mean themselves: real, truth values or plain integers."""
    return isinstance(x.type.element, Float) or x.type.element in (BOOL, INDEX)


def _rank(x: Any) -> int:
    """0 truth value, 1 integer, 2 real number."""
    if isinstance(x, Value):
        return 2 if isinstance(x.type.element, Float) else (0 if x.type.element == BOOL else 1)
    return 0 if isinstance(x, bool) else (1 if isinstance(x, int) else 2)


def common_element(*given: Any, real: bool = False) -> Element:
    """The element that torch computes with for `given` tensors and numbers; `real`: integers become f32."""
    rank = max(map(_rank, given))
    if rank < 2:
        return FLOAT32 if real else (BOOL if rank == 0 else INDEX)
    values = [x for x in given if isinstance(x, Value) and isinstance(x.type.element, Float)]
    strongest = [v for v in values if v.shape] or values
    return Float(bits=max((v.type.element.bits for v in strongest), default=32))


def promoted(b: Builder, name: str, *given: Any, real: bool = False) -> list[Value]:
    """`given` tensors and numbers as values of one element type."""
    for x in given:
        if isinstance(x, Value) and not is_plain(x):
            raise Unsupported(f"arithmetic on quantised numbers at {name!r}: dequantise, or use lamina's operators")
    element = common_element(*given, real=real)
    return [
        cast(b, f"{name}.cast", x, element) if isinstance(x, Value) else number(b, f"{name}.scalar", x, element)
        for x in given
    ]


def number(b: Builder, name: str, value: Any, element: Element) -> Value:
    """A constant without axes."""
    if value != value:
        raise Unsupported(f"NaN as a constant at {name!r}: networks hold numbers")
    return b.constant(name, np.asarray(value), Type(shape=(), element=element))


def full(b: Builder, name: str, shape: Sequence[int], value: Any, element: Element) -> Value:
    """A constant filled with one number."""
    bounded(name, prod(shape))
    return b.constant(name, np.full(tuple(shape), value), Type(shape=tuple(shape), element=element))


def bounded(name: str, size: int) -> None:
    """Raise for a constant that would fill the memory: a file may ask for any size."""
    if size > MOST_FILLED:
        raise BadInput(f"a constant of {size} numbers at {name!r}: at most {MOST_FILLED} are made")


def weight(b: Builder, name: str, data: np.ndarray, like: Value) -> Value:
    """Weights in another form than they are stored in: a constant whose coding is found anew."""
    sparse, codebook_bits = coding(data)
    type_ = Type(shape=data.shape, element=like.type.element, sparse=sparse, codebook_bits=codebook_bits)
    return b.constant(name, data, type_)
