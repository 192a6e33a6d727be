"""Numbers from places with strides to places with strides, as VMOVE, VLOAD, VSTORE in loops; left out: gathering.

    to[sum i_a t_a] = from[sum i_a f_a]      for all i_a < size_a; a stride f_a of 0 repeats

Axes that lie one behind the other on both sides become one; the innermost axis is one instruction where both sides are
dense, or where one number is repeated (VMAX of one element, VAS to a vector of zeros). Everything around it is loops.
Padding, slices, concatenations, transpositions, broadcasts and the patches of a convolution are all this.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from math import prod

from lamina.emulation.cambricon.compiler._code import Address, Code, Immediate, Operand, Register
from lamina.emulation.cambricon.compiler._homes import Home, Room


def dense(sizes: Sequence[int]) -> list[int]:
    """Strides of an array in C order."""
    return [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]


def load(code: Code, to: Address, size: int, source: Home) -> None:
    """`size` numbers from `source` to the vector scratchpad."""
    if source.space == "vector":
        code.emit("VMOVE", to, size, source.address)
    else:
        code.emit("VLOAD", to, size, *_memory(source.address))


def store(code: Code, to: Home, size: int, source: Address) -> None:
    """`size` numbers of the vector scratchpad to `to`."""
    if to.space == "vector":
        code.emit("VMOVE", to.address, size, source)
    else:
        code.emit("VSTORE", source, size, *_memory(to.address))


def _memory(address: Address) -> tuple[Operand, ...]:
    return (Immediate(address),) if isinstance(address, int) else (address, Immediate(0))


def start(code: Code, pointer: Register, at: Address) -> None:
    """Let `pointer` point to `at`."""
    code.emit("SMOVE", pointer, Immediate(at) if isinstance(at, int) else at)


def copy(
    code: Code,
    room: Room,
    to: Home,
    source: Home,
    sizes: Sequence[int],
    to_strides: Sequence[int],
    from_strides: Sequence[int],
    what: str,
) -> None:
    """The moves; `room` gives temporary vectors, `what` names the layer in errors."""
    axes = _merged(sizes, to_strides, from_strides)
    run, repeat = 1, False
    if axes and axes[-1][1:] == (1, 1):
        run = axes.pop()[0]
    elif axes and axes[-1][1:] == (1, 0) and source.space == "vector":
        run, repeat = axes.pop()[0], True
    with ExitStack() as stack:
        through = source.space == to.space == "memory" or (repeat and to.space == "memory")
        temporary = stack.enter_context(room.temporary(run, what)) if through else 0
        zeros = stack.enter_context(room.temporary(run, what)) if repeat else 0
        if repeat:
            code.emit("VSV", zeros, run, zeros, zeros)
        if axes:
            into, out = stack.enter_context(code.registers(2))
            start(code, into, to.address)
            start(code, out, source.address)
            to, source = Home(to.space, into), Home(source.space, out)
            for (size, t, f), inner in zip(axes, [*axes[1:], (0, 0, 0)], strict=True):
                steps = {into: t - inner[0] * inner[1], out: f - inner[0] * inner[2]}
                stack.enter_context(code.loop(size, steps))
        target = temporary if through else to.address
        if repeat:
            (value,) = stack.enter_context(code.registers())
            code.emit("VMAX", value, 1, source.address)
            code.emit("VAS", target, run, zeros, value)
        elif to.space == "memory" and not through:
            store(code, to, run, source.address)
        else:
            load(code, target, run, source)
        if through:
            store(code, to, run, temporary)


def _merged(sizes: Sequence[int], to: Sequence[int], source: Sequence[int]) -> list[tuple[int, int, int]]:
    """Axes as (size, stride to, stride from), those of size 1 left out, those that continue one another made one."""
    axes: list[tuple[int, int, int]] = []
    for size, t, f in zip(sizes, to, source, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * t and axes[-1][2] == size * f:
            size, t, f = axes.pop()[0] * size, t, f
        axes.append((size, t, f))
    return axes
