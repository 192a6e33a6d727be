"""What may be chosen when a network is quantised, and how an operator says what it becomes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lamina.core.errors import BadInput, one_line, unknown
from lamina.ir.network import Operation
from lamina.ir.quantise.ranges import Rule
from lamina.ir.quantise.scopes import Scope

if TYPE_CHECKING:
    from lamina.ir.quantise.write import Writer

FUNCTIONS = ("table", "segments")
MOST_BITS = 16  # a table has 2^bits entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    rule: Rule
    bits: int = 8  # of activations, 2..16
    weight_bits: int = 8
    state_bits: int = 8  # of states that accumulate (the cell of an LSTM), and of what is added to them
    mixed: Mapping[str, int] = field(default_factory=dict)  # layer -> bits of its weights and its result
    per_channel: bool = True
    functions: str = "table"

    def __post_init__(self) -> None:
        named = {"bits": self.bits, "weight_bits": self.weight_bits, "state_bits": self.state_bits}
        for name, bits in (*named.items(), *((f"mixed[{one_line(k, 60)!r}]", v) for k, v in self.mixed.items())):
            if type(bits) is not int or not 2 <= bits <= MOST_BITS:
                raise BadInput(f"{name}={one_line(bits, 40)}: 2 to {MOST_BITS} bits are allowed")
        if self.functions not in FUNCTIONS:
            raise unknown("form of functions", self.functions, FUNCTIONS)
        if self.functions == "segments" and self.rule.form != "power_of_two":
            raise BadInput("segments are computed in fixed point: scales='power_of_two' is needed")

    def activation_bits(self, layer: str) -> int:
        return self.mixed.get(layer, self.bits)

    def layer_weight_bits(self, layer: str) -> int:
        return self.mixed.get(layer, self.weight_bits)


def _always(scope: Scope, operation: Operation) -> bool:
    return True


def _none(scope: Scope, operation: Operation) -> Sequence[str]:
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What an operator becomes in integers."""

    write: "Callable[[Writer, Operation], None]"
    fits: Callable[[Scope, Operation], bool] = _always  # else it stays float
    same: Callable[[Scope, Operation], Sequence[str]] = _none  # values that must have one element
    table: bool = False  # the first operand is a table: all its numbers count, not only those that were read
