"""Which operations become integers, which values share an element, and what that element is.

integer    an operation with a form in integers; masks that only float operators read stay float with them
groups     values that an operator needs to be alike (moved, compared, chosen), states over all steps, a sequence and
           its slices: united, measured together, one element each
hidden     what only a relu or a clip reads is not measured: clipping is what its saturation does
within     what only tanh, sigmoid and the like read needs no range where these hardly move
wide       a state that adds to itself (the cell of an LSTM) has `state_bits`, and so has all on its way round
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import atanh, log

import numpy as np

from lamina.ir.network import Array, Network, Operation
from lamina.ir.quantise import ranges
from lamina.ir.quantise.forms import FORMS
from lamina.ir.quantise.scopes import Key, Scope, walk
from lamina.ir.quantise.settings import Settings
from lamina.ir.quantise.spread import Spread
from lamina.ir.types import Fixed, Integer

MASK = 2.0**13  # a magnitude that means "not here" when only float operators read it
CLIPPING = ("relu", "clip")
ADDING = ("add", "subtract", "multiply", "negate", "where", "minimum", "maximum")
WIDE_BITS = 16  # of fixed point that segments read


def saturation(operator: str, bits: int) -> float | None:
    """The magnitude beyond which a function moves by less than half a unit of a result of `bits`; None: never."""
    rest = 2.0 ** -(bits + 1)
    if operator == "tanh":
        return atanh(1 - rest)
    if operator == "sigmoid":
        return log(1 / rest - 1)
    return None


@dataclass(slots=True)
class _Group:
    members: list[Key] = field(default_factory=list)
    spread: Spread = field(default_factory=Spread)
    bits: int = 0
    narrow: int = 0  # bits of what a multiplying layer reads of it
    within: float = np.inf
    segments: bool = False


class Plan:
    """Answers for every key what it becomes; made once, from measured spreads."""

    def __init__(self, network: Network, spreads: Mapping[Key, Spread], settings: Settings) -> None:
        self.settings, self.spreads = settings, spreads
        self.top = Scope(network)
        self.uses: dict[Key, list[tuple[Scope, Operation | None]]] = defaultdict(list)
        self.operations = [*walk(self.top)]
        self._count_uses()
        self.integer: set[Key] = set()
        for scope, operation in reversed(self.operations):
            if self._becomes_integer(scope, operation):
                self.integer.add((*scope.path, operation.name))
        self._parent: dict[Key, Key] = {}
        self._tables: dict[Key, Spread] = {}
        self._makers = {(*s.path, name): (s, o) for s, o in self.operations for name in o.outputs}
        self._accumulating = {key for s, o in self.operations if _is_scan(o) for key in _accumulating(s.body(o))}
        self._unite()
        self._groups = self._grouped()
        self._elements: dict[tuple[Key, bool], Integer | Fixed] = {}

    def element(self, key: Key, *, narrow: bool = False) -> Integer | Fixed:
        """The element of a value; `narrow` that in which a multiplying layer or a table reads it."""
        root = self._root(key)
        if (root, narrow) not in self._elements:
            group = self._groups.get(root) or self._group([key])
            self._elements[root, narrow] = self._chosen(group, narrow=narrow)
        return self._elements[root, narrow]

    def is_integer(self, scope: Scope, operation: Operation) -> bool:
        return (*scope.path, operation.name) in self.integer

    def alone(self, key: Key) -> bool:
        """Whether one operation alone reads the value."""
        return len(self.uses[key]) == 1 and self.uses[key][0][1] is not None

    def _chosen(self, group: _Group, *, narrow: bool) -> Integer | Fixed:
        bits = group.narrow if narrow else group.bits
        found = ranges.activation(group.spread, bits, self.settings.rule, within=group.within)
        if not group.segments or narrow:
            return found
        whole = max(1, int(np.ceil(np.log2(max(found.scale[0] * (found.high + 1), 2.0 ** -(WIDE_BITS - 2))))) + 1)
        return Fixed(integer_bits=whole, fraction_bits=max(WIDE_BITS - whole, 0))

    def _count_uses(self) -> None:
        for scope in {id(s): s for s, _ in [(self.top, None), *self._bodies()]}.values():
            for value in scope.network.outputs.values():
                self.uses[scope.key(value)].append((scope, None))
        for scope, operation in self.operations:
            count = (
                len(scope.own_inputs(operation)[0] + scope.own_inputs(operation)[1]) if _is_scan(operation) else None
            )
            for name in operation.inputs[:count]:
                self.uses[scope.key(name)].append((scope, operation))

    def _bodies(self) -> Iterator[tuple[Scope, Operation]]:
        seen: set[Key] = set()
        for scope, operation in self.operations:
            if scope.path and scope.path not in seen:
                seen.add(scope.path)
                yield scope, operation

    def _becomes_integer(self, scope: Scope, operation: Operation) -> bool:
        form = FORMS.get(operation.operator)
        floats = [n for n in (*operation.inputs, *operation.outputs) if scope.is_float(n)]
        if form is None or not floats or not any(scope.is_float(n) for n in operation.inputs):
            return False
        if not form.fits(scope, operation):
            return False
        result = self.spreads.get(scope.key(operation.name))
        masks = result is not None and (
            result.infinite > 0 or (max(-result.low, result.high) >= MASK and operation.operator in (*ADDING, "expand"))
        )
        return not (masks and self._all_float(scope.key(operation.name)))

    def _all_float(self, key: Key) -> bool:
        """Whether every reader is an operation that stays float; readers have been decided before."""
        return bool(self.uses[key]) and all(
            o is not None and not _is_scan(o) and (*s.path, o.name) not in self.integer for s, o in self.uses[key]
        )

    def _root(self, key: Key) -> Key:
        while key in self._parent:
            key = self._parent[key]
        return key

    def _join(self, first: Key, second: Key) -> None:
        a, b = self._root(first), self._root(second)
        if a != b:
            self._parent[b] = a

    def _unite(self) -> None:
        for output, into in self.top.network.carry.items():
            self._join_floats(self.top, into, self.top, self.top.network.outputs[output])
        for scope, operation in self.operations:
            if _is_scan(operation):
                self._unite_scan(scope, operation)
            elif self.is_integer(scope, operation):
                form = FORMS[operation.operator]
                names = [n for n in form.same(scope, operation) if scope.is_float(n)]
                moving = [n for n in names if scope.constant(n) is None or form.table]
                for name in moving[1:]:
                    self._join(scope.key(moving[0]), scope.key(name))
                stored = scope.constant(operation.inputs[0])
                if form.table and stored is not None and stored.data is not None:
                    self._tables[scope.key(operation.inputs[0])] = _spread(stored.data)

    def _unite_scan(self, scope: Scope, operation: Operation) -> None:
        body = scope.body(operation)
        _, sequences = scope.own_inputs(operation)
        for inside, outer in sequences:
            if scope.constant(outer) is None:
                self._join_floats(scope, outer, body, inside)
        for (output, value), result in zip(body.network.outputs.items(), operation.outputs, strict=True):
            self._join_floats(body, value, scope, result)
            if output in body.network.carry:
                self._join_floats(body, body.network.carry[output], body, value)

    def _join_floats(self, first: Scope, a: str, second: Scope, b: str) -> None:
        if first.is_float(a):
            self._join(first.key(a), second.key(b))

    def _grouped(self) -> dict[Key, _Group]:
        members: dict[Key, list[Key]] = defaultdict(list)
        for key in (*self.spreads, *self._tables):
            members[self._root(key)].append(key)
        return {root: self._group(keys) for root, keys in members.items()}

    def _group(self, members: list[Key]) -> _Group:
        settings = self.settings
        hidden = {key for key in members if self.hidden(key)}
        group = _Group(members)
        for key in members:
            if key not in hidden or len(hidden) == len(members):
                group.spread.merge(self._tables.get(key) or self.spreads.get(key, Spread()))
        made = [settings.activation_bits("/".join(key)) for key in members if self._requantised(key)]
        group.narrow = group.bits = max(made, default=settings.bits)
        if any(key in self._accumulating for key in members):
            group.bits = max(group.bits, settings.state_bits)
        limits = [saturation(o, group.bits) for o in self._readers(members)]
        if limits and all(limit is not None for limit in limits):
            group.within = max(limit for limit in limits if limit is not None)
            group.segments = settings.functions == "segments"
        return group

    def hidden(self, key: Key) -> bool:
        """Whether a relu or clip alone reads the value, so that its own range does not matter."""
        if not self.alone(key):
            return False
        scope, reader = self.uses[key][0]
        return reader is not None and reader.operator in CLIPPING and self.is_integer(scope, reader)

    def _requantised(self, key: Key) -> bool:
        """Whether the value is made by an operation that rounds it, not by one that moves numbers."""
        made = self._makers.get(key)
        if made is None:
            return True
        scope, operation = made
        form = FORMS.get(operation.operator)
        return not (
            self.is_integer(scope, operation) and form is not None and operation.name in form.same(scope, operation)
        )

    def _readers(self, members: list[Key]) -> list[str]:
        """The operators that read a group, those left out that only move its numbers."""
        found, own = [], set(members)
        for key in members:
            for scope, operation in self.uses[key]:
                if operation is None:
                    found.append("output")
                elif not (scope.key(operation.name) in own and operation.name in _same(scope, operation)):
                    found.append(operation.operator if self.is_integer(scope, operation) else "float")
        return found


def _accumulating(body: Scope) -> set[Key]:
    """Values on a way from a state to its next value that no function and no layer lies on."""
    found: set[Key] = set()
    for output, into in body.network.carry.items():
        found |= _between(body, into, body.network.outputs[output])
    return found


def _between(body: Scope, state: str, following: str) -> set[Key]:
    """Keys of the values on ways from `state` to `following`; none where there is no way, or nothing is added."""
    operations = [
        o for o in body.network.operations if o.operator in ADDING or (o.operator in FORMS and _same(body, o))
    ]
    reached, needed = {state}, {following}
    for o in operations:
        if reached & set(o.inputs):
            reached |= set(o.outputs)
    for o in reversed(operations):
        if needed & set(o.outputs):
            needed |= set(o.inputs)
    way = reached & needed
    if following not in way or state not in way or state == following:
        return set()
    return {body.key(name) for name in way if body.is_float(name)}


def _same(scope: Scope, operation: Operation) -> list[str]:
    form = FORMS.get(operation.operator)
    return [] if form is None else [*form.same(scope, operation)]


def _is_scan(operation: Operation) -> bool:
    return operation.operator == "scan"


def _spread(data: Array) -> Spread:
    spread = Spread()
    spread.add(data)
    return spread
