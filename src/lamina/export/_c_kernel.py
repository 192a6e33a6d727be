"""What a template is given and what it gives: one operation as one C function.

    Setting  where the operation stands: its name in C, types, attributes, the numbers of its constants
    Kernel   the function: which operands it reads from memory, which numbers are stored for it, its body

A kernel's parameters are `x0`, `x1` ... (the operands it reads, in order), then the stored tables by name, then `y`,
the result. A kernel that works `in_place` has `y` alone when the memory plan gives input and result one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamina.ir.network import Array
from lamina.ir.operators._table import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    name: str  # of the C function
    prefix: str  # of helper functions: the network's name in C
    site: Site
    arrays: tuple[Array | None, ...]  # per operand: its numbers where it is a constant
    relu: bool  # a relu that the operation takes over
    in_place: bool  # result and first operand share their place


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    reads: tuple[int, ...]  # operands that are parameters x0, x1, ...
    body: str  # C statements
    stored: Mapping[str, Array] = field(default_factory=dict)  # parameter -> numbers packed for this function
    before: str = ""  # functions it calls, placed before it
    helpers: tuple[str, ...] = ()  # names in `_c_helpers`
    stack_bytes: int = 0  # of local arrays
