"""Fully connected layers whose weights vanish in blocks of eight, in C: eight products for every place that is stored.

    down     eight rows share a column: sum[8 rows] += x[place] * weight[8]
    across   a row keeps eight neighbouring columns: sum[8] += x[place .. place + 8] * weight[8], added up at its end

Blocks start at multiples of eight. Where at least half of what the blocks hold is not zero, they beat single places:
one vector load, one product and one sum for eight weights. Lanes as in `_c_lanes`; plain C has one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_lanes import Lanes, lanes
from lamina.export._c_sums import Sums, packed_sums
from lamina.export._c_text import ctype, fill, indent
from lamina.ir.network import Array

EIGHT = 8
_LEAST_FULL = 0.5  # share of a block's weights that are not zero
_CHAINS = 4
_MOST_PLACES = 2**16

_LAYER = """\
for (int n = 0; n < $n; ++n) {
    const $x_kind *const x = x0 + n * $c;
    const uint16_t *at = place;
    const $w_kind *w = weight;
    for (int g = 0; g < $groups; at += count[g], w += count[g] * 8, ++g) {
$start
        for (int h = 0; h < 8; h += $count) {
            $vec a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0};
            int i = 0;
            for (; i + 4 <= count[g]; i += 4) {
$steps
            }
            for (; i < count[g]; ++i) {
                a0 += $rest;
            }
            a0 = (a0 + a1) + (a2 + a3);
            $acc sum[$count];
            memcpy(sum, &a0, sizeof sum);
$end
        }
$finish
    }
}
"""
_DOWN = """\
for (int l = 0; l < $count && g * 8 + h + l < $k; ++l) {
    const int k = g * 8 + h + l;
    const $acc a = sum[l]$bias;
    y[n * $k + k] = $result;
}
"""
_ACROSS = """\
for (int l = 0; l < $count; ++l) {
    total += sum[l];
}
"""
_ACROSS_END = """\
const int k = g;
const $acc a = total;
y[n * $k + k] = $result;
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    down: bool
    full: float  # share of the stored weights that are not zero
    stored: Mapping[str, Array]


def linear(setting: Setting) -> Kernel | None:
    """The kernel; None where zeros do not come in blocks, or the compiler's vectors do not fit the types."""
    sums = packed_sums(setting, fold=False)
    vector = lanes(sums.acc, sums.weights.dtype, setting.prefix)
    if vector.most == 1 or sums.shift or max(sums.weights.shape) >= _MOST_PLACES:
        return None
    blocks = pack(sums.weights)
    across = not blocks.down
    if blocks.full < _LEAST_FULL or (across and (sums.acc != "float" or sums.weights.shape[1] % EIGHT)):
        return None
    return _kernel(setting, sums, vector, blocks)


def _kernel(setting: Setting, sums: Sums, vector: Lanes, blocks: Blocks) -> Kernel:
    k, c = sums.weights.shape
    bias = fill(sums.bias, k="k") if sums.bias else ""
    places = {"k": k, "c": c, "acc": sums.acc, "count": vector.count, "result": sums.result}

    def term(i: str) -> str:
        weight = vector.load(f"w + ({i}) * 8 + h")
        value = sums.load(f"x[at[{i}]]") if blocks.down else vector.load(f"x + at[{i}] * 8 + h")
        return f"{value} * {weight}"

    steps = "\n".join(f"a{j} += {term(f'i + {j}')};" for j in range(_CHAINS))
    start = "" if blocks.down else f"{sums.acc} total = {fill(sums.bias, k='g') if sums.bias else '0'};"
    body = fill(
        _LAYER, n=setting.x.size // c, groups=len(blocks.stored["count"]), vec=vector.type, x_kind=setting.kind,
        w_kind=ctype(sums.weights.dtype), steps=indent(steps, 16), rest=term("i"), start=indent(start, 8),
        end=indent(fill(_DOWN if blocks.down else _ACROSS, bias=f" + {bias}" if bias else "", **places), 12),
        finish="" if blocks.down else indent(fill(_ACROSS_END, **places), 8), **places,
    )  # fmt: skip
    return Kernel(
        reads=(0,),
        body=body,
        stored={**blocks.stored, **sums.stored},
        helpers=(*vector.helpers, *sums.helpers),
        stack_bytes=4 * EIGHT,
    )


def pack(weights: Array) -> Blocks:
    """Weights [k, c] as the fuller of the two kinds of blocks."""
    return max((_packed(weights, down=down) for down in (True, False)), key=lambda blocks: blocks.full)


def _packed(weights: Array, *, down: bool) -> Blocks:
    rows, columns = weights.shape
    padded = np.pad(weights, ((0, -rows % EIGHT), (0, 0)) if down else ((0, 0), (0, -columns % EIGHT)))
    blocks = padded.reshape(-1, EIGHT, columns).transpose(0, 2, 1) if down else padded.reshape(rows, -1, EIGHT)
    there = (blocks != 0).any(axis=2)
    kept = blocks[there]
    full = float((kept != 0).mean()) if kept.size else 0.0
    _, place = np.nonzero(there)
    stored = {
        "place": place.astype(np.uint16),
        "weight": kept.ravel(),
        "count": there.sum(axis=1).astype(np.uint16),
    }
    return Blocks(down=down, full=full, stored=stored)
