"""Convolution of 8-bit integers in C: a window is a few stretches of cells, which the helper `dots` reads in place.

    band[row][column][channel]     the rows of the input that the window sees, padded, channels side by side
    sum[k, q] = dots(band at q, weights[k])         one stretch of s x c cells for each row of the window
    y[k, p, q]                     requantised a row at a time

The band moves down with the window: rows that stay are moved up, new ones are laid out once. A stretch that is short of
a whole step has weights that end in zeros, so that the cells behind it do not matter. Where most would be such zeros
(few channels), or the window is dilated along its width, the windows of a row are gathered, each as one stretch.
"""

import numpy as np

from lamina.export._c_dots import ALIGNED, STEP, TOGETHER, fits, offset, shift, tables, total
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_sums import Sums, packed_sums
from lamina.export._c_text import fill, indent
from lamina.ir.network import Array

_MOST_EMPTY = 1.25  # cells multiplied for each that counts, up to which windows are read in place

_CONV = """\
${prefix}_cell *const band = (${prefix}_cell *)(memory + (0 - (uintptr_t)memory) % 32 / sizeof *memory);
$place
for (int g = 0; g < $images; ++g) {
    const $x_kind *const x = x0 + g * $x_size;
    const int8_t *const weights = weight + g % $groups * $w_size;
    for (int p = 0; p < $p; ++p) {
        if (p > 0 && $kept > 0) {
            memmove(band, band + $sp * $line, $kept * $line * sizeof *band);
        }
        for (int i = p > 0 ? $kept : 0; i < $reach; ++i) {
            ${prefix}_cell *const to = band + i * $line;
            const int row = p * $sp - $top + i;
            for (int j = 0; j < $line; ++j) {
                to[j] = (${prefix}_cell)(${prefix}_SHIFTED * $offset);
            }
            for (int c = 0; c < $c && row >= 0 && row < $height; ++c) {
                for (int w = 0; w < $width; ++w) {
                    to[($left + w) * $c + c] = (${prefix}_cell)(x[(c * $height + row) * $width + w]$shift);
                }
            }
        }
$gather
        for (int k0 = 0; k0 < $k; k0 += $rows) {
            const int inside = $k - k0 < $rows ? $k - k0 : $rows;
            for (int j = 0; j < inside; ++j) {
                if (j + 4 > inside) {
                    for (int q = 0; q < $q; ++q) {
                        const ${prefix}_cell *const at = $from + q * $apart;
                        sum[j * $q + q] = ${prefix}_dot(at, $step, $parts, weights + (k0 + j) * $row, $n);
                    }
                    continue;
                }
                const int8_t *const four = weights + (k0 + j) * $row;
                int32_t part[8];
                int q = 0;
                for (; q + 2 <= $q; q += 2) {
                    ${prefix}_dots2($from + q * $apart, $apart, $step, $parts, four, $n, $row, part);
                    for (int i = 0; i < 4; ++i) {
                        sum[(j + i) * $q + q] = part[i];
                        sum[(j + i) * $q + q + 1] = part[4 + i];
                    }
                }
                for (; q < $q; ++q) {
                    ${prefix}_dots($from + q * $apart, $step, $parts, four, $n, $row, part);
                    for (int i = 0; i < 4; ++i) {
                        sum[(j + i) * $q + q] = part[i];
                    }
                }
                j += 3;
            }
            for (int j = 0; j < inside; ++j) {
                const int k = g % $groups * $k + k0 + j;
                for (int q = 0; q < $q; ++q) {
                    const int32_t a = $total;
                    y[((g * $k + k0 + j) * $p + p) * $q + q] = $result;
                }
            }
        }
    }
}
"""
_GATHER = """\
for (int q = 0; q < $q; ++q) {
    for (int r = 0; r < $r; ++r) {
        for (int s = 0; s < $s; ++s) {
            const ${prefix}_cell *const at = band + r * $dr * $line + (q * $sq + s * $ds) * $c;
            for (int c = 0; c < $c; ++c) {
                window[q * $apart + (r * $s + s) * $c + c] = at[c];
            }
        }
    }
    memset(window + q * $apart + $taps, 0, ($apart - $taps) * sizeof *window);
}
"""


def conv2d(setting: Setting) -> Kernel | None:
    """The kernel; None for other integers than bytes, or short windows (depth-wise ones)."""
    sums = packed_sums(setting)
    if not fits(setting, sums):
        return None
    c, r, s = sums.weights.shape[1:]
    taps, steps = r * s * c, r * -(-s * c // STEP) * STEP
    if setting.site.attributes["dilation"][1] == 1 and steps <= _MOST_EMPTY * taps:
        return _kernel(setting, sums, gathered=False)
    return _kernel(setting, sums, gathered=True)


def _kernel(setting: Setting, sums: Sums, *, gathered: bool) -> Kernel:
    (images, _, height, width), (_, k, p, q) = setting.x.shape, setting.y.shape
    _, c, r, s = sums.weights.shape
    a = setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, right), groups = a["stride"], a["dilation"], a["padding"], a["groups"]
    reach, line = (r - 1) * dr + 1, (left + width + right) * c
    parts, n = (1, r * s * c) if gathered else (r, -(-s * c // STEP) * STEP)
    apart = -(-n // STEP) * STEP if gathered else sq * c
    memory = reach * line + STEP  # and what the last step may read behind it
    places = {
        "prefix": setting.prefix, "images": images * groups, "groups": groups, "x_kind": setting.kind, "k": k // groups,
        "x_size": c * height * width, "w_size": k // groups * parts * n, "c": c, "r": r, "s": s, "p": p, "q": q,
        "height": height, "width": width, "sp": sp, "sq": sq, "dr": dr, "ds": ds, "top": top, "left": left,
        "reach": reach, "line": line, "kept": max(0, reach - sp), "rows": TOGETHER, "n": n, "parts": parts,
        "apart": apart,
        "row": parts * n, "step": 0 if gathered else dr * line, "taps": r * s * c, "offset": offset(setting),
        "shift": shift(setting), "from": "window" if gathered else "band", "result": sums.result,
        "total": total(setting, sums).replace("sum[j]", f"sum[j * {q} + q]"),
    }  # fmt: skip
    body = fill(
        _CONV, gather=indent(fill(_GATHER, **places).rstrip(), 8) if gathered else "",
        place=f"{setting.prefix}_cell *const window = band + {memory};" if gathered else "", **places,
    )  # fmt: skip
    laid = _laid(sums.weights, n, gathered=gathered)
    return Kernel(
        reads=(0,),
        body=body,
        stored={**tables(setting, sums.weights, laid), **sums.stored},
        scratch={
            "memory": (np.int16, ALIGNED + memory + (q * apart if gathered else 0)),
            "sum": (np.int32, min(TOGETHER, k) * q),
        },
        helpers=("dots", "dots2", *sums.helpers),
    )


def _laid(weights: Array, n: int, *, gathered: bool) -> Array:
    """Weights [k, c, r, s] as rows [k, r, s c], channels innermost, each stretch filled up to n with zeros."""
    turned = weights.transpose(0, 2, 3, 1)
    if gathered:
        return turned
    stretches = turned.reshape(*turned.shape[:2], -1)
    return np.pad(stretches, ((0, 0), (0, 0), (0, n - stretches.shape[2])))
