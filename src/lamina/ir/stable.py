"""Numerically stable forms of what formulas say, as Theano rewrote them: the same function where it is finite in both.

    log(softmax x)            log_softmax x                 exp x / sum exp x             softmax x
    x - log(sum exp x)        log_softmax x                 1 / (1 + exp x)               sigmoid -x
    log(1 + exp x)            softplus x                    exp x / (1 + exp x)           sigmoid x
    log(sigmoid x)            -softplus -x                  log(1 - sigmoid x)            -softplus x
    sqrt(x x), sqrt(x^2)      |x|

exp(1000) is infinite in every float: log(1 + exp x) is then infinite where softplus is 1000, and a softmax is NaN.
Nothing is cancelled (x / x) and no sum is reordered. The idea is Theano's (Bergstra et al., SciPy 2010).
"""

from lamina.ir.matching import Graph, Rule, instead, pairs
from lamina.ir.network import Operation


def one_plus(graph: Graph, value: str) -> str | None:
    """t of value = 1 + t."""
    operation = graph.maker(value, "add")
    if operation is None:
        return None
    return next((t for one, t in pairs(operation) if graph.is_number(one, 1.0)), None)


def negated(graph: Graph, value: str) -> str | None:
    """x of value = -x."""
    operation = graph.maker(value, "negate", "multiply", "subtract")
    if operation is None:
        return None
    if operation.operator == "negate":
        return operation.inputs[0]
    if operation.operator == "subtract":
        return operation.inputs[1] if graph.number(operation.inputs[0]) == 0 else None
    return next((x for minus, x in pairs(operation) if graph.is_number(minus, -1.0)), None)


def quotient(graph: Graph, operation: Operation) -> list[tuple[str | None, str]]:
    """(numerator, denominator) of a division in any form; a numerator of None is 1."""
    if operation.operator == "reciprocal":
        return [(None, operation.inputs[0])]
    if operation.operator == "divide":
        over, under = operation.inputs
        return [(None if graph.is_number(over, 1.0) else over, under)]
    if operation.operator == "multiply":
        return [(over, one) for over, part in pairs(operation) if (one := _one_over(graph, part)) is not None]
    return []


def _one_over(graph: Graph, value: str) -> str | None:
    operation = graph.maker(value, "reciprocal", "divide")
    parts = quotient(graph, operation) if operation is not None else []
    return next((under for over, under in parts if over is None), None)


def same_type(graph: Graph, root: Operation, value: str) -> bool:
    """Whether no constant of the pattern broadcast `value`."""
    return graph.types[value] == graph.types[root.name]


def _opposite(graph: Graph, root: Operation, value: str) -> tuple[list[Operation], str]:
    """The operations that make -value, and its name."""
    inner = negated(graph, value)
    if inner is not None and same_type(graph, root, inner):
        return [], inner
    negate = graph.new(root, "negate", [value])
    return [negate], negate.name


def _log(graph: Graph, root: Operation) -> list[Operation] | None:
    if root.operator != "log":
        return None
    x = root.inputs[0]
    softmax = graph.maker(x, "softmax")
    if softmax is not None:
        return [instead(root, "log_softmax", softmax.inputs, **softmax.attributes)]
    power = graph.argument(one_plus(graph, x) or "", "exp")
    if power is not None and same_type(graph, root, power):
        return [instead(root, "softplus", [power])]
    u = graph.argument(x, "sigmoid")
    if u is not None:
        before, minus = _opposite(graph, root, u)
        softplus = graph.new(root, "softplus", [minus])
        return [*before, softplus, instead(root, "negate", [softplus.name])]
    rest = graph.maker(x, "subtract")
    u = graph.argument(rest.inputs[1], "sigmoid") if rest is not None and graph.is_number(rest.inputs[0], 1.0) else None
    if u is not None and same_type(graph, root, u):
        softplus = graph.new(root, "softplus", [u])
        return [softplus, instead(root, "negate", [softplus.name])]
    return None


def _sigmoid(graph: Graph, root: Operation) -> list[Operation] | None:
    for over, under in quotient(graph, root):
        u = graph.argument(one_plus(graph, under) or "", "exp")
        if u is None or not same_type(graph, root, u):
            continue
        if over is None:
            before, minus = _opposite(graph, root, u)
            return [*before, instead(root, "sigmoid", [minus])]
        if graph.argument(over, "exp") == u:
            return [instead(root, "sigmoid", [u])]
    return None


def total_of_powers(graph: Graph, value: str) -> tuple[str, int] | None:
    """(u, axis) of value = sum of exp u along one axis, which is kept."""
    total = graph.maker(value, "reduce_sum")
    if total is None or not total.attributes.get("keep") or len(axes := _axes(total)) != 1:
        return None
    u = graph.argument(total.inputs[0], "exp")
    return None if u is None else (u, axes[0])


def _axes(reduction: Operation) -> tuple[int, ...]:
    axes = reduction.attributes["axes"]
    assert isinstance(axes, tuple)
    return tuple(int(axis) for axis in axes)


def _unshifted(graph: Graph, value: str, axis: int) -> str:
    """x of value = x - max x along `axis`, which no softmax sees; otherwise `value`."""
    operation = graph.maker(value, "subtract")
    if operation is None:
        return value
    x, shift = operation.inputs
    maximum = graph.maker(shift, "reduce_max")
    if maximum is None or maximum.inputs[0] != x or _axes(maximum) != (axis,) or not maximum.attributes.get("keep"):
        return value
    return x


def _softmax(graph: Graph, root: Operation) -> list[Operation] | None:
    for over, under in quotient(graph, root):
        found = total_of_powers(graph, under)
        if found is not None and over is not None and graph.argument(over, "exp") == found[0]:
            return [instead(root, "softmax", [_unshifted(graph, *found)], axis=found[1])]
    return None


def _log_softmax(graph: Graph, root: Operation) -> list[Operation] | None:
    if root.operator != "subtract":
        return None
    x, logarithm = root.inputs
    found = total_of_powers(graph, graph.argument(logarithm, "log") or "")
    if found is None or found[0] != x:
        return None
    return [instead(root, "log_softmax", [_unshifted(graph, *found)], axis=found[1])]


def square_of(graph: Graph, value: str) -> str | None:
    """x of value = x x or x^2."""
    operation = graph.maker(value, "multiply", "power")
    if operation is None:
        return None
    x, other = operation.inputs
    if operation.operator == "multiply":
        return x if x == other else None
    return x if graph.number(other) == 2 and graph.types[x] == graph.types[value] else None


def _absolute(graph: Graph, root: Operation) -> list[Operation] | None:
    x = square_of(graph, root.inputs[0]) if root.operator == "sqrt" else None
    return None if x is None else [instead(root, "absolute", [x])]


RULES: tuple[Rule, ...] = (_log, _sigmoid, _softmax, _log_softmax, _absolute)
