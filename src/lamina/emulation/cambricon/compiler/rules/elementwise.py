"""Element by element: each operator is a sequence of vector instructions; left out: lookups in any other table.

    relu     z = a - a          y = VGTM a, z
    where    p = VMV c, a       n = VNOT c       q = VMV n, b       y = VAV p, q        (c is 1.0 or 0)
    lookup   the sequence of the function whose table it is (`functions`)

A vector that does not fit is cut: a loop over pieces, and what remains behind it. Operands that are stretched are laid
out whole first: constants when the program is made, values by a copy.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon import functions
from lamina.emulation.cambricon.compiler._code import Address, Immediate
from lamina.emulation.cambricon.compiler._homes import Home
from lamina.emulation.cambricon.compiler._moves import copy, dense, load, start, store
from lamina.emulation.cambricon.compiler._scope import Order, Scope, laid_out, refuse
from lamina.emulation.cambricon.functions import Step
from lamina.ir.check import site
from lamina.ir.network import Operation
from lamina.ir.operators.activations import clip_bounds
from lamina.ir.types import BOOL

_LEAST: tuple[Step, ...] = (
    ("VGT", "c", "b", "a"),
    ("VNOT", "n", "c", None),
    ("VMV", "p", "c", "a"),
    ("VMV", "q", "n", "b"),
    ("VAV", "y", "p", "q"),
)
_MIRRORED: tuple[Step, ...] = (("VSV", "z", "a", "a"), ("VSV", "m", "z", "a"))

SEQUENCES: Mapping[str, tuple[Step, ...]] = {
    "add": (("VAV", "y", "a", "b"),),
    "subtract": (("VSV", "y", "a", "b"),),
    "multiply": (("VMV", "y", "a", "b"),),
    "maximum": (("VGTM", "y", "a", "b"),),
    "minimum": _LEAST,
    "relu": (("VSV", "z", "a", "a"), ("VGTM", "y", "a", "z")),
    "negate": (("VSV", "z", "a", "a"), ("VSV", "y", "z", "a")),
    "absolute": (*_MIRRORED, ("VGTM", "y", "a", "m")),
    "equal": (("VE", "y", "a", "b"),),
    "greater": (("VGT", "y", "a", "b"),),
    "less": (("VGT", "y", "b", "a"),),
    "greater_or_equal": (("VGT", "l", "b", "a"), ("VNOT", "y", "l", None)),
    "less_or_equal": (("VGT", "g", "a", "b"), ("VNOT", "y", "g", None)),
    "logical_and": (("VAND", "y", "a", "b"),),
    "logical_or": (("VOR", "y", "a", "b"),),
    "logical_xor": (("VE", "e", "a", "b"), ("VNOT", "y", "e", None)),
    "logical_not": (("VNOT", "y", "a", None),),
    "where": (("VMV", "p", "c", "a"), ("VNOT", "n", "c", None), ("VMV", "q", "n", "b"), ("VAV", "y", "p", "q")),
}
"""The operands of `where` are c, a, b; those of all others a, b."""


def lower(scope: Scope, operation: Operation) -> None:
    """An operator of `SEQUENCES`."""
    check(scope, operation)
    if is_condition_itself(scope, operation):
        scope.view(operation.name, operation.inputs[0])
        return
    steps, inputs = SEQUENCES[operation.operator], list(operation.inputs)
    names = ["c", "a", "b"] if operation.operator == "where" else ["a", "b"][: len(inputs)]
    operands = dict(zip(names, inputs, strict=True))
    if operation.operator in ("add", "subtract") and (number := _uniform(scope, operands["b"])) is not None:
        steps = (("VAS", "y", "a", number if operation.operator == "add" else -number),)
        del operands["b"]
    elif operation.operator == "where" and (pair := _two_numbers(scope, operands)) is not None:
        steps, operands = _chosen(pair, 1 << scope.target.element.fraction_bits), {"c": operands["c"]}
    compute(scope, operation, steps, operands)


def _lookup(scope: Scope, operation: Operation) -> None:
    source, entries = operation.inputs
    bits = scope.target.element.fraction_bits
    check(scope, operation)
    name = functions.recognised(scope.constants[entries], bits) if entries in scope.constants else None
    if name is None:
        raise refuse(
            operation, f"its table is none of {', '.join(functions.FUNCTIONS)} as VEXP, VLOG and VDV give them"
        )
    steps = [
        (n, r, a, functions.scalar(b, bits) if isinstance(b, float) else b) for n, r, a, b in functions.FUNCTIONS[name]
    ]
    compute(scope, operation, steps, {"x": source})


def _clip(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    low, high = clip_bounds(site(operation, scope.types))
    steps: list[Step] = [
        ("VSV", "z", "x", "x"),
        ("VAS", "l", "z", low),
        ("VGTM", "a", "x", "l"),
        ("VAS", "b", "z", high),
    ]
    compute(scope, operation, [*steps, *_LEAST], {"x": operation.inputs[0]})


def check(scope: Scope, operation: Operation) -> None:
    """Raise unless all numbers are the machine's or truth values, rounded its way; tables and keys aside."""
    rounding = operation.attributes.get("rounding", "power_of_two")
    if rounding != "power_of_two":
        raise refuse(operation, f"it rounds by {rounding!r}, the machine half to even (power_of_two)")
    for name in (*operation.inputs, *operation.outputs):
        if (element := scope.types[name].element) not in (scope.target.element, BOOL):
            raise refuse(operation, f"it meets {element}, the machine computes in {scope.target.element}")


