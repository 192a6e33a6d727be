"""What a template is given and what it gives: one operation as one C function.

    Setting  where the operation stands: its name in C, types, attributes, the numbers of its constants
    Kernel   the function: which operands it reads from memory, which numbers are stored for it, its body
    Nested   a body network that has become a C function of its own

A kernel's parameters are `x0`, `x1` ... (the operands it reads, in order), then the stored tables by name, then scratch
memory by name, then the result `y`, or `y0`, `y1` ... where there are several. A kernel that works `in_place` has no
`x0` when the memory plan gives input and result one place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.export._c_text import ctype
from lamina.ir.network import Array, Network
from lamina.ir.operators._table import Site
from lamina.ir.types import Float, Type


@dataclass(frozen=True, kw_only=True, slots=True)
class Nested:
    function: str  # its name in C; parameters: arenas, inputs, outputs
    inputs: tuple[str, ...]  # names of the body's inputs that are parameters, in order
    outputs: tuple[str, ...]
    arenas: Mapping[str, int]  # kind -> elements of memory that it works in
    stack_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    name: str  # of the C function
    prefix: str  # of helper functions: the network's name in C
    site: Site
    arrays: tuple[Array | None, ...]  # per operand: its numbers where it is a constant
    bounds: tuple[float, float] | None = None  # a clipping that the operation takes over: stored integers or reals
    in_place: bool = False  # result and first operand share their place
    nested: Callable[[Network, int], Nested] | None = (
        None  # makes a body a function; inputs from that place on are captured
    )

    @property
    def x(self) -> Type:
        return self.site.inputs[0]

    @property
    def y(self) -> Type:
        return self.site.outputs[0]

    @property
    def kind(self) -> str:
        """The C type of the first operand."""
        return kind(self.x)

    @property
    def source(self) -> str:
        """Where the first operand is read."""
        return "y" if self.in_place else "x0"

    @property
    def is_float(self) -> bool:
        return isinstance(self.x.element, Float)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    reads: tuple[int, ...]  # operands that are parameters x0, x1, ...
    body: str  # C statements
    stored: Mapping[str, Array] = field(default_factory=dict)  # parameter -> numbers packed for this function
    scratch: Mapping[str, tuple[Any, int]] = field(default_factory=dict)  # parameter -> dtype and count
    before: str = ""  # functions it calls, placed before it
    helpers: tuple[str, ...] = ()  # names in `_c_helpers`
    stack_bytes: int = 0  # of local arrays


def kind(type_: Type) -> str:
    """The C type of the stored numbers of a value."""
    return ctype(np.dtype(type_.element.storage))
