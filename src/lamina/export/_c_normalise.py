"""Normalisation in C.

softmax, log_softmax    along one axis, the maximum subtracted first
batch_norm              y = x a + b; both follow from the channel's scale, bias, mean and variance
layer_norm              two passes over the normalised axes: the mean, then the mean square of what is left
lrn                     the squares of the neighbouring channels are summed a row at a time
"""

from math import prod

from lamina.export._c_activations import bounded
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_text import fill, indent, real

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
_BATCH = """\
for (int n = 0; n < $n; ++n) {
    for (int c = 0; c < $channels; ++c) {
        const $kind a = x1[c] / sqrt$f(x4[c] + $epsilon), b = x2[c] - x3[c] * a;
        for (int i = 0; i < $inner; ++i) {
            const $kind v = x0[(n * $channels + c) * $inner + i] * a + b;
            y[(n * $channels + c) * $inner + i] = $value;
        }
    }
}
"""
_LAYER = """\
for (int n = 0; n < $n; ++n) {
    const $kind *x = x0 + n * $count;
    $kind *z = y + n * $count;
    const $kind mean = $sum(x, $count) / $whole;
    for (int c = 0; c < $count; ++c) {
        z[c] = (x[c] - mean) * (x[c] - mean);
    }
    const $kind scale = 1 / sqrt$f($sum(z, $count) / $whole + $epsilon);
    for (int c = 0; c < $count; ++c) {
        z[c] = $value;
    }
}
"""
_LRN = """\
for (int n = 0; n < $n; ++n) {
    for (int c = 0; c < $channels; ++c) {
        const int first = c < $before ? 0 : c - $before;
        const int last = c + $after < $channels ? c + $after : $channels - 1;
        for (int i = 0; i < $inner; ++i) {
            sum[i] = 0;
        }
        for (int other = first; other <= last; ++other) {
            const $kind *x = x0 + (n * $channels + other) * $inner;
            for (int i = 0; i < $inner; ++i) {
                sum[i] += x[i] * x[i];
            }
        }
        for (int i = 0; i < $inner; ++i) {
            const $kind t = $k + $factor * sum[i];
            y[(n * $channels + c) * $inner + i] = x0[(n * $channels + c) * $inner + i] * ($power);
        }
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


def batch_norm(setting: Setting) -> Kernel:
    """One multiplication and one addition for each number, with the channel's own two."""
    n, channels, *rest = setting.x.shape
    inner = prod(rest)
    body = fill(
        _BATCH, n=n, channels=channels, inner=inner, kind=setting.kind, f=suffix(setting),
        epsilon=real(setting.site.attributes["epsilon"], setting.kind), value=bounded(setting, "v"),
    )  # fmt: skip
    return Kernel(reads=(0, 1, 2, 3, 4), body=body)


def layer_norm(setting: Setting) -> Kernel:
    shape = setting.x.shape
    axis = setting.site.attributes["axis"] % len(shape)
    count, f = prod(shape[axis:]), suffix(setting)
    helper = "sum32" if f else "sum64"
    value = "(x[c] - mean) * scale"
    for at, sign in enumerate(("*", "+")[: len(setting.site.inputs) - 1], start=1):
        value += f" {sign} x{at}[c]"
    body = fill(
        _LAYER, n=prod(shape[:axis]), count=count, kind=setting.kind, f=f, sum=f"{setting.prefix}_{helper}",
        whole=real(count, setting.kind), epsilon=real(setting.site.attributes["epsilon"], setting.kind), value=value,
    )  # fmt: skip
    return Kernel(reads=tuple(range(len(setting.site.inputs))), body=body, helpers=(helper,))


def lrn(setting: Setting) -> Kernel:
    n, channels, *rest = setting.x.shape
    a, f, inner = setting.site.attributes, suffix(setting), prod(rest)
    power = f"pow{f}(t, {real(-a['beta'], setting.kind)})"
    if a["beta"] == 0.75:
        power = f"{real(1, setting.kind)} / (sqrt{f}(t) * sqrt{f}(sqrt{f}(t)))"
    body = fill(
        _LRN, n=n, channels=channels, inner=inner, kind=setting.kind, before=(a["size"] - 1) // 2,
        after=a["size"] // 2, k=real(a["k"], setting.kind), factor=real(a["alpha"] / a["size"], setting.kind),
        power=power,
    )  # fmt: skip
    return Kernel(reads=(0,), body=body, scratch={"sum": (setting.x.element.storage, inner)})
