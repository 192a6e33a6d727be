"""Fully connected layers whose weights are mostly zero, in C: only the others are stored, and only they are multiplied.

    for each stretch of columns, for each row:   a += from[place] * weight     eight at a time, in four chains

Words      where the weights are a code book of up to 6 bits, one 16-bit word holds place and code: at 9 % density and
           5 bits that is 2 bytes for a weight, where a dense float layer keeps 44
Pairs      else a 16-bit place and the weight
Stretches  places count from the start of a stretch, whose inputs are laid out once, centred, with a zero behind: rows
           are filled up to eight with places that read that zero, so that no row has an odd end

The layout that is executed follows from the numbers alone; how a file stores them does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_sums import Sums, packed_sums
from lamina.export._c_text import ctype, fill, indent
from lamina.ir.network import Array

MOST_CODE_BITS = 6
AT_ONCE = 8  # weights of a row that are multiplied without a question between them
_SHORT = 16  # bits of a place, or of a place and a code

_BODY = """\
for (int n = 0; n < $n; ++n) {
    for (int b = 0; b < $stretches; ++b) {
        const int inside = $c - b * $length < $length ? $c - b * $length : $length;
        for (int i = 0; i < inside; ++i) {
            cell[b * $cells + i] = $load;
        }
        cell[b * $cells + $length] = 0;
    }
$before
    const uint16_t *at = place, *many = count;
$values
    for (int b = 0; b < $stretches; ++b) {
        const $acc *from = cell + b * $cells;
        for (int k = 0; k < $k; ++k) {
            $acc a0 = 0, a1 = 0, a2 = 0, a3 = 0;
            for (int i = *many++; i > 0; --i, at += 8$next) {
$terms
            }
            $finish
        }
    }
$after
}
"""
_WORDS = """\
uint64_t u, v;
memcpy(&u, at, sizeof u);
memcpy(&v, at + 4, sizeof v);
"""
_TOTAL = "(a0 + a1) + (a2 + a3)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """Rows of weights that are not zero, stretch by stretch; `code_bits` is 0 where they are stored as they are."""

    code_bits: int
    length: int  # columns of a stretch
    stretches: int
    stored: Mapping[str, Array]

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self.stored.values())


def linear(setting: Setting) -> Kernel | None:
    """The kernel; None where storing every weight takes no more bytes, or products lose bits of their own."""
    sums = packed_sums(setting, fold=False)
    packing = pack(sums.weights, coded=setting.site.inputs[1].codebook_bits is not None)
    if sums.shift or packing.bytes >= sums.weights.nbytes:
        return None
    k, c = sums.weights.shape
    storage = setting.x.element.storage if setting.is_float else sums.acc.removesuffix("_t")
    scratch = {"cell": (storage, packing.stretches * (packing.length + 1))}
    bias = fill(sums.bias, k="k") or "0"
    start, before, after, finish = (
        bias,
        "",
        "",
        f"const {sums.acc} a = {bias} + ({_TOTAL});\ny[n * {k} + k] = {sums.result};",
    )
    if packing.stretches > 1:
        scratch["sum"] = (storage, k)
        before = f"    for (int k = 0; k < {k}; ++k) {{\n        sum[k] = {start};\n    }}"
        after = (
            f"    for (int k = 0; k < {k}; ++k) {{\n        const {sums.acc} a = sum[k];\n"
            f"        y[n * {k} + k] = {sums.result};\n    }}"
        )
        finish = f"sum[k] += {_TOTAL};"
    body = fill(
        _BODY, n=setting.x.size // c, c=c, k=k, acc=sums.acc, stretches=packing.stretches, length=packing.length,
        cells=packing.length + 1, load=sums.load(f"x0[n * {c} + b * {packing.length} + i]"), before=before,
        values="" if packing.code_bits else f"    const {ctype(sums.weights.dtype)} *value = weight;",
        next="" if packing.code_bits else ", value += 8", terms=indent(_terms(sums, packing.code_bits), 16),
        finish=finish.replace("\n", "\n" + 12 * " "), after=after,
    )  # fmt: skip
    return Kernel(
        reads=(0,), body=body, stored={**packing.stored, **sums.stored}, scratch=scratch, helpers=sums.helpers
    )


def _terms(sums: Sums, code_bits: int) -> str:
    """Eight products, in an order that leaves compilers no vector to build from single numbers."""
    if not code_bits:
        order = [i % 2 * 4 + i // 2 for i in range(AT_ONCE)]
        return "\n".join(f"a{i % 4} += from[at[{j}]] * ({sums.acc})value[{j}];" for i, j in enumerate(order))
    places, codes = (1 << (_SHORT - code_bits)) - 1, (1 << code_bits) - 1
    lines = [_WORDS.rstrip()]
    for i in range(AT_ONCE):
        word = "uv"[i % 2]
        lines.append(f"a{i % 4} += from[{word} >> {code_bits} & {places}u] * ({sums.acc})book[{word} & {codes}u];")
        if i % 2 and i < AT_ONCE - 1:
            lines.append(f"u >>= {_SHORT};\nv >>= {_SHORT};")
    return "\n".join(lines)


def pack(weights: Array, *, coded: bool) -> Packing:
    """Weights [k, c] as words of place and code where `coded` and few enough differ, else as places and weights."""
    book = np.unique(weights[weights != 0])
    bits = max(1, int(len(book) - 1).bit_length()) if coded and len(book) else 0
    bits = bits if bits <= MOST_CODE_BITS else 0
    length = min((1 << (_SHORT - bits)) - 1, weights.shape[1])
    starts = range(0, weights.shape[1], length)
    counts, places, values = [], [], []
    for start in starts:
        part = weights[:, start : start + length]
        rows, columns = np.nonzero(part)
        many = np.bincount(rows, minlength=len(part))
        whole = -(-many // AT_ONCE)
        first = np.concatenate([[0], np.cumsum(whole * AT_ONCE)])
        own = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
        at = np.full(first[-1], length, np.int64)  # the zero behind the stretch
        at[first[rows] + own] = columns
        value = np.zeros(first[-1], weights.dtype)
        value[first[rows] + own] = part[rows, columns]
        counts.append(whole)
        places.append(at)
        values.append(value)
    count, place, value = (np.concatenate(parts) for parts in (counts, places, values))
    stored: dict[str, Array] = {"place": place.astype(np.uint16)}
    if bits:
        code = np.searchsorted(book, value).clip(0, len(book) - 1)
        stored = {"place": (place << bits | code).astype(np.uint16), "book": book}
    else:
        stored["weight"] = value
    return Packing(
        code_bits=bits, length=length, stretches=len(starts), stored={**stored, "count": count.astype(np.uint16)}
    )
