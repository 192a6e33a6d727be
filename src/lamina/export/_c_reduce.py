"""Reductions in C: sum, mean, largest, smallest, product over axes.

    for the axes kept:  sum = start;  for the axes that vanish:  sum = step(sum, x);  y = end(sum)

Where the innermost axis is kept, a whole row of sums is carried, so that memory is walked in order. A float sum over
neighbours goes through a helper with eight chains that are emptied often: its error stays that of a short sum.
Integers   sums are exact in int64 and requantised once (a mean by its count); the largest and smallest only move.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_loops import Walk, around, contiguous, merged, place
from lamina.export._c_requantise import plus, rescaled, saturated
from lamina.export._c_text import fill, indent, real
from lamina.ir.operators._table import stored
from lamina.ir.types import INDEX, Float

_ROW = """\
for (int j = 0; j < $row; ++j) {
    sum[j] = $start;
}
$steps
for (int j = 0; j < $row; ++j) {
    const $acc a = sum[j];
    y[$to + j] = $end;
}
"""
_ONE = """\
$acc a = $start;
$steps
y[$to] = $end;
"""


def reduce(setting: Setting, name: str) -> Kernel:
    """`name` is the operator's."""
    what = name.removeprefix("reduce_")
    acc, start, end, helpers = _ends(setting, what)
    axes, shape = setting.site.attributes["axes"], setting.x.shape
    strides = contiguous(shape).strides
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    own = contiguous([shape[axis] for axis in kept]).strides
    outer, (to, from_) = merged([shape[a] for a in kept], [Walk(own), Walk(tuple(strides[a] for a in kept))])
    inner, (over,) = merged([shape[a] for a in axes], [Walk(tuple(strides[a] for a in axes))])
    row = outer[-1] if outer and from_[-1] == 1 else 0
    if row:
        outer, to, from_ = outer[:-1], to[:-1], from_[:-1]
    names, vanishing = [f"i{at}" for at in range(len(outer))], [f"r{at}" for at in range(len(inner))]
    at = place([*names, *vanishing], [*from_, *over])
    steps, more = _steps(setting, what, acc, at, inner, over, row=bool(row))
    loops = vanishing[: len(inner) - (1 if more else 0)]
    if row:
        steps = f"for (int j = 0; j < {row}; ++j) {{\n{indent(steps)}\n}}"
    text = fill(
        _ROW if row else _ONE, row=row, start=start, acc=acc, end=end, to=place(names, to),
        steps=around(loops, inner[: len(loops)], steps),
    )  # fmt: skip
    storage = {"float": np.float32, "double": np.float64, "int64_t": np.int64}.get(acc, setting.x.element.storage)
    return Kernel(
        reads=(0,),
        body=around(names, outer, text),
        scratch={"sum": (storage, row)} if row else {},
        helpers=(*helpers, *more),
    )


def _ends(setting: Setting, what: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Type of the accumulator, what it starts with, what becomes of it (in `a`), helpers."""
    x, y = setting.x.element, setting.y.element
    count = prod(setting.x.shape[axis] for axis in setting.site.attributes["axes"])
    if what in ("max", "min"):
        return setting.kind, _extreme(setting, what), "a", ()
    if isinstance(x, Float):
        mean = f"a / {real(count, setting.kind)}"
        return setting.kind, "1" if what == "product" else "0", mean if what == "mean" else "a", ()
    if what == "product":
        return "int64_t", "1", f"({setting.kind})a", ("times64",)
    if x == INDEX and y == INDEX:
        return "int64_t", "0", "a", ("plus64",)
    rounding, divisor = str(setting.site.attributes["rounding"]), count if what == "mean" else 1
    rounded = rescaled(
        "a", stored(setting.x), stored(setting.y), rounding=rounding, divisor=divisor, prefix=setting.prefix
    )  # fmt: skip
    text, helpers = saturated(rounded.text, stored(setting.y), setting.prefix)
    return "int64_t", "0", text, (*rounded.helpers, *helpers)


def _extreme(setting: Setting, what: str) -> str:
    """Less than, or more than, every number."""
    if setting.is_float:
        return "-INFINITY" if what == "max" else "INFINITY"
    limits = np.iinfo(stored(setting.x).storage)
    sign, bits = ("MIN" if what == "max" else "MAX"), limits.bits
    if limits.min == 0:
        return "0" if what == "max" else f"UINT{bits}_MAX"
    return f"INT{bits}_{sign}"


def _steps(
    setting: Setting, what: str, acc: str, at: str, inner: Sequence[int], over: Sequence[int], *, row: bool
) -> tuple[str, tuple[str, ...]]:
    """The step for the number at `at`, and the helper that takes the innermost loop over, if one does."""
    into, x, prefix = ("sum[j]", f"x0[{at} + j]", setting.prefix) if row else ("a", f"x0[{at}]", setting.prefix)
    if what in ("max", "min"):
        return f"{into} = {x} {'>' if what == 'max' else '<'} {into} ? {x} : {into};", ()
    if setting.is_float:
        if what != "product" and not row and over and over[-1] == 1:
            last = f"r{len(inner) - 1}"
            first = at.replace(f" + {last}", "") if at != last else "0"
            helper = "sum64" if acc == "double" else "sum32"
            return f"a += {prefix}_{helper}(x0 + {first}, {inner[-1]});", (helper,)
        return f"{into} {'*' if what == 'product' else '+'}= {x};", ()
    if what == "product":
        return f"{into} = {prefix}_times64({into}, {x});", ()
    if setting.x.element == INDEX and setting.y.element == INDEX:
        return f"{into} = {prefix}_plus64({into}, {x});", ()
    return f"{into} += (int64_t){x}{plus(-stored(setting.x).zero_point)};", ()
