"""resize in C: which places a result reads, and with what weights, are tables made here.

    nearest          y[p, q] = x[row[p], column[q]]
    linear, cubic    first `row` blends 2 or 4 rows of the picture into one, then its columns are blended

The tables come from the operator's own rule (`ir.operators.resize.taps`), so C and interpreter round places alike.
"""

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_text import fill
from lamina.ir.operators.resize import taps

_NEAREST = """\
for (int n = 0; n < $n; ++n) {
    for (int p = 0; p < $p; ++p) {
        const $kind *from = x0 + (n * $height + row[p]) * $width;
        for (int q = 0; q < $q; ++q) {
            y[(n * $p + p) * $q + q] = from[column[q]];
        }
    }
}
"""
_BLENDED = """\
for (int n = 0; n < $n; ++n) {
    for (int p = 0; p < $p; ++p) {
        for (int w = 0; w < $width; ++w) {
            $kind sum = 0;
            for (int t = 0; t < $taps; ++t) {
                sum += x0[(n * $height + row[p * $taps + t]) * $width + w] * height[p * $taps + t];
            }
            blend[w] = sum;
        }
        for (int q = 0; q < $q; ++q) {
            $kind sum = 0;
            for (int t = 0; t < $taps; ++t) {
                sum += blend[column[q * $taps + t]] * width[q * $taps + t];
            }
            y[(n * $p + p) * $q + q] = sum;
        }
    }
}
"""


def resize(setting: Setting) -> Kernel:
    (n, c, height, width), (_, _, p, q) = setting.x.shape, setting.y.shape
    rows, down = taps(height, p, setting.site.attributes, 0)
    columns, across = taps(width, q, setting.site.attributes, 1)
    places = {"n": n * c, "height": height, "width": width, "p": p, "q": q, "kind": setting.kind}
    tables = {"row": rows.ravel().astype(np.int32), "column": columns.ravel().astype(np.int32)}
    if setting.site.attributes["mode"] == "nearest":
        return Kernel(reads=(0,), body=fill(_NEAREST, **places), stored=tables)
    storage = setting.x.element.storage
    weights = {"height": down.ravel().astype(storage), "width": across.ravel().astype(storage)}
    return Kernel(
        reads=(0,),
        body=fill(_BLENDED, taps=rows.shape[1], **places),
        stored=tables | weights,
        scratch={"blend": (storage, width)},
    )
