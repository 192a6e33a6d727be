"""Many numbers to one, through a register; left out: places of extremes (argmax), for which there is no instruction.

    reduce_max, reduce_min   VMAX, VMIN
    reduce_sum, reduce_mean  VDOT with ones, or with 1/n (n a power of two): exact, rounded and saturated once

The register goes back into a vector by VAS onto a zero. Axes that are not the last are moved there first.
"""

from contextlib import ExitStack

import numpy as np

from lamina.emulation.cambricon.compiler._moves import copy, dense, start
from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.emulation.cambricon.compiler.rules.elementwise import check
from lamina.ir.check import site
from lamina.ir.network import Operation

_NAMES = {"reduce_sum": "VDOT", "reduce_mean": "VDOT", "reduce_max": "VMAX", "reduce_min": "VMIN"}


def _reduce(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    code, vectors, what = scope.code, scope.target.vectors, operation.name
    (source,), axes = operation.inputs, site(operation, scope.types).attributes["axes"]
    shape = scope.types[source].shape
    order = [*(a for a in range(len(shape)) if a not in axes), *axes]
    results = scope.size(what)
    inner = scope.size(source) // results
    with ExitStack() as stack:
        home = stack.enter_context(scope.plain(source))
        if order != sorted(order):
            wide = stack.enter_context(scope.scratch(scope.size(source)))
            sizes = [shape[a] for a in order]
            copy(code, vectors, wide, home, sizes, dense(sizes), [dense(shape)[a] for a in order], what)
            home = wide
        rows = stack.enter_context(scope.near(home, scope.size(source), what))
        more = []
        if _NAMES[operation.operator] == "VDOT":
            parts = inner if operation.operator == "reduce_mean" else 1
            one = 1 << scope.target.element.fraction_bits
            if one % parts:
                raise refuse(operation, f"1/{parts} is no number of {scope.target.element}: no product is exact")
            share = np.full(inner, one // parts)
            more = [stack.enter_context(scope.near(scope.target.constant(share), inner, what))]
        into = stack.enter_context(scope.written(what))
        zero = stack.enter_context(vectors.temporary(1, what))
        code.emit("VSV", zero, 1, zero, zero)
        (number,) = stack.enter_context(code.registers())
        if results == 1:
            code.emit(_NAMES[operation.operator], number, inner, rows, *more)
            code.emit("VAS", into, 1, zero, number)
            return
        row, out = stack.enter_context(code.registers(2))
        start(code, row, rows)
        start(code, out, into)
        with code.loop(results, {row: inner, out: 1}):
            code.emit(_NAMES[operation.operator], number, inner, row, *more)
            code.emit("VAS", out, 1, zero, number)


RULES = dict.fromkeys(_NAMES, _reduce)
