"""Numbers moved by a rule, and views, which move nothing; left out: borders that repeat what is inside.

transpose, slice, concatenate, pad, expand, tile      copies with strides
reshape, flatten                                      another name for the same numbers
"""

from contextlib import ExitStack

import numpy as np

from lamina.emulation.cambricon.compiler._code import Immediate
from lamina.emulation.cambricon.compiler._homes import Home
from lamina.emulation.cambricon.compiler._moves import copy, dense
from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.emulation.cambricon.compiler.rules.elementwise import check
from lamina.ir.check import site
from lamina.ir.network import Operation
from lamina.ir.operators.move import fill
from lamina.ir.types import Float


def _view(scope: Scope, operation: Operation) -> None:
    scope.view(operation.name, operation.inputs[0])


def _move(
    scope: Scope,
    operation: Operation,
    sizes: list[int],
    strides: list[int],
    *,
    offset: int = 0,
    to: list[int] | None = None,
) -> None:
    """The result's numbers at `to` (in C order unless told), from the operand's at `offset` by `strides`."""
    source = operation.inputs[0]
    with scope.plain(source) as home:
        result = scope.result(operation.name)
        copy(
            scope.code,
            scope.target.vectors,
            result,
            home.at(offset),
            sizes,
            dense(sizes) if to is None else to,
            strides,
            operation.name,
        )


def _transpose(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    shape, order = scope.types[operation.inputs[0]].shape, site(operation, scope.types).attributes["order"]
    _move(scope, operation, [shape[a] for a in order], [dense(shape)[a] for a in order])


def _slice(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    shape, attributes = scope.types[operation.inputs[0]].shape, site(operation, scope.types).attributes
    strides = [d * step for d, step in zip(dense(shape), attributes["steps"], strict=True)]
    offset = int(np.dot(dense(shape), attributes["starts"]))
    _move(scope, operation, list(scope.types[operation.name].shape), strides, offset=offset)


def _expand(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    own, shape = scope.types[operation.inputs[0]].shape, scope.types[operation.name].shape
    padded = (1,) * (len(shape) - len(own)) + own
    strides = [0 if o == 1 and s > 1 else d for o, s, d in zip(padded, shape, dense(padded), strict=True)]
    _move(scope, operation, list(shape), strides)


def _tile(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    own, repeats = scope.types[operation.inputs[0]].shape, site(operation, scope.types).attributes["repeats"]
    sizes = [n for pair in zip(repeats, own, strict=True) for n in pair]
    strides = [n for d in dense(own) for n in (0, d)]
    _move(scope, operation, sizes, strides)


def _pad(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    attributes = site(operation, scope.types).attributes
    if attributes["mode"] != "constant":
        raise refuse(operation, f"its border is {attributes['mode']!r}, constant ones are copied")
    own, shape = scope.types[operation.inputs[0]].shape, scope.types[operation.name].shape
    element = scope.types[operation.name].element
    assert not isinstance(element, Float)
    number, size = int(fill(attributes["value"], element)), scope.size(operation.name)
    with scope.plain(operation.inputs[0]) as home:
        result = scope.result(operation.name)
        if result.space == "memory":
            raise refuse(operation, f"its {size:,} numbers do not fit the vector scratchpad")
        scope.code.emit("VSV", result.address, size, result.address, result.address)
        if number:
            scope.code.emit("VAS", result.address, size, result.address, Immediate(number))
        inner = result.at(int(np.dot(dense(shape), attributes["before"])))
        copy(scope.code, scope.target.vectors, inner, home, own, dense(shape), dense(own), operation.name)


def _concatenate(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    axis, shape = site(operation, scope.types).attributes["axis"], scope.types[operation.name].shape
    with ExitStack() as stack:
        homes = [
            scope.target.constant(scope.stored(n, scope.constants[n]).reshape(-1))
            if n in scope.constants
            else stack.enter_context(scope.plain(n))
            for n in operation.inputs
        ]
        result, offset = scope.result(operation.name), 0
        for name, home in zip(operation.inputs, homes, strict=True):
            own = scope.types[name].shape
            part = Home(result.space, result.at(offset).address)
            copy(scope.code, scope.target.vectors, part, home, own, dense(shape), dense(own), operation.name)
            offset += own[axis] * dense(shape)[axis]


RULES = {
    "reshape": _view,
    "flatten": _view,
    "transpose": _transpose,
    "slice": _slice,
    "expand": _expand,
    "tile": _tile,
    "pad": _pad,
    "concatenate": _concatenate,
}
