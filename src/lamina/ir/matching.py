"""A network as pattern rules see it: who made a value, how often it is read, which number it is.

A rule looks at one operation, the root of a pattern, and gives operations that compute the same value from values that
were there before it. Only the root is replaced: what the pattern went through stays where something else reads it,
and is dropped as dead otherwise. Patterns are of operations on floats with one result; numbers of constants are equal
within 5e-6, since exporters round square roots.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lamina.ir.network import Array, Constant, Network, Operation
from lamina.ir.types import Float, Type

Rule = Callable[["Graph", Operation], list[Operation] | None]
MOST_ROUNDS = 50  # a rule never makes what another one undoes; a bound all the same
CLOSE = 5e-6


@dataclass(slots=True)
class Graph:
    """The network while it is rewritten."""

    types: dict[str, Type]
    producers: dict[str, Operation]
    uses: Counter[str]
    known: Mapping[str, Array]  # numbers of constants, and of the constants that a body captures
    constants: dict[str, Constant] | None = field(default_factory=dict)  # new ones; None where none may be added

    def maker(self, value: str, *operators: str) -> Operation | None:
        """The operation on floats that made `value`, if it is one of `operators`."""
        operation = self.producers.get(value)
        if operation is None or operation.operator not in operators or len(operation.outputs) != 1:
            return None
        floats = all(isinstance(self.types[name].element, Float) for name in (value, *operation.inputs))
        return operation if floats else None

    def number(self, value: str) -> float | None:
        """The one number of a constant."""
        data = self.known.get(value)
        return None if data is None or data.size != 1 else float(data.reshape(()))

    def is_number(self, value: str, wanted: float) -> bool:
        """Whether `value` is a constant of one number, close to `wanted`."""
        number = self.number(value)
        return number is not None and close(number, wanted)

    def argument(self, value: str, operator: str) -> str | None:
        """x of value = operator(x)."""
        operation = self.maker(value, operator)
        return None if operation is None else operation.inputs[0]

    def read_once(self, value: str) -> bool:
        """Whether one operation, or one output of the network, reads `value` and nothing else."""
        return self.uses[value] == 1

    def fresh(self, root: Operation, what: str) -> str:
        """A name for a value inside the replacement of `root`."""
        count, name = 1, f"{root.name}.{what}"[:190]
        candidate = name
        while candidate in self.types:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def new(self, root: Operation, operator: str, inputs: Sequence[str], **attributes: Any) -> Operation:
        """An operation inside the replacement of `root`, its result of the root's type."""
        name = self.fresh(root, operator)
        self.types[name] = self.types[root.name]
        return Operation(
            operator=operator, inputs=tuple(inputs), outputs={name: self.types[name]}, attributes=attributes
        )


def close(a: float, b: float) -> bool:
    """Whether `a` is `b` as an exporter may have rounded it."""
    return abs(a - b) <= CLOSE * abs(b)


def instead(root: Operation, operator: str, inputs: Sequence[str], **attributes: Any) -> Operation:
    """`root`'s result, made by another operation."""
    return Operation(operator=operator, inputs=tuple(inputs), outputs=root.outputs, attributes=attributes)


def pairs(operation: Operation) -> Iterator[tuple[str, str]]:
    """The two operands in either order."""
    a, b = operation.inputs
    yield a, b
    yield b, a


def rewritten(network: Network, rules: Sequence[Rule], captured: Mapping[str, Array] | None = None) -> Network:
    """`network` with `rules` applied until none does; bodies of scans too.

    `captured` is for a body: the numbers of its inputs that are constants outside.
    """
    data = {name: c.data for name, c in network.constants.items() if c.data is not None}
    graph = Graph(
        types=network.types,
        producers={name: o for o in network.operations for name in o.outputs},
        uses=Counter(),
        known={**data, **(captured or {})},
        constants={} if captured is None else None,
    )
    operations, changed = [_with_body(o, graph, rules) for o in network.operations], True
    touched = any(a is not b for a, b in zip(operations, network.operations, strict=True))
    for _ in range(MOST_ROUNDS):
        graph.uses = Counter([name for o in operations for name in o.inputs] + [*network.outputs.values()])
        operations, changed = _round(operations, graph, rules)
        touched |= changed
        if not changed:
            break
    if not touched:
        return network
    operations = alive(operations, network.outputs.values())
    read = {name for o in operations for name in o.inputs} | set(network.outputs.values())
    constants = {**network.constants, **(graph.constants or {})}
    return network.replaced(
        operations=tuple(operations), constants={name: c for name, c in constants.items() if name in read}
    )


def _round(operations: Sequence[Operation], graph: Graph, rules: Sequence[Rule]) -> tuple[list[Operation], bool]:
    result: list[Operation] = []
    changed = False
    for operation in operations:
        found = _applied(operation, graph, rules)
        changed |= found is not None
        for made in found or [operation]:
            graph.producers.update(dict.fromkeys(made.outputs, made))
            result.append(made)
    return result, changed


def _applied(operation: Operation, graph: Graph, rules: Sequence[Rule]) -> list[Operation] | None:
    if graph.maker(operation.name, operation.operator) is None:
        return None
    return next((found for rule in rules if (found := rule(graph, operation)) is not None), None)


def _with_body(operation: Operation, graph: Graph, rules: Sequence[Rule]) -> Operation:
    body = operation.attributes.get("body")
    if not isinstance(body, Network):
        return operation
    outside = dict(zip(body.inputs, operation.inputs, strict=True))
    first = len(body.carry) + int(str(operation.attributes.get("sequences", 0)))
    shared = {i: graph.known[o] for i, o in [*outside.items()][first:] if o in graph.known}
    inside = rewritten(body, rules, shared)
    if inside is body:
        return operation
    return replace(operation, attributes={**operation.attributes, "body": inside})


def alive(operations: Sequence[Operation], ends: Any) -> list[Operation]:
    """The operations that some value of `ends` needs, in order."""
    needed, kept = set(ends), []
    for operation in reversed(operations):
        if needed & set(operation.outputs):
            needed.update(operation.inputs)
            kept.append(operation)
    return kept[::-1]