def is_condition_itself(scope: Scope, operation: Operation) -> bool:
    """Whether `operation` is where(c, 1.0, 0.0): what a comparison leaves is that already."""
    if operation.operator != "where" or scope.types[operation.name].shape != scope.types[operation.inputs[0]].shape:
        return False
    one = 1 << scope.target.element.fraction_bits
    return [_uniform(scope, name) for name in operation.inputs[1:]] == [one, 0] and (
        operation.inputs[0] not in scope.constants
    )


def _uniform(scope: Scope, name: str) -> int | None:
    """The number that constant `name` repeats, or none."""
    data = scope.constants.get(name)
    if data is None or data.size == 0 or (data != data.flat[0]).any():
        return None
    return int(data.flat[0])


def _two_numbers(scope: Scope, operands: Mapping[str, str]) -> tuple[int, int] | None:
    a, b = (_uniform(scope, operands[name]) for name in ("a", "b"))
    same = scope.types[operands["c"]].size == max(scope.types[n].size for n in operands.values())
    element = scope.target.element
    if a is None or b is None or not same or not element.low <= a - b <= element.high:
        return None
    return a, b


def _chosen(pair: tuple[int, int], one: int) -> tuple[Step, ...]:
    """a where c is `one`, b where it is 0: c stretched to a - b, moved by b."""
    a, b = pair
    if a - b == 2 * one:
        return (("VAV", "d", "c", "c"), ("VAS", "y", "d", b))
    spread: tuple[Step, ...] = (("VSV", "z", "c", "c"), ("VAS", "d", "z", a - b), ("VMV", "p", "c", "d"))
    return (*spread, ("VAS", "y", "p", b))


def compute(scope: Scope, operation: Operation, steps: Sequence[Step], operands: Mapping[str, str]) -> None:
    """The result of `steps` on values (names in `steps` -> values), stretched to the result's shape."""
    name, shape = operation.name, scope.types[operation.name].shape
    values = [v for v in operands.values() if v not in scope.constants]
    orders = {scope.orders.get(v) for v in values if scope.size(v) == scope.size(name)}
    order = orders.pop() if len(orders) == 1 else None
    if order is not None and shape != (1, *order) and any(scope.size(v) != scope.size(name) for v in values):
        order = None  # a flat view of maps cannot be stretched along their axes
    with ExitStack() as stack:
        homes = {n: _stretched(scope, v, shape, order, stack) for n, v in operands.items()}
        run(scope, name, steps, homes, scope.result(name, order), scope.size(name))


