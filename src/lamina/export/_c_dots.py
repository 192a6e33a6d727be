"""Layers of 8-bit integers in C, as rows of weights times columns of cells: what dot-product instructions do.

    cells   the inputs as the helper `dots` wants them: an unsigned byte, the distance from the lowest number, where the
            CPU has VNNI; else the centred input in 16 bits
    sum     up to 32 rows of one or two columns, four rows in one call
    y       requantised in a loop of its own, which compilers do for several rows at once

What the bytes' offset adds to a sum, `offset` times the sum of the row's weights, is taken off again; sums wrap alike
and end exact. A vector is one column, padded with zeros to a whole step, so rows need no end of their own: what follows
a row in memory is multiplied by nothing. `_c_dots_conv` has the convolutions.
"""

from collections.abc import Mapping

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import plus
from lamina.export._c_sums import Sums, packed_sums
from lamina.export._c_text import fill
from lamina.ir.network import Array
from lamina.ir.operators._table import stored
from lamina.ir.types import Integer

STEP = 32  # cells that are multiplied at once, at most
ALIGNED = 16  # numbers of 16 bits more, so that cells can start at 32 bytes
TOGETHER = 32  # sums that are requantised together
_COLUMNS = 8  # most vectors laid out at once
_LEAST = 16  # weights of a row for which this is worth it

_LINEAR = """\
${prefix}_cell *const cells = (${prefix}_cell *)(memory + (0 - (uintptr_t)memory) % 32 / sizeof *memory);
for (int n0 = 0; n0 < $n; n0 += $columns) {
    const int many = $n - n0 < $columns ? $n - n0 : $columns;
    for (int i = 0; i < many; ++i) {
        ${prefix}_cell *const to = cells + i * $padded;
        for (int c = 0; c < $c; ++c) {
            to[c] = (${prefix}_cell)(x0[(n0 + i) * $c + c]$shift);
        }
        memset(to + $c, 0, $rest * sizeof *to);
    }
    for (int k0 = 0; k0 < $k; k0 += $rows) {
        const int inside = $k - k0 < $rows ? $k - k0 : $rows;
        for (int i = 0; i < many; ++i) {
            const ${prefix}_cell *const from = cells + i * $padded;
            int32_t sum[$rows];
            int j = 0;
            for (; j + 4 <= inside; j += 4) {
                ${prefix}_dots(from, 0, 1, weight + (k0 + j) * $c, $c, $c, sum + j);
            }
            for (; j < inside; ++j) {
                sum[j] = ${prefix}_dot(from, 0, 1, weight + (k0 + j) * $c, $c);
            }
            for (j = 0; j < inside; ++j) {
                const int k = k0 + j;
                const int32_t a = $total;
                y[(n0 + i) * $k + k] = $result;
            }
        }
    }
}
"""


def fits(setting: Setting, sums: Sums) -> bool:
    """Whether inputs and weights are integers of up to 8 bits, summed exactly in 32 bits, and rows are long enough."""
    x, w = setting.x.element, setting.site.inputs[1].element
    narrow = isinstance(x, Integer) and isinstance(w, Integer) and x.bits <= 8 and w.bits <= 8 and w.signed
    return narrow and sums.acc == "int32_t" and not sums.shift and sums.weights[0].size >= _LEAST


def linear(setting: Setting) -> Kernel | None:
    """The kernel; None for other integers than bytes."""
    sums = packed_sums(setting, fold=False)
    if not fits(setting, sums):
        return None
    k, c = sums.weights.shape
    n, padded = setting.x.size // c, -(-c // STEP) * STEP
    columns = min(n, _COLUMNS)
    body = fill(
        _LINEAR, n=n, columns=columns, padded=padded, c=c, rest=padded - c, k=k, rows=TOGETHER, shift=shift(setting),
        total=total(setting, sums), result=sums.result, prefix=setting.prefix,
    )  # fmt: skip
    return Kernel(
        reads=(0,),
        body=body,
        stored={**tables(setting, sums.weights, sums.weights), **sums.stored},
        scratch={"memory": (np.int16, columns * padded + ALIGNED)},
        helpers=("dots", *sums.helpers),
        stack_bytes=4 * TOGETHER,
    )


def offset(setting: Setting) -> int:
    """How far a byte above 0 lies above the centred input."""
    x = stored(setting.x)
    return x.zero_point - x.low


def shift(setting: Setting) -> str:
    """What turns a stored input into a cell."""
    moved = f" + {setting.prefix}_SHIFTED * {offset(setting)}" if offset(setting) else ""
    return f"{plus(-stored(setting.x).zero_point)}{moved}"


def total(setting: Setting, sums: Sums) -> str:
    """The sum of row `k`, from `sum[j]`."""
    bias = f" + {fill(sums.bias, k='k')}" if sums.bias else ""
    return f"sum[j]{bias}" + (f" - {setting.prefix}_SHIFTED * {offset(setting)} * total[k]" if offset(setting) else "")


def tables(setting: Setting, weights: Array, laid: Array) -> Mapping[str, Array]:
    """Weights as they are `laid` out, with what the last step may read behind them, and the sums of the rows."""
    found: dict[str, Array] = {"weight": np.concatenate([laid.ravel(), np.zeros(STEP - 1, laid.dtype)])}
    if offset(setting):
        found["total"] = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64).astype(np.int32)
    return found
