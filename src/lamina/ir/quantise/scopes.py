"""A network and the bodies of its scans as nested scopes, in which every value has one key.

    ("x",)                    a value of the network
    ("lstm", "c")             a value in the body of the scan "lstm"

An input of a body that the scan captures is the value outside: both have one key. States and the slices of sequences
are values of their own. The float interpreter, watched, hands over every value with its key, each step of a scan anew.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.ir.check import site
from lamina.ir.interpreter import entered, meaning
from lamina.ir.network import Array, Constant, Network, Operation
from lamina.ir.operators._table import Site
from lamina.ir.operators.loop import run_steps, states
from lamina.ir.types import Float, Type

Key = tuple[str, ...]
See = Callable[[Key, Array], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    network: Network
    path: Key = ()
    outside: "Scope | None" = None
    captured: Mapping[str, str] = field(default_factory=dict)  # of a body: its input -> the value outside
    types: dict[str, Type] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.types.update(self.network.types)

    def key(self, name: str) -> Key:
        """The one key of the value that is `name` here."""
        if self.outside is not None and name in self.captured:
            return self.outside.key(self.captured[name])
        return (*self.path, name)

    def constant(self, name: str) -> Constant | None:
        """The constant that `name` is; None where it is none."""
        if self.outside is not None and name in self.captured:
            return self.outside.constant(self.captured[name])
        return self.network.constants.get(name)

    def is_float(self, name: str) -> bool:
        return isinstance(self.types[name].element, Float)

    def site(self, operation: Operation) -> Site:
        return site(operation, self.types)

    def body(self, operation: Operation) -> "Scope":
        """The scope of the body of a scan."""
        body = operation.attributes["body"]
        assert isinstance(body, Network)
        own = len(body.carry) + int(str(operation.attributes.get("sequences", 0)))
        pairs = [*zip(body.inputs, operation.inputs, strict=True)]
        return Scope(body, (*self.path, operation.name), self, dict(pairs[own:]))

    def own_inputs(self, operation: Operation) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """(inside, outside) of the states of a scan, and of its sequences."""
        body = operation.attributes["body"]
        assert isinstance(body, Network)
        count, pairs = len(body.carry), [*zip(body.inputs, operation.inputs, strict=True)]
        return pairs[:count], pairs[count : count + int(str(operation.attributes.get("sequences", 0)))]


def walk(scope: Scope) -> Iterator[tuple[Scope, Operation]]:
    """Every operation with its scope, in order; a scan before what its body holds."""
    for operation in scope.network.operations:
        yield scope, operation
        if operation.operator == "scan":
            yield from walk(scope.body(operation))


def observe(network: Network, inputs: Mapping[str, Array], see: See) -> None:
    """Run `network` on `inputs`; `see` gets every value that is no constant, and bodies' values at every step."""
    fitted, values = entered(network, inputs)
    for name in fitted.inputs:
        see((name,), values[name])
    _watch(fitted, values, (), see)


def _watch(network: Network, values: dict[str, Array], path: Key, see: See) -> None:
    types = network.types
    for operation in network.operations:
        where, arrays = site(operation, types), [values[name] for name in operation.inputs]
        found = (
            _steps(where, arrays, (*path, operation.name), see)
            if operation.operator == "scan"
            else meaning(operation, where, arrays)
        )
        for name, array in zip(operation.outputs, found, strict=True):
            values[name] = array
            see((*path, name), array)


def _steps(where: Site, arrays: list[Array], path: Key, see: See) -> list[Array]:
    own = states(where.attributes) + where.attributes["sequences"]

    def step(body: Network, given: Mapping[str, Any]) -> dict[str, Array]:
        values = dict(given)
        for name in [*body.inputs][:own]:
            see((*path, name), values[name])
        _watch(body, values, path, see)
        return {name: values[value] for name, value in body.outputs.items()}

    return run_steps(arrays, where, step)