def _stretched(scope: Scope, value: str, shape: tuple[int, ...], order: Order | None, stack: ExitStack) -> Home:
    """Where `value`, broadcast to `shape`, lies in the order of the result."""
    if value in scope.constants:
        data = scope.stored(value, scope.constants[value])
        return scope.target.constant(laid_out(np.broadcast_to(data, shape), order))
    own = scope.types[value].shape
    size = int(np.prod(shape, dtype=np.int64))
    if scope.size(value) == size and scope.orders.get(value) == order:
        return scope.home(value)
    home = stack.enter_context(scope.plain(value))
    if scope.size(value) == size and order is None:
        return home
    padded = (1,) * (len(shape) - len(own)) + own
    strides = [0 if o == 1 and s > 1 else d for o, s, d in zip(padded, shape, dense(padded), strict=True)]
    axes = list(range(len(shape))) if order is None else [0, 2, 3, 1]
    sizes, strides = [shape[a] for a in axes], [strides[a] for a in axes]
    wide = stack.enter_context(scope.scratch(size))
    if home.space == "memory":
        home = Home("vector", stack.enter_context(scope.near(home, scope.size(value), value)))
    copy(scope.code, scope.target.vectors, wide, home, sizes, dense(sizes), strides, value)
    return wide


def run(scope: Scope, what: str, steps: Sequence[Step], sources: Mapping[str, Home], result: Home, size: int) -> None:
    """`steps` on vectors of `size`, in pieces where temporary vectors do not fit."""
    slots = _slots(steps)
    count = len(set(slots.values())) - (result.space == "vector") + sum(h.space == "memory" for h in sources.values())
    most = scope.target.vectors.largest // count if count else size
    if most >= size:
        _piece(scope, what, steps, slots, sources, result, size)
        return
    if most == 0:
        raise Unsupported(f"Cambricon cannot run {what!r}: no room is left in the vector scratchpad")
    times, code = size // most, scope.code
    with code.registers(len(sources) + 1) as (into, *pointers):
        start(code, into, result.address)
        for pointer, home in zip(pointers, sources.values(), strict=True):
            start(code, pointer, home.address)
        moving = {n: Home(h.space, p) for (n, h), p in zip(sources.items(), pointers, strict=True)}
        steps_on = dict.fromkeys((into, *pointers), most)
        with code.loop(times, steps_on):
            _piece(scope, what, steps, slots, moving, Home(result.space, into), most)
        if size % most:
            _piece(scope, what, steps, slots, moving, Home(result.space, into), size % most)


def _piece(
    scope: Scope,
    what: str,
    steps: Sequence[Step],
    slots: Mapping[str, int],
    sources: Mapping[str, Home],
    result: Home,
    size: int,
) -> None:
    code, vectors = scope.code, scope.target.vectors
    with ExitStack() as stack:
        places: dict[str, Address] = {}
        for name, home in sources.items():
            if home.space == "memory":
                address = stack.enter_context(vectors.temporary(size, what))
                load(code, address, size, home)
                places[name] = address
            else:
                places[name] = home.address
        rooms: dict[int, Address] = {}
        if result.space == "vector":
            rooms[slots["y"]] = result.address
        for slot in sorted(set(slots.values()) - rooms.keys()):
            rooms[slot] = stack.enter_context(vectors.temporary(size, what))
        for name, made, a, b in steps:
            second = () if b is None else (places[b],) if isinstance(b, str) else (Immediate(int(b)),)
            code.emit(name, rooms[slots[made]], size, places[a], *second)
            places[made] = rooms[slots[made]]
        if result.space == "memory":
            store(code, result, size, places["y"])


def _slots(steps: Sequence[Step]) -> dict[str, int]:
    """Which temporary vector each result has; one that is read for the last time may hold the next."""
    last = {operand: at for at, step in enumerate(steps) for operand in step[2:] if isinstance(operand, str)}
    slots: dict[str, int] = {}
    for at, (_, made, *_) in enumerate(steps):
        busy = {slots[n] for n in slots if last.get(n, len(steps)) > at}
        slots[made] = next(s for s in range(len(steps)) if s not in busy)
    return slots


RULES = {**dict.fromkeys(SEQUENCES, lower), "lookup": _lookup, "clip": _clip}
