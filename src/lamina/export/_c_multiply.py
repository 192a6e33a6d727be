"""conv2d and linear in C: weights packed for blocks of output channels, sums kept in a small local array.

    for a block of K_B channels and Q_B neighbouring positions:
        sum[q][k] += x[q] * w[k]        for every input channel and tap; w's K_B numbers lie side by side

The innermost loop runs over neighbouring weights with constant bounds, so a compiler turns it into vectors without being
allowed to reorder floating point. Padding is never read: rows and taps outside the input are cut from the loops, and
where all taps of a row are inside, a tile of Q_B positions is computed at once. An integer linear layer keeps its rows:
integer sums may be reordered, and a row times the input is what dot-product instructions do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import Finish, by_multiplier, by_shift, plus
from lamina.export._c_text import ctype, fill, indent
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators._table import stored
from lamina.ir.operators.multiply import fraction_bits, shifts
from lamina.ir.types import Float

CONV_BLOCK = 16  # channels
CONV_SUMS = 64  # channels times positions of a tile
LINEAR_BLOCK = 64  # neurons

_LINEAR = """\
/* neurons k0 .. k0 + $kb of one example */
static void ${name}_$kb(int k0, $params)
{
    $acc sum[$kb];
    for (int j = 0; j < $kb; ++j) {
        sum[j] = $start;
    }
    for (int c = 0; c < $c; ++c) {
        const $acc v = x[c];
        for (int j = 0; j < $kb; ++j) {
            sum[j] += v * w[c * $kb + j];
        }
    }
    for (int j = 0; j < $kb; ++j) {
        const int k = k0 + j;
        const $acc a = sum[j];
        y[k] = $result;
    }
}
"""

_ROWS = """\
for (int n = 0; n < $n; ++n) {
    const $x_type *x = x0 + n * $c;
    for (int k = 0; k < $k; ++k) {
        const $w_type *w = weight + k * $c;
        $acc a = $start;
        for (int c = 0; c < $c; ++c) {
            const $acc v = $load;
            a += $product;
        }
        y[n * $k + k] = $result;
    }
}
"""

_CONV = """\
/* channels k0 .. k0 + $kb at row p, column q; taps outside the input are left out */
static void ${name}_${kb}_edge(int k0, int p, int q, int r0, int r1, $params)
{
    const int from = q * $sq - $left;
    const int inside = from < $width ? ($width - 1 - from) / $ds + 1 : 0;
    const int s0 = from < 0 ? (-from + $ds - 1) / $ds : 0;
    const int s1 = inside < $s ? inside : $s;
    $acc sum[$kb];
    for (int j = 0; j < $kb; ++j) {
        sum[j] = $start;
    }
    for (int c = 0; c < $c; ++c) {
        for (int r = r0; r < r1; ++r) {
            for (int s = s0; s < s1; ++s) {
                const $acc v = $edge_load;
                for (int j = 0; j < $kb; ++j) {
                    sum[j] += $product;
                }
            }
        }
    }
    for (int j = 0; j < $kb; ++j) {
        const int k = k0 + j;
        const $acc a = sum[j];
        y[(k * $p + p) * $q + q] = $result;
    }
}

/* the same for $qb columns from q on, every tap of a row inside the input */
static void ${name}_${kb}_tile(int k0, int p, int q, int r0, int r1, $params)
{
    $acc sum[$qb][$kb];
    for (int t = 0; t < $qb; ++t) {
        for (int j = 0; j < $kb; ++j) {
            sum[t][j] = $start;
        }
    }
    for (int c = 0; c < $c; ++c) {
        for (int r = r0; r < r1; ++r) {
            const $x_type *row = x + (c * $height + p * $sp - $top + r * $dr) * $width + q * $sq - $left;
            for (int s = 0; s < $s; ++s) {
                for (int t = 0; t < $qb; ++t) {
                    const $acc v = $tile_load;
                    for (int j = 0; j < $kb; ++j) {
                        sum[t][j] += $product;
                    }
                }
            }
        }
    }
    for (int j = 0; j < $kb; ++j) {
        const int k = k0 + j;
        for (int t = 0; t < $qb; ++t) {
            const $acc a = sum[t][j];
            y[(k * $p + p) * $q + q + t] = $result;
        }
    }
}

