"""scan: a loop around the body's instructions; left out: states that lie anywhere but in the vector scratchpad.

    state <- initial      T times: slice <- sequence[t];  body;  out[t] <- result;  state <- next state

States have a home of their own for the whole loop; the next ones are copied there when the body has ended, through
temporary vectors where one would be overwritten before it is read. What the body reads of constants is fetched before.
"""

from contextlib import ExitStack

from lamina.emulation.cambricon.compiler._code import Register
from lamina.emulation.cambricon.compiler._homes import Home
from lamina.emulation.cambricon.compiler._moves import load, start, store
from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.ir.check import site
from lamina.ir.network import Network, Operation
from lamina.ir.operators.loop import trip_count


def _scan(scope: Scope, operation: Operation) -> None:
    attributes = site(operation, scope.types).attributes
    body: Network = attributes["body"]
    states, sequences = len(body.carry), attributes["sequences"]
    names, target, code = list(body.inputs), scope.target, scope.code
    trips = trip_count([scope.types[n].shape for n in operation.inputs], attributes)
    captured = dict(zip(names[states + sequences :], operation.inputs[states + sequences :], strict=True))
    path = f"{scope.path}{operation.name}."
    inner = Scope(
        target=target,
        network=body,
        constants={n: scope.constants[o] for n, o in captured.items() if o in scope.constants},
        path=path,
    )
    with ExitStack() as stack:
        for n, outside in captured.items():
            if outside not in scope.constants:
                inner.homes[n] = stack.enter_context(scope.plain(outside))
        homes = _results(scope, operation, body, trips)
        for n, outside in zip(names[:states], operation.inputs, strict=False):
            inner.homes[n] = homes[next(o for o, into in body.carry.items() if into == n)]
            with scope.plain(outside) as initial:
                load(code, inner.homes[n].address, body.inputs[n].size, initial)
        stack.enter_context(target.inside(path))
        moving: dict[Register, int] = {}
        reads, writes = [], []
        for n, outside in zip(names[states : states + sequences], operation.inputs[states:], strict=False):
            size = body.inputs[n].size
            inner.homes[n] = Home("vector", stack.enter_context(target.vectors.temporary(size, operation.name)))
            whole = stack.enter_context(scope.plain(outside))
            pointer = _pointer(scope, whole, size, trips, attributes["reverse"], stack)
            moving[pointer] = -size if attributes["reverse"] else size
            reads.append((inner.homes[n].address, size, Home(whole.space, pointer)))
        for output, home in homes.items():
            if output not in body.carry:
                size = inner.size(body.outputs[output])
                pointer = _pointer(scope, home, size, trips, attributes["reverse"], stack)
                moving[pointer] = -size if attributes["reverse"] else size
                writes.append((Home(home.space, pointer), size, output))
        with code.loop(trips, moving):
            for to, size, source in reads:
                load(code, to, size, source)
            inner.lower()
            for into, size, output in writes:
                with inner.plain(body.outputs[output]) as home, inner.near(home, size, output) as address:
                    store(code, into, size, address)
            _carry(inner, operation, body)
            for name in list(inner.owned):
                inner.forget(name)


def _results(scope: Scope, operation: Operation, body: Network, trips: int) -> dict[str, Home]:
    """A home for every output of the body: final states and stacked results."""
    homes = {}
    for output, name in zip(body.outputs, operation.outputs, strict=True):
        homes[output] = scope.result(name)
        if output in body.carry and homes[output].space == "memory":
            raise refuse(operation, f"its state {output!r} does not fit the vector scratchpad")
    return homes


def _pointer(scope: Scope, home: Home, size: int, trips: int, reverse: bool, stack: ExitStack) -> Register:
    (pointer,) = stack.enter_context(scope.code.registers())
    start(scope.code, pointer, home.at((trips - 1) * size if reverse else 0).address)
    return pointer


def _carry(inner: Scope, operation: Operation, body: Network) -> None:
    """Next states to their homes; a state that another one is copied from waits in a temporary vector."""
    own = {inner.homes[n] for n in body.carry.values()}
    with ExitStack() as stack:
        moves = []
        for output, into in body.carry.items():
            value = body.outputs[output]
            size = body.inputs[into].size
            home = stack.enter_context(inner.plain(value)) if value not in inner.constants else inner.home(value)
            if home == inner.homes[into]:
                continue
            if home in own:
                address = stack.enter_context(inner.target.vectors.temporary(size, operation.name))
                load(inner.code, address, size, home)
                home = Home("vector", address)
            moves.append((inner.homes[into].address, size, home))
        for to, size, home in moves:
            load(inner.code, to, size, home)


RULES = {"scan": _scan}
