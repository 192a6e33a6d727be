"""Convolutions whose weights are mostly zero, in C: each weight that is left is added to a piece of picture at once.

    a[rows, lanes] += cell[place + ...] * weight        for the weights of a channel; no tap is tested, none is zero

cell     the input, centred and padded, columns sorted by their remainder under the stride: what one weight meets under
         neighbouring results then lies side by side
place    where a weight's channel and tap begin in it
weight   the number itself, or a byte that names one of a code book; it is looked up once for a piece
"""

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_lanes import lanes
from lamina.export._c_sums import packed_sums
from lamina.export._c_text import fill, indent
from lamina.ir.network import Array

_ROWS = 4  # rows of a piece
_CODES = 256

_CONV = """\
for (int g = 0; g < $images; ++g) {
    const $x_kind *const x = x0 + g * $x_size;
    memset(cell, 0, $cells * sizeof *cell);
    for (int c = 0; c < $c; ++c) {
        for (int h = 0; h < $height; ++h) {
            $acc *const to = cell + (c * $high + h + $top) * $line;
            for (int w = 0; w < $width; ++w) {
                to[(w + $left) % $sq * $columns + (w + $left) / $sq] = $load;
            }
        }
    }
    int first = 0; /* of the channel's weights */
    for (int k = 0; k < $groups * $k; first += count[k], ++k) {
        if (k / $k != g % $groups) {
            continue;
        }
        for (int p0 = 0; p0 < $p; p0 += $rows) {
            const int p = p0 + $rows <= $p ? p0 : $p - $rows; /* the last piece may step back over rows that are done */
            for (int q = 0; q < $q; q += $count) {
                $vec $zeros;
                for (int i = first; i < first + count[k]; ++i) {
                    const $acc *const from = cell + place[i] + p * $down + q;
                    const $acc v = $weight;
$steps
                }
                $vec piece[$rows];
$gather
                $acc sum[$rows][$count];
                memcpy(sum, piece, sizeof sum);
                for (int t = 0; t < $rows; ++t) {
                    for (int l = 0; l < $count && q + l < $q; ++l) {
                        const $acc a = sum[t][l]$bias;
                        y[((g / $groups * $groups * $k + k) * $p + p + t) * $q + q + l] = $result;
                    }
                }
            }
        }
    }
}
"""


def conv2d(setting: Setting) -> Kernel | None:
    """The kernel; None where storing every weight takes no more bytes, or products lose bits of their own."""
    sums = packed_sums(setting)
    (images, _, height, width), (_, k, p, q) = setting.x.shape, setting.y.shape
    a = setting.site.attributes
    (sp, sq), (top, _, left, _), groups = a["stride"], a["padding"], a["groups"]
    c = sums.weights.shape[1]
    high, columns = _reach(setting)
    line = columns * sq
    tables = pack(sums.weights, _places(setting, high, columns), coded=setting.site.inputs[1].codebook_bits is not None)
    if sums.shift or sum(t.nbytes for t in tables.values()) >= sums.weights.nbytes:
        return None
    vector = lanes(sums.acc, sums.weights.dtype, setting.prefix)
    rows, cells = min(_ROWS, p), c * high * line + vector.most
    steps = [f"memcpy(&v_, from + {t} * {sp * line}, sizeof v_);\na{t} += v_ * v;" for t in range(rows)]
    body = fill(
        _CONV, images=images * groups, groups=groups, x_kind=setting.kind, x_size=c * height * width, cells=cells, c=c,
        height=height, width=width, high=high, top=top, left=left, line=line, columns=columns, sq=sq, k=k // groups,
        p=p, q=q, rows=rows, count=vector.count, vec=vector.type, acc=sums.acc, down=sp * line,
        load=sums.load(f"x[(c * {height} + h) * {width} + w]"), result=sums.result,
        zeros=", ".join(["v_", *(f"a{t} = {{0}}" for t in range(rows))]),
        weight=f"({sums.acc})book[code[i]]" if "code" in tables else f"({sums.acc})weight[i]",
        steps=indent("\n".join(steps), 20),
        gather=indent("\n".join(f"piece[{t}] = a{t};" for t in range(rows)), 16),
        bias=f" + {fill(sums.bias, k='k')}" if sums.bias else "",
    )  # fmt: skip
    storage = setting.x.element.storage if setting.is_float else sums.acc.removesuffix("_t")
    types = tuple(name for name in vector.helpers if not name.startswith("load"))
    return Kernel(
        reads=(0,),
        body=body,
        stored={**tables, **sums.stored},
        scratch={"cell": (storage, cells)},
        helpers=(*types, *sums.helpers),
        stack_bytes=2 * rows * vector.most * 8,
    )


def _reach(setting: Setting) -> tuple[int, int]:
    """Rows of the padded picture, and columns of one remainder; wide enough for lanes beyond the last result."""
    (_, _, height, width), (_, _, p, q) = setting.x.shape, setting.y.shape
    r, s = setting.site.inputs[1].shape[2:]
    a = setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, _) = a["stride"], a["dilation"], a["padding"]
    high = max(top + height, (p - 1) * sp + (r - 1) * dr + 1)
    return high, max(-(-(left + width) // sq), q + (s - 1) * ds // sq + 1)


def _places(setting: Setting, high: int, columns: int) -> Array:
    """Where every weight [k, c, r, s] begins in the cells."""
    _, c, r, s = setting.site.inputs[1].shape
    (_, sq), (dr, ds) = setting.site.attributes["stride"], setting.site.attributes["dilation"]
    rows = (np.arange(c)[:, None] * high + np.arange(r) * dr) * columns * sq
    taps = np.arange(s) * ds
    one = rows[:, :, None] + taps % sq * columns + taps // sq
    return np.asarray(np.broadcast_to(one, setting.site.inputs[1].shape))


def pack(weights: Array, places: Array, *, coded: bool) -> dict[str, Array]:
    """The weights that are not zero, channel by channel: how many, where, and what."""
    there = weights != 0
    place, kept = places[there], weights[there]
    tables: dict[str, Array] = {
        "count": there.reshape(len(weights), -1).sum(axis=1).astype(np.int32),
        "place": place.astype(np.uint16 if places.max() < 2**16 else np.int32),
    }
    book, code = np.unique(kept, return_inverse=True)
    if coded and kept.itemsize > 1 and 0 < len(book) <= _CODES:
        return tables | {"code": code.ravel().astype(np.uint8), "book": book}
    return tables | {"weight": kept if kept.size else np.zeros(1, weights.dtype)}
