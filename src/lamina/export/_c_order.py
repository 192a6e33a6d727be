"""Along one axis, in C: places of extremes, the k largest, running sums.

argmax, argmin    the first (or last) place of the largest, or smallest
top_k             kept sorted while the axis is walked: a number goes before the first that is smaller, so that equal
                  ones stay in their order
cumulative_sum    y[i] = x[0] + ... + x[i], without x[i] itself where `exclusive`, from the end where `reverse`
"""

from math import prod

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_text import fill

_PLACE = """\
for (int o = 0; o < $outer; ++o) {
    for (int i = 0; i < $inner; ++i) {
        const $kind *x = x0 + o * $step + i;
        int best = 0;
        for (int c = 1; c < $count; ++c) {
            best = x[c * $inner] $sign x[best * $inner] ? c : best;
        }
        y[o * $inner + i] = best;
    }
}
"""
_TOP = """\
for (int o = 0; o < $outer; ++o) {
    for (int i = 0; i < $inner; ++i) {
        const $kind *x = x0 + o * $step + i;
        $kind *best = y0 + o * $k * $inner + i;
        int64_t *at = y1 + o * $k * $inner + i;
        for (int c = 0; c < $count; ++c) {
            const $kind v = x[c * $inner];
            int to = c < $k ? c : $k;
            for (; to > 0 && v $sign best[(to - 1) * $inner]; --to) {
                if (to < $k) {
                    best[to * $inner] = best[(to - 1) * $inner];
                    at[to * $inner] = at[(to - 1) * $inner];
                }
            }
            if (to < $k) {
                best[to * $inner] = v;
                at[to * $inner] = c;
            }
        }
    }
}
"""
_RUNNING = """\
for (int o = 0; o < $outer; ++o) {
    for (int i = 0; i < $inner; ++i) {
        $acc sum = 0;
        for (int c = 0; c < $count; ++c) {
            const int at = o * $step + ($place) * $inner + i;
            $steps
        }
    }
}
"""


def extreme_place(setting: Setting, name: str) -> Kernel:
    """argmax and argmin."""
    sign = (">" if name == "argmax" else "<") + ("=" if setting.site.attributes["last"] else "")
    return Kernel(reads=(0,), body=fill(_PLACE, sign=sign, **_axis(setting)))


def top_k(setting: Setting) -> Kernel:
    sign, k = ">" if setting.site.attributes["largest"] else "<", setting.site.attributes["k"]
    return Kernel(reads=(0,), body=fill(_TOP, sign=sign, k=k, **_axis(setting)))


def cumulative_sum(setting: Setting) -> Kernel:
    a, places = setting.site.attributes, _axis(setting)
    step = "sum += x0[at];" if setting.is_float else f"sum = {setting.prefix}_plus64(sum, x0[at]);"
    store = f"y[at] = ({setting.kind})sum;"
    steps = (store, step) if a["exclusive"] else (step, store)
    body = fill(
        _RUNNING, acc=setting.kind if setting.is_float else "int64_t",
        place=f"{places['count']} - 1 - c" if a["reverse"] else "c", steps=("\n" + 12 * " ").join(steps), **places,
    )  # fmt: skip
    return Kernel(reads=(0,), body=body, helpers=() if setting.is_float else ("plus64",))


def _axis(setting: Setting) -> dict[str, int | str]:
    """Loop bounds around the axis, its length, and the step from one pass over it to the next."""
    shape, axis = setting.x.shape, setting.site.attributes["axis"]
    axis %= len(shape)
    inner = prod(shape[axis + 1 :])
    return {
        "outer": prod(shape[:axis]), "count": shape[axis], "inner": inner, "step": shape[axis] * inner,
        "kind": setting.kind,
    }  # fmt: skip
