"""Operators that exporters write out of smaller ones, put together again.

    x sigmoid(x)                                        silu
    x/2 (1 + erf(x / sqrt 2))                           gelu
    x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))       gelu(approximate="tanh")
    (x - mean x) / sqrt(mean (x - mean x)^2 + epsilon)  layer_norm over the last axes; then its scale and bias
    linear(x, w) + b                                    linear(x, w, b)

A product may be associated in any way, a constant factor may be a divisor, a square a power. One operator is one loop
nest, one rounding and one gradient; and its integer form is one table instead of six roundings.
"""

from math import pi, sqrt

import numpy as np

from lamina.ir.matching import Graph, Rule, close, instead, pairs
from lamina.ir.network import Constant, Operation
from lamina.ir.stable import one_plus, quotient, same_type, square_of
from lamina.ir.types import Type

MOST_PARTS = 8  # of a product; a longer one is no pattern
MOST_DEPTH = 6  # of a polynomial
CUBIC = {1: sqrt(2 / pi), 3: sqrt(2 / pi) * 0.044715}


def product(graph: Graph, value: str, whole: str | None = None) -> tuple[float, list[str], list[str]] | None:
    """(constant, factors, products on the way) of `value`; `whole` is not taken apart. None where they are many."""
    factors: list[str] = []
    seen: list[str] = []
    constant, waiting = 1.0, [value]
    while waiting:
        name = waiting.pop()
        if len(factors) + len(seen) > MOST_PARTS:
            return None
        number, operation = graph.number(name), graph.maker(name, "multiply", "divide", "negate")
        divisor = None if operation is None or operation.operator != "divide" else graph.number(operation.inputs[1])
        if number is not None:
            constant *= number
        elif name == whole or operation is None or (operation.operator == "divide" and not divisor):
            factors.append(name)
        else:
            seen.append(name)
            constant = -constant if operation.operator == "negate" else constant / (divisor or 1.0)
            waiting += operation.inputs if operation.operator == "multiply" else operation.inputs[:1]
    return constant, factors, seen


def polynomial(graph: Graph, value: str, x: str, depth: int = MOST_DEPTH) -> dict[int, float] | None:
    """`value` as coefficients by power of `x`, up to the third; None where it is none."""
    number = graph.number(value)
    if value == x or number is not None:
        return {1: 1.0} if value == x else {0: float(number or 0.0)}
    operation = graph.maker(value, "add", "multiply", "divide", "power")
    if operation is None or not depth:
        return None
    a, b = (polynomial(graph, name, x, depth - 1) for name in operation.inputs)
    if a is None or b is None:
        return None
    if operation.operator == "add":
        return {d: a.get(d, 0.0) + b.get(d, 0.0) for d in a.keys() | b.keys()}
    if operation.operator == "divide":
        return {d: c / b[0] for d, c in a.items()} if b.keys() == {0} and b[0] else None
    if operation.operator == "power":
        if b.keys() != {0} or b[0] not in (2.0, 3.0):
            return None
        b = a if b[0] == 2.0 else _times(a, a)
    return _times(a, b)


def _times(a: dict[int, float] | None, b: dict[int, float] | None) -> dict[int, float] | None:
    if a is None or b is None or max(a) + max(b) > 3:
        return None
    result: dict[int, float] = {}
    for i, p in a.items():
        for j, q in b.items():
            result[i + j] = result.get(i + j, 0.0) + p * q
    return result


def _is(found: dict[int, float] | None, wanted: dict[int, float]) -> bool:
    return found is not None and found.keys() == wanted.keys() and all(close(found[d], wanted[d]) for d in wanted)


def _silu(graph: Graph, root: Operation) -> list[Operation] | None:
    if root.operator != "multiply":
        return None
    x = next((x for x, gate in pairs(root) if graph.argument(gate, "sigmoid") == x), None)
    return None if x is None else [instead(root, "silu", [x])]


def _gelu(graph: Graph, root: Operation) -> list[Operation] | None:
    found = product(graph, root.name) if root.operator in ("multiply", "divide") else None
    if found is None:
        return None
    for gate in found[1]:
        bent = graph.maker(one_plus(graph, gate) or "", "erf", "tanh")
        if bent is None:
            continue
        exact = bent.operator == "erf"
        for x in [*found[1], *found[2]]:
            parts = product(graph, root.name, x) if x != gate and same_type(graph, root, x) else None
            if parts is None or not close(parts[0], 0.5) or sorted(parts[1]) != sorted([x, gate]):
                continue
            if _is(polynomial(graph, bent.inputs[0], x), {1: sqrt(0.5)} if exact else CUBIC):
                return [instead(root, "gelu", [x], approximate="none" if exact else "tanh")]
    return None


