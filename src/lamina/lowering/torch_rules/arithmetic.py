"""Two values element by element: arithmetic, comparisons, logic, choice; numbers and tensors are promoted as in torch.

Division of integers is real; `floor` and `trunc` round its quotient. Powers that are whole or halves are products and
roots, so that no general power decides their last bit.
"""

from collections.abc import Callable
from typing import Any

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL, Float
from lamina.lowering.torch_rules._rule import RULES, cast, number, promoted, rule
from lamina.lowering.torch_rules.activation import truncate

PLAIN = {"mul": "multiply", "maximum": "maximum", "minimum": "minimum", "fmax": "maximum", "fmin": "minimum"}
COMPARED = {"eq": "equal", "lt": "less", "le": "less_or_equal", "gt": "greater", "ge": "greater_or_equal"}
LOGIC = {"and": "logical_and", "or": "logical_or", "xor": "logical_xor"}


def _binary(operator: str) -> Callable[..., Any]:
    def lowered(b: Builder, name: str, self: Any, other: Any) -> Any:
        left, right = promoted(b, name, self, other)
        if left.type.element == BOOL and operator == "multiply":
            return b.emit("logical_and", [left, right], name=name)
        return b.emit(operator, [left, right], name=name)

    return lowered


for _target, _operator in (PLAIN | COMPARED).items():
    for _overload in ("default", "Tensor", "Scalar"):
        RULES[f"aten.{_target}.{_overload}"] = _binary(_operator)
RULES["aten.max.other"], RULES["aten.min.other"] = _binary("maximum"), _binary("minimum")


def _truth(operator: str) -> Callable[..., Any]:
    def lowered(b: Builder, name: str, self: Any, other: Any) -> Any:
        sides = [truth(b, name, x) if isinstance(x, Value) else number(b, name, bool(x), BOOL) for x in (self, other)]
        return b.emit(operator, sides, name=name)

    return lowered


def truth(b: Builder, name: str, x: Value) -> Value:
    """Whether a number is not zero."""
    return cast(b, f"{name}.truth", x, BOOL)


def _bitwise(operator: str) -> Callable[..., Any]:
    def lowered(b: Builder, name: str, self: Any, other: Any) -> Any:
        if any(isinstance(x, Value) and x.type.element != BOOL for x in (self, other)):
            raise Unsupported(f"bits of numbers at {name!r}: truth values are lowered")
        return _truth(operator)(b, name, self, other)

    return lowered


for _target, _operator in LOGIC.items():
    RULES[f"aten.logical_{_target}.default"] = _truth(_operator)
    for _overload in ("Tensor", "Scalar"):
        RULES[f"aten.bitwise_{_target}.{_overload}"] = RULES[f"aten.__{_target}__.{_overload}"] = _bitwise(_operator)


@rule("aten.ne.Tensor", "aten.ne.Scalar", "aten.not_equal.Tensor", "aten.not_equal.Scalar")
def not_equal(b: Builder, name: str, self: Any, other: Any) -> Any:
    equal = b.emit("equal", promoted(b, name, self, other), name=f"{name}.equal")
    return b.emit("logical_not", [equal], name=name)


@rule("aten.add.Tensor", "aten.add.Scalar")
def add(b: Builder, name: str, self: Any, other: Any, alpha: Any = 1) -> Any:
    left, right = promoted(b, name, self, _times(b, name, other, alpha))
    if left.type.element == BOOL:
        return b.emit("logical_or", [left, right], name=name)
    return b.emit("add", [left, right], name=name)


@rule("aten.sub.Tensor", "aten.sub.Scalar", "aten.subtract.Tensor")
def subtract(b: Builder, name: str, self: Any, other: Any, alpha: Any = 1) -> Any:
    return b.emit("subtract", promoted(b, name, self, _times(b, name, other, alpha)), name=name)


@rule("aten.rsub.Scalar", "aten.rsub.Tensor")
def reverse_subtract(b: Builder, name: str, self: Any, other: Any, alpha: Any = 1) -> Any:
    return subtract(b, name, other, self, alpha)


def _times(b: Builder, name: str, x: Any, factor: Any) -> Any:
    if factor == 1:
        return x
    if not isinstance(x, Value):
        return x * factor
    return b.emit("multiply", promoted(b, name, x, factor), name=f"{name}.scaled")


@rule("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor", "aten.divide.Tensor")
def divide(b: Builder, name: str, self: Any, other: Any) -> Any:
    return b.emit("divide", promoted(b, name, self, other, real=True), name=name)


