"""From learned weights and scales back to an integer network of the same structure.

    weights    clip(round(w / s)), symmetric            biases    round(b / (s_x s_w)), 32 bits
    tables     an entry for each integer of the new input scale
    sums       an accumulator of 64 bits where, by their types, those of a layer could pass 31

The rounding is that of the training forward pass: divided in float32, half to even.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lamina.ir.check import by_output
from lamina.ir.network import Array, Attribute, Constant, Network, Operation
from lamina.ir.operators.multiply import bias_scale
from lamina.ir.quantise.scopes import Key, Scope, walk
from lamina.ir.types import Fixed, Float, Integer, Type
from lamina.nn._functions import Function
from lamina.nn._groups import WEIGHTED, Groups, quantised

BIAS_REACH = float(2**30 - 64)  # a float32 below 2^30: a bias and the sums beside it fit 32 bits


def starting(network: Network, start: Network, groups: Groups) -> dict[str, Array]:
    """The real numbers of every constant of `start` but tables: those of the float network where it has them."""
    tables, found = lookup_tables(Scope(start)), {}
    for name, constant in start.constants.items():
        given, element = network.constants.get(name), constant.type.element
        if (name,) in tables:
            continue
        if isinstance(element, Float) or not quantised(element):
            found[name] = start.data(name)
        elif given is not None and given.data is not None and given.data.shape == constant.type.shape:
            found[name] = given.data.astype(np.float32)
        else:
            real = (start.data(name).astype(np.float64) - element.zero_point) * _along(element, constant.type.shape)
            found[name] = real.astype(np.float32)
    return found


def lookup_tables(top: Scope) -> dict[Key, tuple[Key, Key]]:
    """Of each stored table: the keys of the lookup's operand and of its result."""
    return {
        scope.key(o.inputs[1]): (scope.key(o.inputs[0]), scope.key(o.name))
        for scope, o in walk(top)
        if o.operator == "lookup"
    }


def rewritten(
    start: Network,
    groups: Groups,
    scales: Mapping[Key, tuple[float, ...]],
    real: Mapping[str, Array],
    functions: Mapping[Key, Function],
) -> Network:
    """`start` with learned `scales` by root, and the numbers `real` of its constants."""
    found = _Elements(groups, _elements(groups, scales))
    tables, constants = lookup_tables(Scope(start)), {}
    for name, constant in start.constants.items():
        kind = constant.type.element
        if (name,) in tables:
            operand, result = tables[(name,)]
            type_ = replace(constant.type, element=found.of(result))
            data = functions[result].entries(found.of(operand), found.of(result)).astype(found.of(result).storage)
        elif isinstance(kind, Float):
            type_, data = replace(constant.type, codebook_bits=None), real[name].astype(kind.storage)
        elif not quantised(kind) or isinstance(kind, Fixed):
            type_, data = constant.type, start.data(name)
        else:
            type_ = replace(constant.type, codebook_bits=None, element=found.of((name,)))
            data = _codes(real[name], found.of((name,)), bias=groups.root((name,)) in groups.derived)
        constants[name] = Constant(type=type_, data=data)
    return _network(Scope(start), found, constants)


def _elements(groups: Groups, scales: Mapping[Key, tuple[float, ...]]) -> dict[Key, Integer | Fixed]:
    """The element of every group: its scale learned, as it was, or that of the sums it is added to."""
    found = dict(groups.roots())

    def scaled(root: Key, scale: tuple[float, ...]) -> Integer:
        element = found[root]
        assert isinstance(element, Integer)
        return replace(element, scale=scale)

    found.update((root, scaled(root, numbers)) for root, numbers in scales.items())
    for root, of in groups.derived.items():
        scale = bias_scale(found[groups.root(of.x)], found[groups.root(of.w)], of.products)
        found[root] = replace(scaled(root, scale), axis=None) if len(scale) == 1 else scaled(root, scale)
    return found


class _Elements:
    """The element of every value, by key."""

    def __init__(self, groups: Groups, elements: Mapping[Key, Integer | Fixed]) -> None:
        self.groups, self.elements = groups, elements

    def of(self, key: Key) -> Integer | Fixed:
        return self.elements[self.groups.root(key)]

    def type(self, scope: Scope, name: str) -> Type:
        given = scope.types[name]
        return replace(given, element=self.of(scope.key(name))) if quantised(given.element) else given


def _network(scope: Scope, elements: _Elements, constants: Mapping[str, Constant]) -> Network:
    operations = []
    for o in scope.network.operations:
        attributes: dict[str, Attribute] = dict(o.attributes)
        if o.operator == "scan":
            attributes["body"] = _network(scope.body(o), elements, {})
        outputs = {name: elements.type(scope, name) for name in o.outputs}
        if o.operator in (*WEIGHTED, "matmul") and _may_overflow(scope, o):
            attributes["accumulator"] = 64
        operations.append(Operation(operator=o.operator, inputs=o.inputs, outputs=outputs, attributes=attributes))
    return scope.network.replaced(
        inputs={name: elements.type(scope, name) for name in scope.network.inputs},
        constants=constants,
        operations=tuple(operations),
    )


def _may_overflow(scope: Scope, operation: Operation) -> bool:
    """Whether the sums of a layer could pass 31 bits, whatever its weights are; biases stay below 2^30."""
    x, w = (scope.types[name] for name in operation.inputs[:2])
    if isinstance(x.element, Float) or isinstance(w.element, Float):
        return False
    reach = [max(e.high - e.zero_point, e.zero_point - e.low) for e in (x.element, w.element)]
    where = scope.site(operation)
    terms = by_output(np.broadcast_to(np.int8(0), w.shape), operation.operator, where.attributes).shape[1]
    return terms * reach[0] * reach[1] + 2**30 >= 2**31


def _codes(real: Array, element: Integer | Fixed, *, bias: bool) -> Array:
    """The integers of `real`, divided in float32."""
    assert isinstance(element, Integer)
    symmetric = element.signed and element.zero_point == 0
    low, high = (-BIAS_REACH, BIAS_REACH) if bias else (-element.high if symmetric else element.low, element.high)
    whole = np.rint(real.astype(np.float32) / _along(element, real.shape).astype(np.float32)).astype(np.float64)
    return np.clip(whole + element.zero_point, low, high).astype(element.storage)


def _along(element: Integer | Fixed, shape: tuple[int, ...]) -> Array:
    """The scales, stretched along their axis."""
    scale = np.asarray(element.scale)
    along = [1] * len(shape)
    if element.axis is not None:
        along[element.axis] = -1
        return scale.reshape(along)
    return scale.reshape(())
