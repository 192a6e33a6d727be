"""max_pool2d and average_pool2d in C: the window is cut at the input's borders, so padding is never read.

    max       the largest number inside
    average   the sum of the (centred) numbers inside, over r·s; padding counts as zeros

One loop nest serves both: a start, a step for each number, an end.
"""

from math import prod

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import plus, rescaled, saturated
from lamina.export._c_text import ctype, fill, real
from lamina.ir.types import Float

_POOL = """\
for (int n = 0; n < $n; ++n) {
    const $x_type *x = x0 + n * $size;
    for (int p = 0; p < $p; ++p) {
        $rows
        for (int q = 0; q < $q; ++q) {
            $columns
            $start
            for (int r = r0; r < r1; ++r) {
                for (int s = s0; s < s1; ++s) {
                    const $x_type v = x[(p * $sp - $top + r * $dr) * $width + q * $sq - $left + s * $ds];
                    $step
                }
            }
            y[(n * $p + p) * $q + q] = $end;
        }
    }
}
"""
_WHOLE = "const int ${tap}0 = 0, ${tap}1 = $count;"
_CUT = """\
const int from_$tap = $position * $stride - $before;
const int inside_$tap = from_$tap < $size ? ($size - 1 - from_$tap) / $dilation + 1 : 0;
const int ${tap}0 = from_$tap < 0 ? (-from_$tap + $dilation - 1) / $dilation : 0;
const int ${tap}1 = inside_$tap < $count ? inside_$tap : $count;"""


def max_pool2d(setting: Setting) -> Kernel:
    kind = ctype(setting.site.inputs[0].element.storage)
    first = "x[(p * $sp - $top + r0 * $dr) * $width + q * $sq - $left + s0 * $ds]"
    return _pool(setting, start=f"{kind} best = {first};", step="best = v > best ? v : best;", end="best")


def average_pool2d(setting: Setting) -> Kernel:
    x, y = setting.site.inputs[0].element, setting.site.outputs[0].element
    count = prod(setting.site.attributes["kernel"])
    if isinstance(x, Float):
        kind = ctype(x.storage)
        return _pool(setting, start=f"{kind} sum = 0;", step="sum += v;", end=f"sum / {real(count, kind)}")
    assert not isinstance(y, Float)
    bits = 32 if max(abs(x.low), abs(x.high)) * 2 * count < 2**31 else 64
    rounding = setting.site.attributes["rounding"]
    value, helpers = rescaled("sum", x, y, rounding=rounding, divisor=count, prefix=setting.prefix)
    return _pool(
        setting,
        start=f"int{bits}_t sum = 0;",
        step=f"sum += (int{bits}_t)v{plus(-x.zero_point)};",
        end=saturated(value, y, setting.prefix),
        helpers=(*helpers, "clip64"),
    )


def _pool(setting: Setting, *, start: str, step: str, end: str, helpers: tuple[str, ...] = ()) -> Kernel:
    x, y = setting.site.inputs[0], setting.site.outputs[0]
    n, c, height, width = x.shape
    a = setting.site.attributes
    (r, s), (sp, sq), (dr, ds), (top, _, left, _) = a["kernel"], a["stride"], a["dilation"], a["padding"]
    window = {"sp": sp, "sq": sq, "dr": dr, "ds": ds, "top": top, "left": left, "width": width}
    rows = _taps("r", "p", r, sp, dr, top, height, padded=any(a["padding"][:2]))
    columns = _taps("s", "q", s, sq, ds, left, width, padded=any(a["padding"][2:]))
    body = fill(
        _POOL, n=n * c, size=height * width, p=y.shape[2], q=y.shape[3], x_type=ctype(x.element.storage),
        rows=rows.replace("\n", "\n" + 8 * " "), columns=columns.replace("\n", "\n" + 12 * " "),
        start=fill(start, **window), step=step, end=end, **window,
    )  # fmt: skip
    return Kernel(reads=(0,), body=body, helpers=helpers)


def _taps(
    tap: str, position: str, count: int, stride: int, dilation: int, before: int, size: int, *, padded: bool
) -> str:
    if not padded:
        return fill(_WHOLE, tap=tap, count=count)
    return fill(
        _CUT, tap=tap, position=position, count=count, stride=stride, dilation=dilation, before=before, size=size
    )
