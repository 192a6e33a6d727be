"""Where every value lives while the network runs: at the caller's pointers, in constants, or in an arena.

    roots      views and in-place results share the place of their source
    lifetimes  from the step that makes a value to the last step that reads it
    arenas     one for each C type, so that no number is read through a pointer of another type (C99 6.5 §7);
               int8 and uint8 may share one, as the standard allows for signed and unsigned versions of one type

Offsets are chosen by size, largest first, each at the lowest place that is free during its whole life. A result that is
a network output is written straight to the caller's memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.export._c_operators import IN_PLACE, VIEWS
from lamina.ir.network import Network, Operation
from lamina.ir.types import Type


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One operation to compute, with a relu it takes over."""

    operation: Operation
    relu: Operation | None = None

    @property
    def result(self) -> str:
        return (self.relu or self.operation).name


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A place in the arena of `kind` ("f4", "i1", ...), in elements; alive from step `first` to step `last`."""

    kind: str
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    root: dict[str, str]  # value -> the value whose memory it shares
    slots: dict[str, Slot]  # root -> its place in an arena
    written: dict[str, str]  # root -> the network output it is written to
    arenas: dict[str, int]  # kind -> elements

    @property
    def arena_bytes(self) -> int:
        """`sizeof(NAME_state)`: the widest type comes first, so only the end is padded."""
        widths = [np.dtype(kind).itemsize for kind in self.arenas]
        total = sum(count * width for count, width in zip(self.arenas.values(), widths, strict=True))
        return -(-total // widths[0]) * widths[0] if widths else 1


def plan(network: Network) -> Plan:
    """The steps of `network` and a place for every value."""
    steps = _steps(network)
    last_use = _last_uses(network, steps)
    root = _roots(network, steps, last_use)
    written: dict[str, str] = {}
    made = {step.result for step in steps}
    for output, value in network.outputs.items():
        if root[value] in made:
            written.setdefault(root[value], output)
    slots = _slots(network, steps, root, last_use, written)
    arenas = dict.fromkeys(sorted({s.kind for s in slots.values()}, key=lambda k: (-np.dtype(k).itemsize, k)), 0)
    for slot in slots.values():
        arenas[slot.kind] = max(arenas[slot.kind], slot.offset + slot.size)
    return Plan(steps=tuple(steps), root=root, slots=slots, written=written, arenas=arenas)


def kind(type_: Type) -> str:
    """The arena of a value: its storage, without the sign."""
    return np.dtype(type_.element.storage).str[1:].replace("u", "i")


def _steps(network: Network) -> list[Step]:
    """Operations in order; a relu that alone reads a convolution or a linear layer goes into it."""
    outputs = set(network.outputs.values())
    taken: dict[str, Operation] = {}
    for operation in network.operations:
        readers = [*network.consumers(operation.name)]
        if (
            operation.operator in ("conv2d", "linear")
            and operation.name not in outputs
            and [r.operator for r in readers] == ["relu"]
        ):
            taken[operation.name] = readers[0]
    inside = {relu.name for relu in taken.values()}
    return [
        Step(operation=operation, relu=taken.get(operation.name))
        for operation in network.operations
        if operation.name not in inside
    ]


def _last_uses(network: Network, steps: Sequence[Step]) -> dict[str, int]:
    """The last step that reads a value; network outputs are read after the end."""
    uses = {name: at for at, step in enumerate(steps) for name in step.operation.inputs}
    return uses | dict.fromkeys(network.outputs.values(), len(steps))


def _roots(network: Network, steps: Sequence[Step], last_use: dict[str, int]) -> dict[str, str]:
    root = {name: name for name in (*network.inputs, *network.constants)}
    end = dict(last_use)  # of everything that shares a root
    types = network.types
    for at, step in enumerate(steps):
        source, result = step.operation.inputs[0], step.result
        shared = step.operation.operator in VIEWS or (
            step.operation.operator in IN_PLACE
            and root[source] not in network.inputs
            and root[source] not in network.constants
            and end[root[source]] == at
            and types[source].element.storage == types[result].element.storage
        )
        root[result] = root[source] if shared else result
        end[root[result]] = max(end.get(root[result], at), last_use.get(result, at))
    return root


def _slots(
    network: Network, steps: Sequence[Step], root: dict[str, str], last_use: dict[str, int], written: dict[str, str]
) -> dict[str, Slot]:
    types = network.types
    lives: dict[str, tuple[int, int]] = {}
    for at, step in enumerate(steps):
        place = root[step.result]
        first, last = lives.get(place, (at, at))
        lives[place] = (first, max(last, at, last_use.get(step.result, at)))
    wanted = [
        (name, types[name].size, *life)
        for name, life in lives.items()
        if name not in network.inputs and name not in network.constants and name not in written
    ]
    slots: dict[str, Slot] = {}
    for name, size, first, last in sorted(wanted, key=lambda w: -w[1]):
        in_kind = kind(types[name])
        others = sorted(
            (s for s in slots.values() if s.kind == in_kind and s.first <= last and first <= s.last),
            key=lambda s: s.offset,
        )
        offset = 0
        for other in others:
            if offset + size <= other.offset:
                break
            offset = max(offset, other.offset + other.size)
        slots[name] = Slot(kind=in_kind, offset=offset, size=size, first=first, last=last)
    return slots
