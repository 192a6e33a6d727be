"""The rules every network keeps; a `Network` that exists has passed them.

Names are unique and printable, values are made before they are used, operators and attributes are those of the table,
declared shapes are what the shape rules say, element types go together, stored numbers lie in their type, code books
are as small as declared, integer accumulators cannot overflow. What fails raises `BadInput` naming the operation.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line, unknown
from lamina.ir import integers as rules
from lamina.ir.network import Array, Attribute, Constant, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import Operator, Site, is_integer, shapes_of, stored
from lamina.ir.operators.multiply import fraction_bits, shifts
from lamina.ir.types import Float, Type

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./\-]{0,199}\Z")
MOST_ELEMENTS = 2**40  # of one value
MOST_AXES = 16


def check(network: Network) -> None:
    """Raise `BadInput` where `network` breaks a rule."""
    _name(network.name)
    types: dict[str, Type] = {}
    for name, type_ in network.inputs.items():
        _declare(types, name, type_, "input")
    for name, constant in network.constants.items():
        _declare(types, name, constant.type, "constant")
        _constant(name, constant)
    if not network.inputs:
        raise BadInput(f"network {network.name!r} has no input")
    for operation in network.operations:
        try:
            _operation(network, operation, types)
        except BadInput as e:
            name = one_line(next(iter(operation.outputs), "?"), 60)
            raise BadInput(f"network {network.name!r}, {one_line(operation.operator, 40)} {name!r}: {e}") from e
    _ends(network, types)


def site(operation: Operation, types: Mapping[str, Type]) -> Site:
    """Where `operation` stands, its attributes completed with their defaults."""
    return Site(
        inputs=tuple(types[name] for name in operation.inputs),
        outputs=tuple(operation.outputs.values()),
        attributes=completed(operator(operation.operator), operation.attributes),
    )


def completed(entry: Operator, attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """`attributes` with defaults filled in; unknown, missing and mistyped ones raise `BadInput`."""
    for name, value in attributes.items():
        if name not in entry.attributes:
            raise unknown("attribute", name, entry.attributes)
        default = entry.attributes[name]
        wanted = default if isinstance(default, type) else type(default)
        if type(value) is not wanted:
            raise BadInput(f"attribute {name}={one_line(value, 60)} is not of type {wanted.__name__}")
        if isinstance(value, tuple):
            _tuple(name, value, default)
        if isinstance(value, float) and np.isnan(value):
            raise BadInput(f"attribute {name} is not a number")
    missing = [n for n, default in entry.attributes.items() if isinstance(default, type) and n not in attributes]
    if missing:
        raise BadInput(f"attribute {missing[0]} is missing")
    full = {**entry.attributes, **attributes}
    _sizes(full)
    return full


def _tuple(name: str, value: tuple[Any, ...], default: Attribute | type) -> None:
    if len(value) > MOST_AXES:
        raise BadInput(f"attribute {name} has {len(value)} entries, at most {MOST_AXES} are allowed")
    if isinstance(default, tuple) and default and isinstance(default[0], float):
        if any(type(part) is not float or not abs(part) < float("inf") for part in value):
            raise BadInput(f"attribute {name}={one_line(value, 60)} is not a list of finite floats")
    elif any(type(part) is not int or abs(part) > MOST_ELEMENTS for part in value):
        raise BadInput(f"attribute {name}={one_line(value, 60)} is not a list of integers below 2^40")
    if isinstance(default, tuple) and len(value) != len(default):
        raise BadInput(f"attribute {name} has {len(value)} entries, {len(default)} are needed")


def _sizes(attributes: Mapping[str, Any]) -> None:
    """Windows: positive kernel, stride and dilation, no negative padding."""
    for name, least in (("kernel", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
        value = attributes.get(name)
        if isinstance(value, tuple) and any(part < least for part in value):
            raise BadInput(f"attribute {name}={one_line(value, 60)}: at least {least} is needed")
    if len(attributes.get("kernel", (1, 1))) != 2 or len(attributes.get("stride", (1, 1))) != 2:
        raise BadInput("kernel and stride have two entries, height and width")


def _name(name: str) -> None:
    if not isinstance(name, str) or not NAME.match(name):
        raise BadInput(f"{one_line(name, 60)!r} is not a name: letters, digits and _ . / - are allowed, at most 200")


def _declare(types: dict[str, Type], name: str, type_: Type, what: str) -> None:
    _name(name)
    if name in types:
        raise BadInput(f"{what} {name!r}: the name is taken")
    if (
        len(type_.shape) > MOST_AXES
        or any(type(s) is not int or s < 1 for s in type_.shape)
        or type_.size > MOST_ELEMENTS
    ):
        raise BadInput(
            f"{what} {name!r}: shape {one_line(list(type_.shape), 80)}: 0 to 16 positive sizes, at most 2^40 elements"
        )
    element = type_.element
    if not isinstance(element, Float) and element.axis is not None:
        inside = 0 <= element.axis < len(type_.shape)
        if not inside or len(element.scale) != type_.shape[element.axis]:
            raise BadInput(
                f"{what} {name!r}: {len(element.scale)} scales do not fit axis {element.axis} of {list(type_.shape)}"
            )
    if type_.codebook_bits is not None and not 1 <= type_.codebook_bits <= 16:
        raise BadInput(f"{what} {name!r}: a code book of {type_.codebook_bits} bits: 1 to 16 are allowed")
    types[name] = type_


def _constant(name: str, constant: Constant) -> None:
    data, type_ = constant.data, constant.type
    if data is None:
        return
    if data.shape != type_.shape or data.dtype != np.dtype(type_.element.storage):
        raise BadInput(
            f"constant {name!r} is declared {one_line(type_, 60)} and stored as {data.dtype}{list(data.shape)}: "
            "text and weights do not belong together"
        )
    if isinstance(type_.element, Float):
        if np.isnan(data).any():
            raise BadInput(f"constant {name!r} has NaN entries")
    elif data.size and (data.min() < type_.element.low or data.max() > type_.element.high):
        raise BadInput(f"constant {name!r} has entries outside {type_.element.low}..{type_.element.high}")
    if type_.codebook_bits is not None:
        values = np.unique(data)
        if type_.sparse:
            values = values[values != 0]
        if len(values) > 2**type_.codebook_bits:
            raise BadInput(
                f"constant {name!r} has {len(values)} values, its code book of {type_.codebook_bits} bits holds fewer"
            )


def _operation(network: Network, operation: Operation, types: dict[str, Type]) -> None:
    entry = operator(operation.operator)
    if not entry.arity[0] <= len(operation.inputs) <= entry.arity[1]:
        raise BadInput(f"{len(operation.inputs)} inputs, {entry.arity[0]} to {entry.arity[1]} are needed")
    for name in operation.inputs:
        if name not in types:
            raise BadInput(f"input {one_line(name, 60)!r} is not made before it is used")
    for name, type_ in operation.outputs.items():
        if type_.sparse or type_.codebook_bits:
            raise BadInput("only constants are stored sparse or by code book")
        _declare(types, name, type_, "result")
    where = site(operation, types)
    shapes = shapes_of(entry, [t.shape for t in where.inputs], where.attributes)
    if len(where.outputs) != len(shapes):
        raise BadInput(f"{len(where.outputs)} results are named, {len(shapes)} are needed")
    for (name, declared), shape in zip(operation.outputs.items(), shapes, strict=True):
        if shape != declared.shape:
            raise BadInput(f"the result {name!r} is declared {list(declared.shape)} and is {list(shape)}")
    coded = operation.operator in ("quantise", "dequantise") or entry.moves is not None
    if not coded and is_integer(where) and entry.integers is None:
        raise BadInput("this operator has no integer meaning: quantise it to a lookup, or dequantise before it")
    if entry.elements is not None:
        entry.elements(where)
    _accumulator(network, operation, where)


def _accumulator(network: Network, operation: Operation, where: Site) -> None:
    """Prove from the stored weights that the declared accumulator cannot overflow."""
    if "accumulator" not in where.attributes or isinstance(where.inputs[0].element, Float):
        return
    constants = [network.constants.get(name) for name in operation.inputs[1:]]
    if any(c is not None and c.data is None for c in constants):
        return  # only its shape is known: it cannot run
    x, w = stored(where.inputs[0]), stored(where.inputs[1])
    truncated = where.attributes.get("products") == "truncated"
    weights, biases = ((*constants, None) if len(constants) < 2 else constants)[:2]
    if weights is not None and weights.data is not None and (biases is not None or len(constants) < 2):
        b = None if biases is None or biases.data is None else biases.data.astype(np.int64)
        rows = by_output(weights.data, operation.operator, where.attributes) - np.int64(w.zero_point)
        bound = rules.accumulator_bound(rows, b, x, shifted=fraction_bits(w) if truncated else 0)
    else:  # weights or biases that are computed: anything their type holds
        terms = by_output(np.broadcast_to(np.int8(0), where.inputs[1].shape), operation.operator, where.attributes)
        reach = [max(of.zero_point - of.low, of.high - of.zero_point) for of in (x, w)]
        bound = prod(terms.shape[1:]) * prod(reach)
        bound += -stored(where.inputs[2]).low if len(where.inputs) > 2 else 0
    if bound >= 2 ** (where.attributes["accumulator"] - 1):
        raise BadInput(
            f"the accumulator of {where.attributes['accumulator']} bits can overflow: |sum| reaches {bound}; "
            "use fewer bits, or a wider accumulator"
        )
    if where.attributes["rounding"] != "float":
        rules.check_shift(min(shifts(where)), bound)


def by_output(weights: Array, name: str, attributes: Mapping[str, Any]) -> Array:
    """The second operand of a multiplying operator as [outputs, terms of one sum]."""
    if name == "matmul":
        return (
            np.moveaxis(weights, -1, 0).reshape(weights.shape[-1], -1, weights.shape[-2]).reshape(-1, weights.shape[-2])
        )
    if name == "conv_transpose2d":  # [c, k/groups, r, s]: an output meets at most every tap of its group's channels
        groups = attributes["groups"]
        split = weights.reshape(groups, weights.shape[0] // groups, *weights.shape[1:])
        return split.transpose(0, 2, 1, 3, 4).reshape(groups * weights.shape[1], -1)
    return weights.reshape(len(weights), -1)


def _ends(network: Network, types: Mapping[str, Type]) -> None:
    if not network.outputs:
        raise BadInput(f"network {network.name!r} has no output")
    for name, value in network.outputs.items():
        _name(name)
        if value not in types:
            raise BadInput(f"network {network.name!r}: output {name!r} is {one_line(value, 60)!r}, which nothing makes")
    for output, into in network.carry.items():
        if output not in network.outputs or into not in network.inputs:
            raise BadInput(
                f"network {network.name!r}: carry {one_line(output, 60)} -> {one_line(into, 60)} "
                "joins no output to an input"
            )
        if types[network.outputs[output]] != network.inputs[into]:
            raise BadInput(f"network {network.name!r}: carry {output} -> {into} joins different types")