static void ${name}_$kb(int k0, $params)
{
    for (int p = 0; p < $p; ++p) {
        const int from = p * $sp - $top;
        const int inside = from < $height ? ($height - 1 - from) / $dr + 1 : 0;
        const int r0 = from < 0 ? (-from + $dr - 1) / $dr : 0;
        const int r1 = inside < $r ? inside : $r;
        int q = 0;
        for (; q < $first; ++q) {
            ${name}_${kb}_edge(k0, p, q, r0, r1, $args);
        }
        for (; q < $last; q += $qb) { /* the last tile may step back over columns that are done */
            ${name}_${kb}_tile(k0, p, q + $qb <= $last ? q : $last - $qb, r0, r1, $args);
        }
        for (q = $last; q < $q; ++q) {
            ${name}_${kb}_edge(k0, p, q, r0, r1, $args);
        }
    }
}
"""

_BLOCKS = """\
for (int n = 0; n < $n; ++n) {
    for (int g = 0; g < $groups; ++g) {
        const $x_type *x = x0 + (n * $groups + g) * $x_size;
        const $w_type *w = weight + g * $w_size;
        int k0 = g * $k;
$calls
    }
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arithmetic:
    """What differs between the number systems; `k` is the channel, `v` the input, `w[...]` the weight, `a` the sum."""

    weights: Array
    acc: str  # C type of the sum
    zero: str  # what is taken from every input
    start: str  # with a place $k
    shift: str  # of every product
    result: str
    stored: Mapping[str, Array] = field(default_factory=dict)  # bias and tables
    helpers: tuple[str, ...] = ()

    def load(self, at: str) -> str:
        return f"({self.acc}){at}{self.zero}"

    def product(self, at: str) -> str:
        return f"(v * w[{at}]){self.shift}" if self.shift else f"v * w[{at}]"


def conv2d(setting: Setting) -> Kernel:
    x, y = setting.site.inputs[0], setting.site.outputs[0]
    arithmetic = _arithmetic(setting)
    k, c, r, s = arithmetic.weights.shape
    p, q = y.shape[2:]
    _, channels, height, width = x.shape
    a = setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, _), groups = a["stride"], a["dilation"], a["padding"], a["groups"]
    first = min(q, -(-left // sq))  # columns before it have taps left of the input
    last = max(first, min(q, (width - 1 - (s - 1) * ds + left) // sq + 1))
    tiles = {kb: _tile(last - first, CONV_SUMS // max(kb, 4)) for kb in _blocks(k // groups, CONV_BLOCK)}
    params, args = _parameters(setting, arithmetic)
    before = [
        fill(
            _CONV, name=setting.name, kb=kb, qb=qb, params=params, args=args, acc=arithmetic.acc,
            start=fill(arithmetic.start, k="k0 + j"), result=arithmetic.result, x_type=ctype(x.element.storage),
            product=arithmetic.product(f"((c * {r} + r) * {s} + s) * {kb} + j"),
            edge_load=arithmetic.load(
                f"x[(c * {height} + p * {sp} - {top} + r * {dr}) * {width} + from + s * {ds}]"
            ),
            tile_load=arithmetic.load(f"row[t * {sq} + s * {ds}]"),
            c=c, r=r, s=s, p=p, q=q, height=height, width=width, sp=sp, sq=sq, dr=dr, ds=ds, top=top, left=left,
            first=first, last=last,
        )
        for kb, qb in tiles.items()
    ]  # fmt: skip
    sums = max(kb * qb for kb, qb in tiles.items())
    size = c * height * width
    return _blocked(setting, arithmetic, before, block=CONV_BLOCK, groups=groups, x_size=size, sums=sums)


def linear(setting: Setting) -> Kernel:
    x = setting.site.inputs[0].element
    arithmetic = _arithmetic(setting)
    if not isinstance(x, Float):
        return _rows(setting, arithmetic)
    k, c = arithmetic.weights.shape
    params, _ = _parameters(setting, arithmetic)
    sizes = _blocks(k, LINEAR_BLOCK)
    before = [
        fill(_LINEAR, name=setting.name, kb=kb, params=params, acc=arithmetic.acc, start=fill(arithmetic.start, k="k0 + j"),
             result=arithmetic.result, c=c)
        for kb in sizes
    ]  # fmt: skip
    return _blocked(setting, arithmetic, before, block=LINEAR_BLOCK, groups=1, x_size=c, sums=max(sizes))


def _tile(columns: int, most: int) -> int:
    """At most `most` columns at once, in as few and even tiles as that allows."""
    return max(1, -(-columns // -(-columns // most))) if columns else 1


def _blocks(k: int, block: int) -> list[int]:
    """Sizes of the blocks of `k` channels: the full one, and what remains."""
    return [size for size in (block if k >= block else 0, k % block) if size]


def _blocked(
    setting: Setting, arithmetic: _Arithmetic, before: list[str], *, block: int, groups: int, x_size: int, sums: int
) -> Kernel:
    weights = arithmetic.weights
    k, taps = len(weights) // groups, weights[0].size
    y = setting.site.outputs[0]
    result = f"y + n * {groups * k * (y.size // (y.shape[0] * groups * k) if y.shape[1:] else 1)}"
    _, args = _parameters(setting, arithmetic, y=result)
    calls = [
        f"for (int b = 0; b < {k // size if size == block else 1}; ++b, k0 += {size}, w += {size * taps}) {{\n"
        f"    {setting.name}_{size}(k0, {args});\n}}"
        for size in _blocks(k, block)
    ]
    body = fill(
        _BLOCKS, n=setting.site.inputs[0].size // (groups * x_size), groups=groups, x_size=x_size, w_size=k * taps, k=k,
        x_type=ctype(setting.site.inputs[0].element.storage), w_type=ctype(weights.dtype),
        calls=indent("\n".join(calls), 8),
    )  # fmt: skip
    return Kernel(
        reads=(0,),
        body=body,
        stored={"weight": _packed(weights, groups, block), **arithmetic.stored},
        before="\n".join(before),
        helpers=arithmetic.helpers,
        stack_bytes=sums * (8 if arithmetic.acc in ("int64_t", "double") else 4),
    )


def _rows(setting: Setting, arithmetic: _Arithmetic) -> Kernel:
    k, c = arithmetic.weights.shape
    body = fill(
        _ROWS, n=setting.site.outputs[0].size // k, k=k, c=c, acc=arithmetic.acc, start=fill(arithmetic.start, k="k"),
        load=arithmetic.load("x[c]"), product=arithmetic.product("c"), result=arithmetic.result,
        x_type=ctype(setting.site.inputs[0].element.storage), w_type=ctype(arithmetic.weights.dtype),
    )  # fmt: skip
    return Kernel(
        reads=(0,),
        body=body,
        stored={"weight": arithmetic.weights, **arithmetic.stored},
        helpers=arithmetic.helpers,
    )


def _packed(weights: Array, groups: int, block: int) -> Array:
    """[k, ...] as blocks of `block` channels of one group, each with its channels side by side."""
    parts = []
    for group in np.split(weights.reshape(len(weights), -1), groups):
        parts += [group[at : at + block].T.ravel() for at in range(0, len(group), block)]
    return np.concatenate(parts)


def _parameters(setting: Setting, arithmetic: _Arithmetic, *, y: str = "y") -> tuple[str, str]:
    """Parameters and arguments of a block's function: input, packed weights, tables, result."""
    x_type, y_type = (ctype(t.element.storage) for t in (setting.site.inputs[0], setting.site.outputs[0]))
    names = [("x", x_type), ("w", ctype(arithmetic.weights.dtype))]
    names += [(name, ctype(data.dtype)) for name, data in arithmetic.stored.items()]
    params = [f"const {kind} *restrict {name}" for name, kind in names]
    return ", ".join([*params, f"{y_type} *restrict y"]), ", ".join([*(name for name, _ in names), y])


def _arithmetic(setting: Setting) -> _Arithmetic:
    if any(array is None for array in setting.arrays[1:]):
        raise Unsupported(
            f"{setting.name}: weights or a bias that the network computes: exported C takes them from constants"
        )
    weights, bias = setting.arrays[1], setting.arrays[2] if len(setting.arrays) > 2 else None
    assert weights is not None
    if isinstance(setting.site.inputs[0].element, Float):
        return _Arithmetic(
            weights=weights,
            acc=ctype(weights.dtype),
            zero="",
            start="0" if bias is None else "bias[$k]",
            shift="",
            result="a < 0 ? 0 : a" if setting.relu else "a",
            stored={} if bias is None else {"bias": bias},
        )
    return _integer_arithmetic(setting, weights, bias)


def _integer_arithmetic(setting: Setting, weights: Array, bias: Array | None) -> _Arithmetic:
    x, w, y = (stored(t) for t in (*setting.site.inputs[:2], setting.site.outputs[0]))
    a = setting.site.attributes
    bits, zero = int(a["accumulator"]), x.zero_point
    if weights.ndim == 2 and zero and (folded := _folded(setting, weights, bias)) is not None:
        bias, zero = folded, 0
    dropped = fraction_bits(w) if a["products"] == "truncated" else 0
    end = _finish(setting, low=max(y.low, y.zero_point) if setting.relu else y.low)
    return _Arithmetic(
        weights=weights,
        acc=f"int{bits}_t",
        zero=plus(-zero),
        start="0" if bias is None else "bias[$k]" if bias.dtype.itemsize * 8 <= bits else f"(int{bits}_t)bias[$k]",
        shift=f" >> {dropped}" if dropped else "",
        result=end.expression,
        stored={**({} if bias is None else {"bias": bias}), **end.stored},
        helpers=end.helpers,
    )


def _finish(setting: Setting, *, low: int) -> Finish:
    x, w, y = (stored(t) for t in (*setting.site.inputs[:2], setting.site.outputs[0]))
    a = setting.site.attributes
    if a["rounding"] == "float":
        return by_multiplier(rules.multipliers(x, w, y), y, low=low, prefix=setting.prefix)
    return by_shift(
        shifts(setting.site), y, rounding=a["rounding"], bits=a["accumulator"], low=low, prefix=setting.prefix
    )


def _folded(setting: Setting, weights: Array, bias: Array | None) -> Array | None:
    """The bias that takes over the input's zero point, b - z sum w, where no sum of plain x w can then overflow."""
    x = stored(setting.site.inputs[0])
    rows = weights.astype(np.int64)
    moved = -x.zero_point * rows.sum(axis=1) + (0 if bias is None else bias.astype(np.int64))
    reach = np.abs(rows).sum(axis=1) * max(-x.low, x.high) + np.abs(moved)
    fits = setting.site.attributes["products"] == "exact" and reach.max() < 2**31
    return moved.astype(np.int32) if fits else None
