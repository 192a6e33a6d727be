"""Normalisation in C.

softmax, log_softmax    along one axis, the maximum subtracted first
"""

from math import prod

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_text import fill, indent

_NORMALISED = """\
for (int n = 0; n < $outer; ++n) {
    for (int i = 0; i < $inner; ++i) {
        const $type *x = $x + n * $step + i;
        $type *z = y + n * $step + i;
        $type most = x[0], sum = 0;
        for (int c = 1; c < $count; ++c) {
            most = x[c * $inner] > most ? x[c * $inner] : most;
        }
        for (int c = 0; c < $count; ++c) {
$each
        }
$last
    }
}
"""
_SOFTMAX = (
    "z[c * $inner] = exp$f(x[c * $inner] - most);\nsum += z[c * $inner];",
    "for (int c = 0; c < $count; ++c) {\n    z[c * $inner] /= sum;\n}",
)
_LOG_SOFTMAX = (
    "z[c * $inner] = x[c * $inner] - most;\nsum += exp$f(z[c * $inner]);",
    "sum = log$f(sum);\nfor (int c = 0; c < $count; ++c) {\n    z[c * $inner] -= sum;\n}",
)


def softmax(setting: Setting) -> Kernel:
    return _normalised(setting, *_SOFTMAX)


def log_softmax(setting: Setting) -> Kernel:
    return _normalised(setting, *_LOG_SOFTMAX)


def _normalised(setting: Setting, each: str, last: str) -> Kernel:
    shape, axis = setting.x.shape, setting.site.attributes["axis"]
    axis %= len(shape)
    outer, count, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    places = {"inner": inner, "count": count, "f": suffix(setting)}
    body = fill(
        _NORMALISED, outer=outer, step=count * inner, type=setting.kind,
        x=setting.source, each=indent(fill(each, **places), 12), last=indent(fill(last, **places), 8), **places,
    )  # fmt: skip
    return Kernel(reads=(0,), body=body)


def suffix(setting: Setting) -> str:
    """Of libm's functions for the operand's type."""
    return "" if setting.kind == "double" else "f"
