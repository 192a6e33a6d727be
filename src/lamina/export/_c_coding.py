"""Between real numbers and their codes, in C.

quantise dequantise     y[i] = clip(rint(x[i] / s) + z)       and s (x[i] - z)
lookup                  y[i] = table[x[i] - low]              in place, as the other two where the sizes are the same
piecewise_linear        the last segment whose start is <= x
cast                    to a float, an integer cut toward zero, or a truth value
"""

from dataclasses import replace

from lamina.core.errors import Unsupported
from lamina.export._c_activations import each
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import clipped, nearest, plus
from lamina.export._c_text import ctype, fill, real, whole
from lamina.ir.operators._table import stored
from lamina.ir.types import BOOL, Fixed, Float

_SEGMENTS = """\
for (int i = 0; i < $n; ++i) {
    const $wide v = $x[i];
    int segment = 0;
    while (segment < $last && starts[segment + 1] <= v) {
        ++segment;
    }
    y[i] = $value;
}
"""


def quantise(setting: Setting) -> Kernel:
    y = stored(setting.y)
    value, helpers = nearest(f"(float)v / {real(y.scale[0])}", y, low=y.low, high=y.high, prefix=setting.prefix)
    return each(setting, value, helpers)


def dequantise(setting: Setting) -> Kernel:
    x = stored(setting.x)
    centred = f"((int64_t)v{plus(-x.zero_point)})" if x.bits > 16 else f"((int32_t)v{plus(-x.zero_point)})"
    return each(setting, f"(float){centred} * {real(x.scale[0])}")


def lookup(setting: Setting) -> Kernel:
    x = stored(setting.x)
    table, at = setting.arrays[1], f"[v{plus(-x.low)}]"
    if table is not None:
        return each(setting, f"table{at}", stored={"table": table})
    return replace(each(setting, f"x1{at}"), reads=(0, 1))


def piecewise_linear(setting: Setting) -> Kernel:
    x = setting.x.element
    assert isinstance(x, Fixed)
    starts, slopes, intercepts = setting.arrays[1:]
    if starts is None or slopes is None or intercepts is None:
        raise Unsupported(f"{setting.name}: segments that the network computes: exported C takes them from constants")
    width = 32 if x.bits <= 16 else 64
    line = f"((slopes[segment] * v) >> {x.fraction_bits}) + intercepts[segment]"
    body = fill(
        _SEGMENTS, n=setting.y.size, x=setting.source, wide=f"int{width}_t", last=len(starts) - 1,
        value=clipped(line, x, width=width, low=x.low, high=x.high, prefix=setting.prefix),
    )  # fmt: skip
    tables = {"starts": starts, "slopes": slopes, "intercepts": intercepts}
    return Kernel(reads=(0,), body=body, stored=tables, helpers=(f"clip{width}",))


def cast(setting: Setting) -> Kernel:
    x, y = setting.x.element, setting.y.element
    to, prefix = ctype(y.storage), setting.prefix
    if isinstance(y, Float):
        return each(setting, f"({to})v")
    if y == BOOL:
        return each(setting, "(uint8_t)(v != 0)")
    if isinstance(x, Float):
        value = f"({to}){prefix}_truncated((double)v, {whole(y.low)}, {whole(y.high)})"
        return each(setting, value, ("truncated",))
    if y.bits in (8, 16, 32, 64):
        return each(setting, f"({to})v")
    low, sign = f"((int64_t)v & {whole((1 << y.bits) - 1)})", whole(1 << (y.bits - 1))
    return each(setting, f"({to})(({low} ^ {sign}) - {sign})" if y.low else f"({to}){low}")
