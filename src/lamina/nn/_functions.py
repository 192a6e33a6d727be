"""The functions behind the tables of an integer network: the float operations of the same names.

f(x)       torch's, with gradients, for training; where f or its slope has no value (the root of -1) both are 0
entries    the table for given elements, as `ir.quantise` computes it
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lamina.ir.network import Array, Operation
from lamina.ir.quantise import tables
from lamina.ir.quantise.scopes import Key, Scope, walk
from lamina.ir.types import Fixed, Integer
from lamina.nn.network_rules import TABLE

MOST = 2.0**40  # in place of an infinity


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One operation of a float network with one operand that is no stored number."""

    scope: Scope
    operation: Operation

    def __call__(self, x: Tensor) -> Tensor:
        rule = TABLE[self.operation.operator].floats
        assert rule is not None
        operands = []
        for name in self.operation.inputs:
            constant = self.scope.constant(name)
            stored = None if constant is None else constant.data
            operands.append(_calm(x) if stored is None else torch.tensor(stored, dtype=x.dtype).reshape(()))
        found = rule(operands, self.scope.site(self.operation))
        assert isinstance(found, Tensor)
        return torch.nan_to_num(found, nan=0.0, posinf=MOST, neginf=-MOST)

    def entries(self, x: Integer | Fixed, y: Integer | Fixed) -> Array:
        """The table from integers of `x` to integers of `y`."""
        return tables.entries(self.scope, self.operation, x, y)


def functions(network: Scope, start: Scope) -> dict[Key, Function]:
    """The function of each lookup of the integer network `start`, by its key, where the float `network` has one."""
    known = {(*scope.path, o.name): (scope, o) for scope, o in walk(network) if o.operator in tables.TABLES}
    lookups = [(*scope.path, o.name) for scope, o in walk(start) if o.operator == "lookup"]
    return {key: Function(*known[key]) for key in lookups if key in known}


class _Calm(torch.autograd.Function):
    """The same number; a gradient that is no number becomes 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> Tensor:
        return torch.nan_to_num(given[0], nan=0.0, posinf=0.0, neginf=0.0)


_calm: Callable[[Tensor], Tensor] = _Calm.apply
