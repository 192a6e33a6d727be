"""conv_transpose2d in C: each row of the result is summed in one place, then finished.

    sum[i stride + s dilation - left] += x[c, h, i] w[c, k, r, s]       for the rows h whose tap r falls on row p

Only the taps that fall inside are visited: which columns those are follows from one division for each tap.
"""

from lamina.export._c_computed import start
from lamina.export._c_kernel import Kernel, Setting, kind
from lamina.export._c_sums import read_sums
from lamina.export._c_text import fill

_TRANSPOSED = """\
for (int n = 0; n < $n; ++n) {
    for (int k = 0; k < $k; ++k) {
        const $x_kind *x = x0 + (n * $groups + k / $per_group) * $x_size;
        const $w_kind *w = x1 + k / $per_group * $w_size + k % $per_group * $taps;
        for (int p = 0; p < $p; ++p) {
            for (int q = 0; q < $q; ++q) {
                sum[q] = $start;
            }
            for (int r = 0; r < $r; ++r) {
                const int row = p + $top - r * $dr;
                if (row < 0 || row % $sp != 0 || row / $sp >= $height) {
                    continue;
                }
                for (int c = 0; c < $c; ++c) {
                    const $x_kind *from = x + (c * $height + row / $sp) * $width;
                    for (int s = 0; s < $s; ++s) {
                        const int shift = s * $ds - $left;
                        const int first = shift < 0 ? (-shift + $sq - 1) / $sq : 0;
                        const int inside = shift < $q ? ($q - 1 - shift) / $sq + 1 : 0;
                        const int last = inside < $width ? inside : $width;
                        const $acc weight = ($acc)w[c * $per_group * $taps + r * $s + s];
                        for (int i = first; i < last; ++i) {
                            sum[i * $sq + shift] += $product;
                        }
                    }
                }
            }
            for (int q = 0; q < $q; ++q) {
                const $acc a = sum[q];
                y[((n * $k + k) * $p + p) * $q + q] = $result;
            }
        }
    }
}
"""


def conv_transpose2d(setting: Setting) -> Kernel:
    sums, (n, channels, height, width) = read_sums(setting), setting.x.shape
    _, per_group, r, s = setting.site.inputs[1].shape
    (_, k, p, q), a = setting.y.shape, setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, _), groups = a["stride"], a["dilation"], a["padding"], a["groups"]
    c = channels // groups
    body = fill(
        _TRANSPOSED, n=n, k=k, c=c, r=r, s=s, p=p, q=q, groups=groups, per_group=per_group, height=height, width=width,
        x_size=c * height * width, w_size=c * per_group * r * s, taps=r * s, sp=sp, sq=sq, dr=dr, ds=ds, top=top,
        left=left, x_kind=setting.kind, w_kind=kind(setting.site.inputs[1]), acc=sums.acc, start=start(sums),
        product=sums.product(sums.load("from[i]"), "weight"), result=sums.result,
    )  # fmt: skip
    storage = setting.y.element.storage if setting.is_float else sums.acc.removesuffix("_t")
    return Kernel(
        reads=tuple(range(len(setting.site.inputs))),
        body=body,
        stored=sums.stored,
        scratch={"sum": (storage, q)},
        helpers=sums.helpers,
    )
