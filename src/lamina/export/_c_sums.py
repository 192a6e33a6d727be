"""What a sum of products is in each number system: its type, its start, one term, and how it becomes a result.

    a = bias;  a += (v - zero) * w  ...;  y = finish(a)

Floats keep their type. Integers sum in the accumulator that the network's checker has proven wide enough, and are
requantised once at the end (`_c_requantise`). The convolutions, the fully connected layer and matmul share this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lamina.export._c_activations import bounded, within
from lamina.export._c_kernel import Setting
from lamina.export._c_requantise import Finish, by_multiplier, by_shift, plus
from lamina.export._c_text import ctype
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators._table import stored
from lamina.ir.operators.multiply import fraction_bits, shifts
from lamina.ir.types import Float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """What differs between the number systems; `k` is the channel, `v` the input, `w` the weight, `a` the sum."""

    weights: Array  # empty where the network computes them
    acc: str  # C type of the sum
    zero: str  # what is taken from every input
    weight_zero: str = ""  # what is taken from every weight
    bias: str  # with a place $k; empty where there is none
    shift: str  # of every product
    result: str
    stored: Mapping[str, Array] = field(default_factory=dict)  # bias and tables
    helpers: tuple[str, ...] = ()

    def load(self, at: str) -> str:
        return f"(({self.acc}){at}{self.zero})"

    def product(self, v: str, w: str) -> str:
        return f"({v} * {w}){self.shift}" if self.shift else f"{v} * {w}"

    def term(self, x: str, w: str) -> str:
        """The product of two numbers in memory."""
        weight = f"({self.acc}){w}" if not self.weight_zero else f"(({self.acc}){w}{self.weight_zero})"
        return self.product(self.load(x), weight)


def packed_sums(setting: Setting, *, fold: bool = True) -> Sums:
    """For weights and bias that are constants, stored with the function; `fold` moves a zero point into the bias."""
    weights, bias = (*setting.arrays[1:], None)[:2]
    assert weights is not None
    if isinstance(setting.x.element, Float):
        return _reals(setting, weights, "" if bias is None else "bias[$k]", {} if bias is None else {"bias": bias})
    zero = stored(setting.x).zero_point
    bits = _bits(setting, weights, bias)
    if fold and weights.ndim == 2 and zero and (folded := _folded(setting, weights, bias)) is not None:
        bias, zero = folded, 0
    if bias is not None and bias.dtype.itemsize * 8 > bits:
        bias = bias.astype(f"i{bits // 8}")  # the checker, or `_bits`, has proven that it fits
    tables = {} if bias is None else {"bias": bias}
    return _integers(setting, weights, "" if bias is None else "bias[$k]", tables, zero, bits)


def read_sums(setting: Setting) -> Sums:
    """For weights and bias that are read like any value: operands x1 and x2."""
    nothing = np.zeros(0, setting.site.inputs[1].element.storage)
    bias = "x2[$k]" if len(setting.site.inputs) > 2 else ""
    if isinstance(setting.x.element, Float):
        return _reals(setting, nothing, bias, {})
    bits = int(setting.site.attributes["accumulator"])
    if bias and np.dtype(setting.site.inputs[2].element.storage).itemsize * 8 > bits:
        bias = f"(int{bits}_t){bias}"
    return _integers(setting, nothing, bias, {}, stored(setting.x).zero_point, bits)


def _reals(setting: Setting, weights: Array, bias: str, tables: Mapping[str, Array]) -> Sums:
    return Sums(
        weights=weights,
        acc=ctype(weights.dtype),
        zero="",
        bias=bias,
        shift="",
        result=bounded(setting, "a"),
        stored=tables,
    )


def _integers(setting: Setting, weights: Array, bias: str, tables: Mapping[str, Array], zero: int, bits: int) -> Sums:
    w, a = stored(setting.site.inputs[1]), setting.site.attributes
    dropped = fraction_bits(w) if a.get("products") == "truncated" else 0
    end = finish(setting, bits)
    return Sums(
        weights=weights,
        acc=f"int{bits}_t",
        zero=plus(-zero),
        weight_zero=plus(-w.zero_point),
        bias=bias,
        shift=f" >> {dropped}" if dropped else "",
        result=end.expression,
        stored={**tables, **end.stored},
        helpers=end.helpers,
    )


def _bits(setting: Setting, weights: Array, bias: Array | None) -> int:
    """Of the accumulator: a body's weights were unknown when its width was declared, here they may show less to do."""
    declared, x = int(setting.site.attributes["accumulator"]), stored(setting.x)
    exact = setting.site.attributes.get("products", "exact") == "exact"
    if declared == 32 or not exact or setting.site.inputs[1].element.bits > 8 or x.bits > 8:
        return declared
    bound = rules.accumulator_bound(weights, None if bias is None else bias.astype(np.int64), x)
    return 32 if bound < 2**31 else declared


def finish(setting: Setting, bits: int) -> Finish:
    """From the sum, of `bits` bits, to the stored integer of the result."""
    x, w, y = (stored(t) for t in (*setting.site.inputs[:2], setting.y))
    a = setting.site.attributes
    low, high = within(setting, y)
    if a["rounding"] == "float":
        m = rules.multipliers(x, w, y)
        return by_multiplier(m, y, bits=bits, low=low, high=high, prefix=setting.prefix)
    return by_shift(
        shifts(setting.site),
        y,
        rounding=a["rounding"],
        bits=bits,
        low=low,
        high=high,
        prefix=setting.prefix,
    )


def _folded(setting: Setting, weights: Array, bias: Array | None) -> Array | None:
    """The bias that takes over the input's zero point, b - z sum w, where no sum of plain x w can then overflow."""
    x = stored(setting.site.inputs[0])
    rows = weights.astype(np.int64)
    moved = -x.zero_point * rows.sum(axis=1) + (0 if bias is None else bias.astype(np.int64))
    reach = np.abs(rows).sum(axis=1) * max(-x.low, x.high) + np.abs(moved)
    fits = setting.site.attributes["products"] == "exact" and reach.max() < 2**31
    return moved.astype(np.int32) if fits else None
