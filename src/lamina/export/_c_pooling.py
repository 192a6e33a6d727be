"""max_pool2d and average_pool2d in C: the window is cut at the input's borders, so padding is never read.

    max       the largest number inside
    average   the sum of the (centred) numbers inside, over r·s where padding counts as zeros, else over their count

One loop nest serves both: a start, a step for each number, an end.
"""

from math import prod

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import averaged, centred_reach, plus, rescaled, saturated
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
            $end
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


_FIRST = "x[(p * $sp - $top + r0 * $dr) * $width + q * $sq - $left + s0 * $ds]"
_RESULT = "y[(n * $p + p) * $q + q] = "


def max_pool2d(setting: Setting) -> Kernel:
    start = f"{setting.kind} best = {_FIRST};"
    return _pool(setting, start=start, step="best = v > best ? v : best;", end=f"{_RESULT}best;")


def max_pool2d_switches(setting: Setting) -> Kernel:
    """The first maximum's place in the unpadded plane comes along."""
    return _pool(
        setting,
        start=f"{setting.kind} best = {_FIRST};\n            int by_r = r0, by_s = s0;",
        step="if (v > best) {\n    best = v;\n    by_r = r;\n    by_s = s;\n}".replace("\n", "\n" + 20 * " "),
        end="y0[(n * $p + p) * $q + q] = best;\n            y1[(n * $p + p) * $q + q] = "
        "(p * $sp - $top + by_r * $dr) * $width + q * $sq - $left + by_s * $ds;",
    )


def average_pool2d(setting: Setting) -> Kernel:
    x, y = setting.x.element, setting.y.element
    most, whole_window = prod(setting.site.attributes["kernel"]), setting.site.attributes["include_padding"]
    count = "((r1 - r0) * (s1 - s0))"
    if isinstance(x, Float):
        kind = setting.kind
        divisor = real(most, kind) if whole_window else f"({kind}){count}"
        return _pool(setting, start=f"{kind} sum = 0;", step="sum += v;", end=f"{_RESULT}sum / {divisor};")
    assert not isinstance(y, Float)
    bits = 32 if max(abs(x.low), abs(x.high)) * 2 * most < 2**31 else 64
    rounding = setting.site.attributes["rounding"]
    if whole_window:
        reach = centred_reach(x) * most
        mean = rescaled("sum", x, y, rounding=rounding, divisor=most, prefix=setting.prefix, reach=reach)
    else:
        mean = averaged("sum", count, x, y, rounding=rounding, prefix=setting.prefix)
    value, helpers = saturated(mean.text, y, setting.prefix, bits=mean.bits)
    return _pool(
        setting,
        start=f"int{bits}_t sum = 0;",
        step=f"sum += (int{bits}_t)v{plus(-x.zero_point)};",
        end=f"{_RESULT}{value};",
        helpers=(*mean.helpers, *helpers),
    )


def _pool(setting: Setting, *, start: str, step: str, end: str, helpers: tuple[str, ...] = ()) -> Kernel:
    x, y = setting.site.inputs[0], setting.site.outputs[0]
    n, c, height, width = x.shape
    a = setting.site.attributes
    (r, s), (sp, sq), (dr, ds), (top, _, left, _) = a["kernel"], a["stride"], a["dilation"], a["padding"]
    window = {"sp": sp, "sq": sq, "dr": dr, "ds": ds, "top": top, "left": left, "width": width,
              "p": y.shape[2], "q": y.shape[3]}  # fmt: skip
    rows = _taps("r", "p", r, sp, dr, top, height, padded=any(a["padding"][:2]))
    columns = _taps("s", "q", s, sq, ds, left, width, padded=any(a["padding"][2:]))
    body = fill(
        _POOL, n=n * c, size=height * width, x_type=ctype(x.element.storage),
        rows=rows.replace("\n", "\n" + 8 * " "), columns=columns.replace("\n", "\n" + 12 * " "),
        start=fill(start, **window), step=step, end=fill(end, **window), **window,
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
