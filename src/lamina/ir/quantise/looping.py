"""All operations of a scope into integers; scans with their bodies.

states      one element over all steps and on both sides of the scan
sequences   are converted whole, before the scan; captured values too, and each once
results     stacked in the element that their readers outside see
"""

from collections.abc import Sequence

from lamina.ir.build import Builder, Value
from lamina.ir.network import Operation
from lamina.ir.quantise.forms import FORMS
from lamina.ir.quantise.scopes import Scope
from lamina.ir.quantise.write import Writer, Written


def write(w: Writer) -> None:
    """Write every operation of the scope of `w`, in order."""
    for operation in w.scope.network.operations:
        if operation.operator == "scan":
            _scan(w, operation)
        elif w.plan.is_integer(w.scope, operation):
            FORMS[operation.operator].write(w, operation)
        else:
            _float(w, operation)


def _float(w: Writer, operation: Operation) -> None:
    kinds = [type_.element for type_ in operation.outputs.values()]
    made = w.builder.emit(
        operation.operator,
        [w.real(name) for name in operation.inputs],
        name=operation.name,
        element=kinds if len(kinds) > 1 else kinds[0],
        **operation.attributes,
    )
    for name, value in zip(operation.outputs, made if isinstance(made, list) else [made], strict=True):
        w.put(name, value)


def _scan(w: Writer, operation: Operation) -> None:
    body = w.scope.body(operation)
    states, sequences = w.scope.own_inputs(operation)
    results = [*zip(body.network.outputs.items(), operation.outputs, strict=True)]
    following = {into: body.network.outputs[output] for output, into in body.network.carry.items()}
    stacked = [(value, result) for (output, value), result in results if output not in body.network.carry]
    finals = {body.network.carry[o]: result for (o, _), result in results if o in body.network.carry}
    inside: list[Writer] = []

    def cell(builder: Builder, given: list[Value], slices: list[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        inner = Writer(w.plan, body, builder, outer=w)
        inside.append(inner)
        for (name, _), value in zip((*states, *sequences), (*given, *slices), strict=True):
            if body.is_float(name):
                inner.ints[name] = [value]
            else:
                inner.reals[name] = value
        write(inner)
        ends = [_handed(inner, following[name], body, name) for name, _ in states]
        return ends, [_handed(inner, value, w.scope, result) for value, result in stacked]

    attributes = w.scope.site(operation).attributes
    made = w.builder.scan(
        operation.name,
        cell,
        states=[_handed(w, outer, body, name) for name, outer in states],
        sequences=[_handed(w, outer, body, name) for name, outer in sequences],
        steps=attributes["steps"],
        reverse=attributes["reverse"],
    )
    names = [finals[name] for name, _ in states], [result for _, result in stacked]
    for value, name in zip((*made[0], *made[1]), (*names[0], *names[1]), strict=True):
        w.put(name, value)
    (inner,) = inside
    first = next(v for v in (*made[0], *made[1])).name
    w.written += [Written(x.key, (first, *x.name), x.element) for x in inner.written]
    w.weights.update(inner.weights)
    w.accumulators.update(inner.accumulators)


def _handed(w: Writer, name: str, other: Scope, there: str) -> Value:
    """Value `name` as it is `there`, in another scope: in the element that it has there."""
    if not w.scope.is_float(name):
        return w.real(name)
    return w.stored(name, w.plan.element(other.key(there)))
