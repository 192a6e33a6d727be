"""Which values of an integer network share an element, and how that element may change while the network is trained.

    one group      values that an operator needs alike (moved, compared, chosen); a table and its result; all that look
                   in one table, all layers with one bias; states of a scan over all steps, a sequence and its slices
    derived        a bias: its scale is that of the sums, s_x s_w
    fixed          integers that enter or leave the network, fixed point, plain integers that stand for themselves, and
                   stored single numbers with no other beside them
    learned        every other group of integers of at most 16 bits

A key names a value, through all bodies of scans (`ir.quantise.scopes`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lamina.ir.network import TABLES, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._rules import plain
from lamina.ir.quantise.scopes import Key, Scope, walk
from lamina.ir.types import BOOL, INDEX, Element, Fixed, Float, Integer

WEIGHTED = ("conv2d", "linear", "conv_transpose2d")
ALIKE = ("relu", "clip", "flatten", "reshape", "piecewise_linear")  # beside all that have `moves`
PLAIN = ("divide", "power", "remainder", "reduce_product", "cumulative_sum", "cast")
WIDEST = 16  # bits of what is learned


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """The scale of a bias: those of its layer's input and weights."""

    x: Key
    w: Key
    products: str


@dataclass(slots=True)
class Groups:
    """The groups of a network; `element` is what each value has in the beginning, by key."""

    parent: dict[Key, Key] = field(default_factory=dict)
    element: dict[Key, Element] = field(default_factory=dict)
    derived: dict[Key, Derived] = field(default_factory=dict)  # by root
    reads: dict[Key, Key] = field(default_factory=dict)  # table -> the operand of a lookup in it
    fixed: set[Key] = field(default_factory=set)

    def root(self, key: Key) -> Key:
        """The group of `key`, as one of its members."""
        while key in self.parent:
            key = self.parent[key]
        return key

    def join(self, first: Key, second: Key) -> None:
        """One group for both, where both are quantised; different elements cannot change together and stay."""
        a, b = self.root(first), self.root(second)
        if a == b or not quantised(self.element[a]) or not quantised(self.element[b]):
            return
        if self.element[a] == self.element[b]:
            self.parent[b] = a
        else:
            self.fixed.update((a, b))

    def roots(self) -> Iterator[tuple[Key, Integer | Fixed]]:
        """Root and first element of every group of quantised values."""
        for key, element in self.element.items():
            if self.root(key) == key and not isinstance(element, Float) and quantised(element):
                yield key, element

    def learned(self) -> Iterator[tuple[Key, Integer]]:
        """Root and first element of every group that is learned."""
        fixed = {self.root(key) for key in self.fixed}
        for key, element in self.roots():
            if isinstance(element, Integer) and element.bits <= WIDEST and key not in fixed | self.derived.keys():
                yield key, element


def weights(top: Scope) -> list[str]:
    """The constants of an integer network that are trained: its weights, without tables that bodies look up."""
    reading = [(scope, o) for scope, o in walk(top) if o.operator in TABLES]
    tables = {scope.key(name) for scope, o in reading for name in o.inputs[1:]}
    return [name for name in top.network.weights if (name,) not in tables]


def quantised(element: Element) -> bool:
    """Whether stored numbers stand for others: neither float nor truth value nor place."""
    return not isinstance(element, Float) and element not in (BOOL, INDEX)


def groups(top: Scope) -> Groups:
    """The groups of an integer network."""
    found = Groups()
    operations = [*walk(top)]
    for scope in [top, *(scope.body(o) for scope, o in operations if o.operator == "scan")]:
        for name, type_ in scope.types.items():
            found.element.setdefault(scope.key(name), type_.element)
    for scope, operation in operations:
        (_unite_scan if operation.operator == "scan" else _unite)(found, scope, operation)
    _fix(found, top.network)
    return found


def _unite(found: Groups, scope: Scope, operation: Operation) -> None:
    name, keys = operation.operator, [scope.key(n) for n in (*operation.inputs, *operation.outputs)]
    if name == "lookup":
        found.join(keys[2], keys[1])
        found.join(found.reads.setdefault(keys[1], keys[0]), keys[0])
    elif operator(name).moves is not None or name in ALIKE:
        for key in keys:
            found.join(keys[0], key)
            found.join(keys[-1], key)
    elif name in WEIGHTED and len(operation.inputs) > 2 and isinstance(found.element[keys[2]], Integer):
        products = str(operation.attributes.get("products", "exact"))
        of = found.derived.setdefault(found.root(keys[2]), Derived(x=keys[0], w=keys[1], products=products))
        found.join(of.x, keys[0])  # of another layer with the same bias
        found.join(of.w, keys[1])
    if name in PLAIN:
        found.fixed.update(key for key in keys if quantised(found.element[key]))


def _unite_scan(found: Groups, scope: Scope, operation: Operation) -> None:
    body = scope.body(operation)
    states, sequences = scope.own_inputs(operation)
    for inside, outside in (*states, *sequences):
        found.join(scope.key(outside), body.key(inside))
    for (output, value), result in zip(body.network.outputs.items(), operation.outputs, strict=True):
        found.join(body.key(value), scope.key(result))
        if output in body.network.carry:
            found.join(body.key(body.network.carry[output]), body.key(value))


def _fix(found: Groups, network: Network) -> None:
    found.fixed.update((name,) for name in (*network.inputs, *network.outputs.values()))
    for key, element in found.element.items():
        if isinstance(element, Fixed) or (plain(element) and element.bits > WIDEST):
            found.fixed.add(key)
    members: dict[Key, int] = {}
    for key in found.element:
        members[found.root(key)] = members.get(found.root(key), 0) + 1
    for name, constant in network.constants.items():
        if not constant.type.shape and members[found.root((name,))] == 1:
            found.fixed.add((name,))