@rule("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def divide_rounded(b: Builder, name: str, self: Any, other: Any, rounding_mode: str | None) -> Any:
    if rounding_mode is None:
        return divide(b, name, self, other)
    left, right = promoted(b, name, self, other)
    if not isinstance(left.type.element, Float) and rounding_mode == "floor":
        rest = b.emit("remainder", [left, right], name=f"{name}.rest", sign="divisor")
        return b.emit("divide", [b.emit("subtract", [left, rest], name=f"{name}.whole"), right], name=name)
    quotient = b.emit("divide", [left, right], name=f"{name}.quotient")
    if not isinstance(left.type.element, Float):
        return quotient
    return b.emit("floor", [quotient], name=name) if rounding_mode == "floor" else truncate(b, name, quotient)


@rule("aten.floor_divide", "aten.floor_divide.Scalar")
def floor_divide(b: Builder, name: str, self: Any, other: Any) -> Any:
    return divide_rounded(b, name, self, other, "floor")


@rule("aten.remainder.Tensor", "aten.remainder.Scalar", "aten.remainder.Scalar_Tensor")
def remainder(b: Builder, name: str, self: Any, other: Any) -> Any:
    return b.emit("remainder", promoted(b, name, self, other), name=name, sign="divisor")


@rule("aten.fmod.Tensor", "aten.fmod.Scalar")
def fmod(b: Builder, name: str, self: Any, other: Any) -> Any:
    return b.emit("remainder", promoted(b, name, self, other), name=name, sign="dividend")


@rule("aten.pow.Tensor_Scalar")
def power(b: Builder, name: str, self: Value, exponent: float) -> Any:
    if exponent in (1, 2, 3):
        x = self
        for _ in range(int(exponent) - 1):
            x = b.emit("multiply", [x, self], name=name)
        return x
    (x,) = promoted(b, name, self, real=exponent != int(exponent) or exponent < 0)
    if exponent == 0.5:
        return b.emit("sqrt", [x], name=name)
    if exponent == -1:
        return b.emit("reciprocal", [x], name=name)
    if exponent == -0.5:
        return b.emit("reciprocal", [b.emit("sqrt", [x], name=f"{name}.root")], name=name)
    return b.emit("power", promoted(b, name, x, exponent), name=name)


@rule("aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def general_power(b: Builder, name: str, self: Any, exponent: Any) -> Any:
    return b.emit("power", promoted(b, name, self, exponent), name=name)


@rule("aten.addcmul")
def addcmul(b: Builder, name: str, self: Value, tensor1: Value, tensor2: Value, value: Any) -> Any:
    product = b.emit("multiply", promoted(b, name, tensor1, tensor2), name=f"{name}.product")
    return add(b, name, self, product, value)


@rule("aten.addcdiv")
def addcdiv(b: Builder, name: str, self: Value, tensor1: Value, tensor2: Value, value: Any) -> Any:
    return add(b, name, self, divide(b, f"{name}.quotient", tensor1, tensor2), value)


@rule("aten.lerp.Scalar", "aten.lerp.Tensor")
def lerp(b: Builder, name: str, self: Value, end: Value, weight: Any) -> Any:
    way = b.emit("multiply", promoted(b, name, subtract(b, f"{name}.way", end, self), weight), name=f"{name}.part")
    return add(b, name, self, way)


@rule("aten.clamp.Tensor", "aten.clip.Tensor")
def clamp(b: Builder, name: str, self: Value, min: Value | None, max: Value | None) -> Any:
    x = self if min is None else _binary("maximum")(b, name, self, min)
    return x if max is None else _binary("minimum")(b, name, x, max)


@rule("aten.clamp_min.Tensor")
def clamp_min(b: Builder, name: str, self: Value, min: Value) -> Any:
    return clamp(b, name, self, min, None)


@rule("aten.clamp_max.Tensor")
def clamp_max(b: Builder, name: str, self: Value, max: Value) -> Any:
    return clamp(b, name, self, None, max)


@rule("aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar")
def where(b: Builder, name: str, condition: Value, self: Any, other: Any) -> Any:
    return b.emit("where", [truth(b, name, condition), *promoted(b, name, self, other)], name=name)


@rule("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(b: Builder, name: str, self: Value, mask: Value, value: Any) -> Any:
    element = self.type.element
    if isinstance(value, Value):
        filled = cast(b, f"{name}.cast", value, element)
    else:
        filled = number(b, f"{name}.value", value, element)
    return b.emit("where", [mask, filled, self], name=name)
