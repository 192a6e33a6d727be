"""Where every value lives while the network runs: at the caller's pointers, in constants, or in an arena.

    roots      views and in-place results share the place of their source
    lifetimes  from the step that makes a value to the last step that reads it; scratch memory lives for one step
    arenas     one for each C type, so that no number is read through a pointer of another type (C99 6.5 §7);
               int8 and uint8 may share one, as the standard allows for signed and unsigned versions of one type

Offsets are chosen by size, largest first, each at the lowest place that is free during its whole life. A result that is
a network output is written straight to the caller's memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.export._c_operators import IN_PLACE, TAKES_CLIPPING, VIEWS
from lamina.ir.network import Network, Operation

Scratch = Mapping[str, tuple[Any, int]]  # name -> dtype and count


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One operation to compute, with a relu or clip that it takes over."""

    operation: Operation
    clipping: Operation | None = None

    @property
    def result(self) -> str:
        return (self.clipping or self.operation).name

    @property
    def results(self) -> tuple[str, ...]:
        return tuple((self.clipping or self.operation).outputs)


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
    lives: dict[str, tuple[int, int]]  # root -> first and last step
    written: dict[str, str]  # root -> the network output it is written to
    slots: dict[str, Slot]  # root, or "step:name" of scratch memory -> its place in an arena
    arenas: dict[str, int]  # kind -> elements

    @property
    def arena_bytes(self) -> int:
        """`sizeof(NAME_state)`: the widest type comes first, so only the end is padded."""
        widths = [np.dtype(kind).itemsize for kind in self.arenas]
        total = sum(count * width for count, width in zip(self.arenas.values(), widths, strict=True))
        return -(-total // widths[0]) * widths[0] if widths else 1


def plan(network: Network, scratch: Sequence[Scratch] = ()) -> Plan:
    """The steps of `network` and a place for every value, and for the scratch memory of each step."""
    return arranged(network, shared(network), scratch)


def shared(network: Network) -> Plan:
    """The steps, and what shares a place with what; nothing has a place in an arena yet."""
    steps = _steps(network)
    last_use = _last_uses(network, steps)
    root = _roots(network, steps, last_use)
    written: dict[str, str] = {}
    made = {result for step in steps for result in step.results}
    for output, value in network.outputs.items():
        if root[value] in made:
            written.setdefault(root[value], output)
    lives = _lives(steps, root, last_use)
    return Plan(steps=tuple(steps), root=root, lives=lives, written=written, slots={}, arenas={})


def arranged(network: Network, plan: Plan, scratch: Sequence[Scratch]) -> Plan:
    """`plan` with a place for every value that lives in an arena."""
    types = network.types
    wanted = [
        (name, kind(types[name].element.storage), types[name].size, *life)
        for name, life in plan.lives.items()
        if name not in network.inputs and name not in network.constants and name not in plan.written
    ]
    for at, memory in enumerate(scratch):
        wanted += [(place(at, name), kind(dtype), count, at, at) for name, (dtype, count) in memory.items()]
    slots = _slots(wanted)
    arenas = dict.fromkeys(sorted({s.kind for s in slots.values()}, key=lambda k: (-np.dtype(k).itemsize, k)), 0)
    for slot in slots.values():
        arenas[slot.kind] = max(arenas[slot.kind], slot.offset + slot.size)
    return replace(plan, slots=slots, arenas=arenas)


def place(step: int, name: str) -> str:
    """The name of scratch memory among the slots; no value has a colon in its name."""
    return f"{step}:{name}"


def kind(storage: Any) -> str:
    """The arena of a storage type: without the sign."""
    return np.dtype(storage).str[1:].replace("u", "i")


def _steps(network: Network) -> list[Step]:
    """Operations in order; a relu or clip that alone reads a result that can be clipped goes into its operation."""
    outputs = set(network.outputs.values())
    readers: dict[str, list[Operation]] = {}
    for operation in network.operations:
        for name in dict.fromkeys(operation.inputs):
            readers.setdefault(name, []).append(operation)
    taken = {
        operation.name: readers[operation.name][0]
        for operation in network.operations
        if operation.operator in TAKES_CLIPPING
        and operation.name not in outputs
        and _clips(operation, readers.get(operation.name, []))
    }
    inside = {clipping.name for clipping in taken.values()}
    return [
        Step(operation=operation, clipping=taken.get(operation.name))
        for operation in network.operations
        if operation.name not in inside
    ]


def _clips(operation: Operation, readers: list[Operation]) -> bool:
    if [r.operator for r in readers] not in (["relu"], ["clip"]):
        return False
    clipping = readers[0]
    return clipping.outputs[clipping.name] == operation.outputs[operation.name]


def _last_uses(network: Network, steps: Sequence[Step]) -> dict[str, int]:
    """The last step that reads a value; network outputs are read after the end."""
    uses = {name: at for at, step in enumerate(steps) for name in step.operation.inputs}
    return uses | dict.fromkeys(network.outputs.values(), len(steps))


def _roots(network: Network, steps: Sequence[Step], last_use: dict[str, int]) -> dict[str, str]:
    root = {name: name for name in (*network.inputs, *network.constants)}
    end = dict(last_use)  # of everything that shares a root
    types = network.types
    for at, step in enumerate(steps):
        source = step.operation.inputs[0]
        for result in step.results:
            shares = step.operation.operator in VIEWS or (
                step.operation.operator in IN_PLACE
                and root[source] not in network.inputs
                and root[source] not in network.constants
                and end[root[source]] == at
                and types[source].element.storage == types[result].element.storage
            )
            root[result] = root[source] if shares else result
            end[root[result]] = max(end.get(root[result], at), last_use.get(result, at))
    return root


def _lives(steps: Sequence[Step], root: dict[str, str], last_use: dict[str, int]) -> dict[str, tuple[int, int]]:
    lives: dict[str, tuple[int, int]] = {}
    for at, step in enumerate(steps):
        for result in step.results:
            first, last = lives.get(root[result], (at, at))
            lives[root[result]] = (first, max(last, at, last_use.get(result, at)))
    return lives


def _slots(wanted: Sequence[tuple[str, str, int, int, int]]) -> dict[str, Slot]:
    """Name, kind, size, first and last step to places."""
    slots: dict[str, Slot] = {}
    for name, in_kind, size, first, last in sorted(wanted, key=lambda w: -w[2]):
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