def _mean_of(graph: Graph, value: str) -> tuple[str, tuple[int, ...]] | None:
    """(x, axes) of value = mean of x over its last axes, which are kept."""
    operation = graph.maker(value, "reduce_mean")
    if operation is None or not operation.attributes.get("keep"):
        return None
    x, axes, rank = operation.inputs[0], operation.attributes["axes"], len(operation.outputs[value].shape)
    assert isinstance(axes, tuple)
    return (x, tuple(map(int, axes))) if axes and axes == tuple(range(rank - len(axes), rank)) else None


def _centred(graph: Graph, value: str) -> tuple[str, tuple[int, ...]] | None:
    """(x, axes) of value = x - mean x."""
    operation = graph.maker(value, "subtract")
    mean = _mean_of(graph, operation.inputs[1]) if operation is not None else None
    return mean if operation is not None and mean is not None and mean[0] == operation.inputs[0] else None


def _deviation(graph: Graph, value: str) -> str | None:
    """v of value = sqrt v."""
    operation = graph.maker(value, "sqrt", "power")
    if operation is None or (operation.operator == "power" and not graph.is_number(operation.inputs[1], 0.5)):
        return None
    return operation.inputs[0]


def _normalised(graph: Graph, root: Operation) -> list[tuple[str, str]]:
    """(numerator, v) of root = numerator / sqrt v, in any form."""
    found = [(over, _deviation(graph, under)) for over, under in quotient(graph, root) if over is not None]
    if root.operator == "multiply":
        for over, part in pairs(root):
            power = graph.maker(part, "power")
            if power is not None and graph.is_number(power.inputs[1], -0.5):
                found.append((over, power.inputs[0]))
    return [(over, v) for over, v in found if v is not None]


def _layer_norm(graph: Graph, root: Operation) -> list[Operation] | None:
    for over, v in _normalised(graph, root):
        centred, total = _centred(graph, over), graph.maker(v, "add")
        if centred is None or total is None or not same_type(graph, root, centred[0]):
            continue
        for epsilon, variance in pairs(total):
            number, mean = graph.number(epsilon), _mean_of(graph, variance)
            square = square_of(graph, mean[0]) if mean is not None else None
            if number is None or number < 0 or square is None or mean is None:
                continue
            if mean[1] == centred[1] and _centred(graph, square) == centred:
                return [instead(root, "layer_norm", [centred[0]], axis=-len(centred[1]), epsilon=number)]
    return None


def _affine(graph: Graph, root: Operation) -> list[Operation] | None:
    """The scale, then the bias, that follow a layer norm which nothing else reads."""
    inputs = {"multiply": 1, "add": 2}.get(root.operator)
    if inputs is None:
        return None
    for value, factor in pairs(root):
        norm = graph.maker(value, "layer_norm")
        if norm is None or len(norm.inputs) != inputs or not graph.read_once(value) or value == factor:
            continue
        axis = norm.attributes.get("axis", -1)
        assert isinstance(axis, int)
        name = _shaped(graph, root, factor, graph.types[norm.inputs[0]].shape[axis:])
        if name is not None and same_type(graph, root, value):
            return [instead(root, "layer_norm", [*norm.inputs, name], **norm.attributes)]
    return None


def _bias(graph: Graph, root: Operation) -> list[Operation] | None:
    """The bias that is added to a linear layer which nothing else reads."""
    for value, bias in pairs(root) if root.operator == "add" else ():
        layer = graph.maker(value, "linear")
        if layer is None or len(layer.inputs) != 2 or not graph.read_once(value) or not same_type(graph, root, value):
            continue
        name = _shaped(graph, root, bias, graph.types[value].shape[-1:])
        if name is not None:
            return [instead(root, "linear", [*layer.inputs, name], **layer.attributes)]
    return None


def _shaped(graph: Graph, root: Operation, value: str, shape: tuple[int, ...]) -> str | None:
    """`value` with exactly `shape`: itself, or a new constant without the ones before."""
    own = graph.types[value]
    if own.shape == shape:
        return value
    ones = len(own.shape) - len(shape)
    data = graph.known.get(value)
    if ones <= 0 or own.shape != (1,) * ones + shape or data is None or graph.constants is None:
        return None
    name = graph.fresh(root, "parameter")
    graph.types[name] = Type(shape=shape, element=own.element)
    graph.constants[name] = Constant(type=graph.types[name], data=np.ascontiguousarray(data.reshape(shape)))
    return name


RULES: tuple[Rule, ...] = (_silu, _gelu, _layer_norm, _affine, _bias)
