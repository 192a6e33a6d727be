"""Layers whose weights are values of the network, in C: read where they lie, in their own order.

    linear     y[n, k]       = b[k] + sum_c x[n, c] w[k, c]
    conv2d     y[n, k, p, q] = b[k] + sum_{c, r, s} x[n, c, ...] w[k, c, r, s]
    matmul     y[m, n]       = sum_c a[m, c] b[c, n]           batches by strides; a row of sums at once

A weight that is computed cannot be packed beforehand, so these are plain loops, ordered so that the innermost one walks
through memory. Constant weights go through `_c_multiply`.
"""

from lamina.export._c_kernel import Kernel, Setting, kind
from lamina.export._c_loops import Walk, nest, repeated
from lamina.export._c_sums import Sums, read_sums
from lamina.export._c_text import fill

_LINEAR = """\
for (int n = 0; n < $n; ++n) {
    for (int k = 0; k < $k; ++k) {
        $acc a = $start;
        for (int c = 0; c < $c; ++c) {
            a += $term;
        }
        y[n * $k + k] = $result;
    }
}
"""
_CONV = """\
for (int n = 0; n < $n; ++n) {
    for (int k = 0; k < $k; ++k) {
        const $x_kind *x = x0 + (n * $groups + k / $per_group) * $x_size;
        const $w_kind *w = x1 + k * $w_size;
        for (int p = 0; p < $p; ++p) {
            for (int q = 0; q < $q; ++q) {
                const int top = p * $sp - $top, left = q * $sq - $left;
                $acc a = $start;
                for (int c = 0; c < $c; ++c) {
                    for (int r = 0; r < $r; ++r) {
                        const int i = top + r * $dr;
                        if (i < 0 || i >= $height) {
                            continue;
                        }
                        for (int s = 0; s < $s; ++s) {
                            const int j = left + s * $ds;
                            if (j >= 0 && j < $width) {
                                a += $term;
                            }
                        }
                    }
                }
                y[((n * $k + k) * $p + p) * $q + q] = $result;
            }
        }
    }
}
"""
_MATMUL = """\
for (int m = 0; m < $m; ++m) {
    for (int n = 0; n < $n; ++n) {
        sum[n] = 0;
    }
    for (int c = 0; c < $c; ++c) {
        const $acc v = $load;
        for (int n = 0; n < $n; ++n) {
            sum[n] += $term;
        }
    }
    for (int n = 0; n < $n; ++n) {
        const $acc a = sum[n];
        y[$to + m * $n + n] = $result;
    }
}
"""


def linear(setting: Setting) -> Kernel:
    sums, (k, c) = read_sums(setting), setting.site.inputs[1].shape
    body = fill(
        _LINEAR, n=setting.y.size // k, k=k, c=c, acc=sums.acc, start=start(sums),
        term=sums.term(f"x0[n * {c} + c]", f"x1[k * {c} + c]"), result=sums.result,
    )  # fmt: skip
    return _kernel(setting, sums, body)


def conv2d(setting: Setting) -> Kernel:
    sums, (n, _, height, width) = read_sums(setting), setting.x.shape
    k, c, r, s = setting.site.inputs[1].shape
    a = setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, _), groups = a["stride"], a["dilation"], a["padding"], a["groups"]
    body = fill(
        _CONV, n=n, k=k, groups=groups, per_group=k // groups, x_size=c * height * width, w_size=c * r * s,
        x_kind=setting.kind, w_kind=kind(setting.site.inputs[1]), c=c, r=r, s=s, p=setting.y.shape[2],
        q=setting.y.shape[3], height=height, width=width, sp=sp, sq=sq, dr=dr, ds=ds, top=top, left=left,
        acc=sums.acc, start=start(sums), result=sums.result,
        term=sums.term(f"x[(c * {height} + i) * {width} + j]", f"w[(c * {r} + r) * {s} + s]"),
    )  # fmt: skip
    return _kernel(setting, sums, body)


def matmul(setting: Setting) -> Kernel:
    (a, b), y = (t.shape for t in setting.site.inputs), setting.y.shape
    sums, (m, c, n) = read_sums(setting), (a[-2], a[-1], b[-1])
    batches = y[:-2]
    walks = [_batches(of, batches) for of in (y, a, b)]

    def statement(to: str, left: str, right: str) -> str:
        weight = f"({sums.acc})x1[{right} + c * {n} + n]"
        return fill(
            _MATMUL, m=m, n=n, c=c, acc=sums.acc, load=sums.load(f"x0[{left} + m * {c} + c]"), to=to,
            term=f"v * ({weight}{sums.weight_zero})", result=sums.result,
        )  # fmt: skip

    kernel = _kernel(setting, sums, nest(batches, walks, statement))
    return Kernel(
        reads=kernel.reads,
        body=kernel.body,
        stored=kernel.stored,
        scratch={"sum": (setting.y.element.storage if setting.is_float else sums.acc.removesuffix("_t"), n)},
        helpers=kernel.helpers,
    )


def _batches(of: tuple[int, ...], batches: tuple[int, ...]) -> Walk:
    """The walk of an operand through the batches; its own matrices are contiguous."""
    steps = repeated(of[:-2], batches).strides
    return Walk(tuple(step * of[-2] * of[-1] for step in steps))


def start(sums: Sums) -> str:
    """What a sum of channel `k` begins with."""
    return fill(sums.bias, k="k") or "0"


def _kernel(setting: Setting, sums: Sums, body: str) -> Kernel:
    reads = tuple(range(len(setting.site.inputs)))
    return Kernel(reads=reads, body=body, stored=sums.stored, helpers=sums.helpers)
