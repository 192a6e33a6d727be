"""conv2d and linear in C: weights packed for blocks of eight output channels, sums held in a few named variables.

    for the channels of a block and Q_B neighbouring columns:
        a0 += x[q] * w;  a1 += x[q + 1] * w;  ...        for every input channel and tap

`w` and the sums are `lanes`: as many neighbouring channels as the target adds at once (`_c_lanes`), one where it has no
vectors. Nothing is left to a compiler's guess, and floating point is never reordered behind its back. Padding is not
read: taps outside the input are cut from the loops. Lanes beyond a short block hold the next tap's weights and
are not stored. An integer linear layer keeps its rows: a row times the input is what dot-product instructions do.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.export import _c_computed, _c_dots, _c_dots_conv, _c_sparse, _c_sparse_blocks, _c_sparse_conv
from lamina.export._c_codebook import Codes, encoded
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_lanes import Lanes, lanes
from lamina.export._c_sums import Sums, packed_sums
from lamina.export._c_text import ctype, fill, indent
from lamina.ir.network import Array
from lamina.ir.types import Float

BLOCK = 8  # channels whose weights lie side by side
_COLUMNS = 10  # most sums of a tile
_EDGE_CHAINS = 4  # sums of a column at an edge, for the same reason
_CHAINS = 8  # sums of a fully connected layer, so that additions need not wait for each other

_LINEAR = """\
/* neurons k0 .. k0 + $kb of one example */
static void ${name}_$kb(int k0, $params)
{
    for (int h = 0; h < $kb; h += $count) {
        $vec $zeros;
        int c = 0;
        for (; c + $chains <= $c; c += $chains) {
$steps
        }
        for (; c < $c; ++c) {
            a0 += x[c] * $load_rest;
        }
        a0 = $total;
        $acc sum[$count];
        memcpy(sum, &a0, sizeof sum);
        for (int l = 0; l < $count && h + l < $kb; ++l) {
            const int k = k0 + h + l;
            const $acc a = sum[l]$start;
            y[k] = $result;
        }
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
/* channels k0 + h and on at $title, taps [r0, r1) x [s0, s1) */
static void ${name}_${kb}_$qb(int k0, int h, int p, int q, int r0, int r1, int s0, int s1, $params)
{
    $acc sum[$qb][$count];
    for (int l = 0; l < $count; ++l) {
        sum[0][l] = $start;
    }
    $vec a0;
    memcpy(&a0, sum, sizeof a0);
$copies
$taps
$stores
    for (int l = 0; l < $count && h + l < $kb; ++l) {
        const int k = k0 + h + l;
        for (int t = 0; t < $qb; ++t) {
            const $acc a = sum[t][l];
            y[(k * $p + p) * $q + q + t] = $result;
        }
    }
}

"""

_TAPS = """\
for (int c = $from; c < $to; c += $by) {
    for (int r = r0; r < r1; ++r) {
        for (int s = s0; s < s1; ++s) {
            const int at = (c * $height + p * $sp - $top + r * $dr) * $width + q * $sq - $left + s * $ds;
            const $w_type *const from = w + ((c * $r + r) * $s + s) * $kb + h;
$steps
        }
    }
}
"""

_CONV_BLOCK = """\
static void ${name}_$kb(int k0, $params)
{
    for (int h = 0; h < $kb; h += $count) {
        for (int p = 0; p < $p; ++p) {
            const int top = p * $sp - $top;
            const int below = top < $height ? ($height - 1 - top) / $dr + 1 : 0;
            const int r0 = top < 0 ? (-top + $dr - 1) / $dr : 0;
            const int r1 = below < $r ? below : $r;
$columns
        }
    }
}
"""

_TILES = """\
for (int q = $first; q < $last; q += $qb) { /* the last tile may step back over columns that are done */
    ${name}_${kb}_$qb(k0, h, p, q + $qb <= $last ? q : $last - $qb, r0, r1, 0, $s, $args);
}
"""

_EDGE = """\
for (int q = $begin; q < $end; ++q) {
    const int left = q * $sq - $left;
    const int right = left < $width ? ($width - 1 - left) / $ds + 1 : 0;
    const int s0 = left < 0 ? (-left + $ds - 1) / $ds : 0;
    ${name}_${kb}_1(k0, h, p, q, r0, r1, s0, right < $s ? right : $s, $args);
}
"""

_BLOCKS = """\
for (int g = 0; g < $groups; ++g) {
    const $w_type *$w = $weight + g * $w_size;
    int k0 = g * $k;
$calls
}
"""


def conv2d(setting: Setting) -> Kernel:
    if any(array is None for array in setting.arrays[1:]):
        return _c_computed.conv2d(setting)
    if setting.site.inputs[1].sparse and (sparse := _c_sparse_conv.conv2d(setting)) is not None:
        return sparse
    if (dots := _c_dots_conv.conv2d(setting)) is not None:
        return dots
    x, y = setting.site.inputs[0], setting.site.outputs[0]
    arithmetic = packed_sums(setting)
    vector = lanes(arithmetic.acc, arithmetic.weights.dtype, setting.prefix)
    k, c, r, s = arithmetic.weights.shape
    p, q = y.shape[2:]
    height, width = x.shape[2:]
    a = setting.site.attributes
    (sp, sq), (dr, ds), (top, _, left, _), groups = a["stride"], a["dilation"], a["padding"], a["groups"]
    first = min(q, -(-left // sq))  # columns before it have taps left of the input
    last = max(first, min(q, (width - 1 - (s - 1) * ds + left) // sq + 1))
    qb = _even(last - first, _COLUMNS)
    params, args = _parameters(setting, arithmetic)
    places = {
        "name": setting.name, "params": params, "args": args, "acc": arithmetic.acc, "vec": vector.type,
        "count": vector.count, "c": c, "r": r, "s": s, "p": p, "q": q, "height": height, "width": width,
        "sp": sp, "sq": sq, "dr": dr, "ds": ds, "top": top, "left": left, "first": first, "last": last, "qb": qb,
    }  # fmt: skip
    edges = [(begin, end) for begin, end in ((0, first), (last, q)) if begin < end]
    used = sorted(({1} if edges else set()) | ({qb} if first < last else set()))
    before = [
        "".join(_span(arithmetic, vector, kb, {**places, "qb": n}) for n in used)
        + fill(_CONV_BLOCK, kb=kb, columns=indent(_columns(edges, kb, places), 12), **places)
        for kb in _blocks(k // groups)
    ]
    return _blocked(
        setting, arithmetic, vector, before, groups=groups, x_size=c * height * width, sums=max(used) * vector.most
    )


def _columns(edges: list[tuple[int, int]], kb: int, places: Mapping[str, object]) -> str:
    """The loops over the columns of a row: those inside in tiles, those at the edges one by one."""
    tiles = fill(_TILES, kb=kb, **places) if int(str(places["first"])) < int(str(places["last"])) else ""
    return tiles + "".join(fill(_EDGE, kb=kb, begin=begin, end=end, **places) for begin, end in edges)


def _span(arithmetic: Sums, vector: Lanes, kb: int, places: Mapping[str, object]) -> str:
    """The function of `qb` neighbouring columns."""
    qb, sq, start = int(str(places["qb"])), places["sq"], "0"
    if arithmetic.bias:
        start = f"h + l < {kb} ? {fill(arithmetic.bias, k='k0 + h + l')} : 0"
    stores = [f"memcpy(sum[{t}], &a{t}, sizeof a{t});" for t in range(qb)]
    copies = f"{vector.type} {', '.join(f'a{t} = a0' for t in range(1, qb))};" if qb > 1 else ""
    taps = _taps(arithmetic, vector, kb, [f"x[at + {t} * {sq}]" for t in range(qb)], places)
    if qb == 1 and int(str(places["c"])) >= _EDGE_CHAINS:
        copies, taps = _chained(arithmetic, vector, kb, places)
    title = f"row p and {qb} columns from q on" if qb > 1 else "row p, column q"
    return fill(
        _CONV, kb=kb, title=title, start=start, copies=indent(copies), taps=indent(taps.rstrip()),
        stores=indent("\n".join(stores)), result=arithmetic.result, **places,
    )  # fmt: skip


def _taps(arithmetic: Sums, vector: Lanes, kb: int, inputs: list[str], places: Mapping[str, object]) -> str:
    """The loop over channels and taps: each weight meets all `inputs`."""
    weight = f"const {vector.type} w_ = {vector.load('from')};"
    steps = [weight, *(f"a{t} += {arithmetic.product(arithmetic.load(x), 'w_')};" for t, x in enumerate(inputs))]
    return _loop(arithmetic, kb, places, steps, first=0, last=int(str(places["c"])), by=1)


def _chained(arithmetic: Sums, vector: Lanes, kb: int, places: Mapping[str, object]) -> tuple[str, str]:
    """A column alone: channels take turns at four sums, so that none waits for the one before."""
    whole = int(str(places["c"])) // _EDGE_CHAINS * _EDGE_CHAINS
    plane, weights = f"{places['height']} * {places['width']}", f"{places['r']} * {places['s']} * {kb}"

    def step(t: int) -> str:
        x, w = arithmetic.load(f"x[at + {t} * {plane}]"), vector.load(f"from + {t} * {weights}")
        return f"a{t} += {arithmetic.product(x, w)};"

    text = _loop(arithmetic, kb, places, [step(t) for t in range(_EDGE_CHAINS)], first=0, last=whole, by=_EDGE_CHAINS)
    if whole < int(str(places["c"])):
        text += _loop(arithmetic, kb, places, [step(0)], first=whole, last=int(str(places["c"])), by=1)
    zeros = f"{vector.type} {', '.join(f'a{t} = {{0}}' for t in range(1, _EDGE_CHAINS))};"
    return zeros, text + "a0 = (a0 + a1) + (a2 + a3);\n"


def _loop(
    arithmetic: Sums, kb: int, places: Mapping[str, object], steps: list[str], *, first: int, last: int, by: int
) -> str:
    values = {**places, "from": first, "to": last, "by": by, "kb": kb, "w_type": ctype(arithmetic.weights.dtype)}
    return fill(_TAPS, steps=indent("\n".join(steps), 12), **values)


def linear(setting: Setting) -> Kernel:
    if any(array is None for array in setting.arrays[1:]):
        return _c_computed.linear(setting)
    if setting.site.inputs[1].sparse:
        sparse = _c_sparse_blocks.linear(setting) or _c_sparse.linear(setting)
        if sparse is not None:
            return sparse
    if (dots := _c_dots.linear(setting)) is not None:
        return dots
    arithmetic = packed_sums(setting)
    if not isinstance(setting.site.inputs[0].element, Float):
        return _rows(setting, arithmetic)
    k, c = arithmetic.weights.shape
    vector = lanes(arithmetic.acc, arithmetic.weights.dtype, setting.prefix)
    params, _ = _parameters(setting, arithmetic)
    chains = min(_CHAINS, c)
    before = [
        fill(
            _LINEAR, name=setting.name, kb=kb, params=params, acc=arithmetic.acc, vec=vector.type, count=vector.count,
            chains=chains, c=c, result=arithmetic.result, load_rest=vector.load(f"w + c * {kb} + h"),
            zeros=", ".join(f"a{i} = {{0}}" for i in range(chains)),
            steps=indent("\n".join(
                f"a{i} += x[c + {i}] * {vector.load(f'w + (c + {i}) * {kb} + h')};" for i in range(chains)
            ), 12),
            total=_tree([f"a{i}" for i in range(chains)]),
            start=f" + {fill(arithmetic.bias, k='k')}" if arithmetic.bias else "",
        )
        for kb in _blocks(k)
    ]  # fmt: skip
    return _blocked(setting, arithmetic, vector, before, groups=1, x_size=c, sums=vector.most)


def _rows(setting: Setting, arithmetic: Sums) -> Kernel:
    k, c = arithmetic.weights.shape
    body = fill(
        _ROWS, n=setting.site.outputs[0].size // k, k=k, c=c, acc=arithmetic.acc,
        start=fill(arithmetic.bias, k="k") or "0", load=arithmetic.load("x[c]"),
        product=arithmetic.product("v", "w[c]"), result=arithmetic.result,
        x_type=ctype(setting.site.inputs[0].element.storage), w_type=ctype(arithmetic.weights.dtype),
    )  # fmt: skip
    tables = {"weight": arithmetic.weights, **arithmetic.stored}
    return Kernel(reads=(0,), body=body, stored=tables, helpers=arithmetic.helpers)


def _tree(terms: list[str]) -> str:
    """The sum of `terms` in pairs: short chains, small errors."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_tree(terms[:half])} + {_tree(terms[half:])})"


def _even(columns: int, most: int) -> int:
    """At most `most` columns at once, in as few and even tiles as that allows."""
    tiles = -(-columns // most)
    return -(-columns // tiles) if tiles else 1


def _blocks(k: int) -> list[int]:
    """Sizes of the blocks of `k` channels: the full one, and what remains."""
    return [size for size in (BLOCK if k >= BLOCK else 0, k % BLOCK) if size]


def _blocked(
    setting: Setting, arithmetic: Sums, vector: Lanes, before: list[str], *, groups: int, x_size: int, sums: int
) -> Kernel:
    """The loops over groups, blocks and examples that call the functions `before`; weights are read once for all."""
    weights, y = arithmetic.weights, setting.site.outputs[0]
    k, taps = len(weights) // groups, weights[0].size
    n = setting.site.inputs[0].size // (groups * x_size)
    x_place = f"x0 + (n * {groups} + g) * {x_size}"
    _, args = _parameters(setting, arithmetic, x=x_place, y=f"y + n * {y.size // n}")
    blocks = _packed(weights, groups)
    coded = setting.site.inputs[1].codebook_bits is not None
    codes = encoded(blocks) if coded else None
    calls = [_calls(setting.name, args, n, size, k // size if size == BLOCK else 1, taps, codes) for size in _blocks(k)]
    tables = {"weight": np.concatenate([*blocks, np.zeros(vector.most - 1, weights.dtype)])}
    scratch: dict[str, tuple[Any, int]] = {}
    w_size = k * taps
    if codes is not None:
        tables, w_size = {"code": codes.code, "book": codes.book}, sum(codes.bytes(b.size) for b in blocks) // groups
        scratch = {"block": (weights.dtype, max(_blocks(k)) * taps + vector.most - 1)}
    body = fill(
        _BLOCKS, groups=groups, w_size=w_size, k=k, calls=indent("\n".join(calls)),
        w_type=ctype(weights.dtype) if codes is None else "uint8_t",
        w="w" if codes is None else "codes", weight="weight" if codes is None else "code",
    )  # fmt: skip
    return Kernel(
        reads=(0,),
        body=body,
        stored={**tables, **arithmetic.stored},
        scratch=scratch,
        before="\n".join(before),
        helpers=(*vector.helpers, *arithmetic.helpers),
        stack_bytes=sums * (8 if arithmetic.acc in ("int64_t", "double") else 4),
    )


def _calls(name: str, args: str, n: int, size: int, count: int, taps: int, codes: Codes | None) -> str:
    """The loops over `count` blocks of `size` channels and n examples; `codes` are decoded before the examples."""
    step, decoded = f"w += {size * taps}", ""
    if codes is not None:
        step, decoded = f"codes += {codes.bytes(size * taps)}", f"{codes.decode(size * taps)}\n"
        args = args.replace(" w,", " block,", 1)
    examples = f"{decoded}for (int n = 0; n < {n}; ++n) {{\n    {name}_{size}(k0, {args});\n}}"
    return f"for (int b = 0; b < {count}; ++b, k0 += {size}, {step}) {{\n{indent(examples)}\n}}"


def _packed(weights: Array, groups: int) -> list[Array]:
    """[k, ...] as blocks of channels side by side."""
    parts = []
    for group in np.split(weights.reshape(len(weights), -1), groups):
        parts += [group[at : at + BLOCK].T.ravel() for at in range(0, len(group), BLOCK)]
    return parts


def _parameters(setting: Setting, arithmetic: Sums, *, x: str = "x", y: str = "y") -> tuple[str, str]:
    """Parameters and arguments of a block's function: input, packed weights, tables, result."""
    x_type, y_type = (ctype(t.element.storage) for t in (setting.site.inputs[0], setting.site.outputs[0]))
    names = [("x", x_type), ("w", ctype(arithmetic.weights.dtype))]
    names += [(name, ctype(data.dtype)) for name, data in arithmetic.stored.items()]
    params = [f"const {kind} *restrict {name}" for name, kind in names]
    return ", ".join([*params, f"{y_type} *restrict y"]), ", ".join([x, *(name for name, _ in names[1:]), y])
