"""Element by element in C: activations, addition with broadcasting, the normalised exponentials, and the codings.

relu tanh sigmoid       y[i] = f(x[i])                        in place where the memory plan says so
quantise dequantise     y[i] = clip(rint(x[i] / s) + z)       and s (x[i] - z)
lookup                  y[i] = table[x[i] - low]
piecewise_linear        the last segment whose start is <= x[i]
softmax, log_softmax    along one axis, the maximum subtracted first
add                     one loop where shapes are equal, else one per axis
"""

from collections.abc import Mapping

from lamina.core.errors import Unsupported
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import clipped, nearest, plus, rescaled, saturated
from lamina.export._c_text import ctype, fill, indent, real, whole
from lamina.ir.network import Array
from lamina.ir.operators._table import stored
from lamina.ir.types import Fixed, Float

_EACH = """\
for (int i = 0; i < $n; ++i) {
    const $x_type v = $x[i];
    y[i] = $value;
}
"""
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


def relu(setting: Setting) -> Kernel:
    x = setting.site.inputs[0].element
    zero = "0" if isinstance(x, Float) else whole(x.zero_point)
    return _each(setting, f"v < {zero} ? {zero} : v")


def tanh(setting: Setting) -> Kernel:
    if ctype(setting.site.inputs[0].element.storage) == "double":
        return _each(setting, "tanh(v)")
    return _each(setting, f"{setting.prefix}_tanh32(v)", helpers=("tanh32",))


def sigmoid(setting: Setting) -> Kernel:
    one = real(1, ctype(setting.site.inputs[0].element.storage))
    return _each(setting, f"{one} / ({one} + exp{_suffix(setting)}(-v))")


def quantise(setting: Setting) -> Kernel:
    y = stored(setting.site.outputs[0])
    value, helpers = nearest(f"(float)v / {real(y.scale[0])}", y, low=y.low, prefix=setting.prefix)
    return _each(setting, value, helpers=helpers)


def dequantise(setting: Setting) -> Kernel:
    x = stored(setting.site.inputs[0])
    centred = f"((int64_t)v{plus(-x.zero_point)})" if x.bits > 16 else f"((int32_t)v{plus(-x.zero_point)})"
    return _each(setting, f"(float){centred} * {real(x.scale[0])}")


def lookup(setting: Setting) -> Kernel:
    x = stored(setting.site.inputs[0])
    table = setting.arrays[1]
    if table is None:
        raise Unsupported(f"{setting.name}: a table that the network computes: exported C takes it from a constant")
    return _each(setting, f"table[v{plus(-x.low)}]", stored={"table": table})


def piecewise_linear(setting: Setting) -> Kernel:
    x = setting.site.inputs[0].element
    assert isinstance(x, Fixed)
    starts, slopes, intercepts = setting.arrays[1:]
    if starts is None or slopes is None or intercepts is None:
        raise Unsupported(f"{setting.name}: segments that the network computes: exported C takes them from constants")
    width = 32 if x.bits <= 16 else 64
    line = f"((slopes[segment] * v) >> {x.fraction_bits}) + intercepts[segment]"
    body = fill(
        _SEGMENTS, n=setting.site.outputs[0].size, x=_source(setting), wide=f"int{width}_t", last=len(starts) - 1,
        value=clipped(line, x, width=width, low=x.low, prefix=setting.prefix),
    )  # fmt: skip
    tables = {"starts": starts, "slopes": slopes, "intercepts": intercepts}
    return Kernel(reads=(0,), body=body, stored=tables, helpers=(f"clip{width}",))


def softmax(setting: Setting) -> Kernel:
    return _normalised(setting, *_SOFTMAX)


def log_softmax(setting: Setting) -> Kernel:
    return _normalised(setting, *_LOG_SOFTMAX)


def add(setting: Setting) -> Kernel:
    a, b, y = (t.element for t in (*setting.site.inputs, *setting.site.outputs))
    value = "x0[$a] + x1[$b]"
    helpers: tuple[str, ...] = ()
    if not (isinstance(a, Float) or isinstance(b, Float) or isinstance(y, Float)):
        sums, helpers = [], ("clip64",)
        for element, place in ((a, "x0[$a]"), (b, "x1[$b]")):
            kind = "int64_t" if element.bits > 16 else "int32_t"
            centred = f"(({kind}){place}{plus(-element.zero_point)})"
            rounding = setting.site.attributes["rounding"]
            text, more = rescaled(centred, element, y, rounding=rounding, divisor=1, prefix=setting.prefix)
            sums.append(text)
            helpers += more
        value = saturated(" + ".join(sums), y, setting.prefix)
    return Kernel(reads=(0, 1), body=_broadcast(setting, value), helpers=helpers)


def _broadcast(setting: Setting, value: str) -> str:
    """A loop per axis of the result; neighbouring axes that both operands walk alike are one loop."""
    shape = setting.site.outputs[0].shape
    walks = [_strides(t.shape, shape) for t in setting.site.inputs]
    loops: list[tuple[int, int, int]] = []  # count, stride of either operand
    for axis in reversed(range(len(shape))):
        count, steps = shape[axis], (walks[0][axis], walks[1][axis])
        if count == 1:
            continue
        if loops and all(step == loops[-1][0] * inner for step, inner in zip(steps, loops[-1][1:], strict=True)):
            loops[-1] = (loops[-1][0] * count, *loops[-1][1:])
        else:
            loops.append((count, *steps))
    loops = loops[::-1] or [(1, 0, 0)]
    names = [f"i{at}" for at in range(len(loops))]
    places = [" + ".join(f"{n} * {loop[o]}" for n, loop in zip(names, loops, strict=True) if loop[o]) or "0"
              for o in (1, 2)]  # fmt: skip
    index = names[0]
    for name, (count, *_) in zip(names[1:], loops[1:], strict=True):
        index = f"({index}) * {count} + {name}"
    text = f"y[{index}] = {fill(value, a=places[0], b=places[1])};"
    for name, (count, *_) in zip(reversed(names), reversed(loops), strict=True):
        text = f"for (int {name} = 0; {name} < {count}; ++{name}) {{\n{indent(text)}\n}}"
    return text


def _strides(of: tuple[int, ...], to: tuple[int, ...]) -> list[int]:
    """How far an operand of shape `of` moves along each axis of `to`; 0 where it is repeated."""
    steps, size = [0] * len(to), 1
    for back, count in enumerate(reversed(of), start=1):
        steps[-back] = size if count > 1 else 0
        size *= count
    return steps


def _each(
    setting: Setting, value: str, *, stored: Mapping[str, Array] | None = None, helpers: tuple[str, ...] = ()
) -> Kernel:
    x, y = setting.site.inputs[0], setting.site.outputs[0]
    body = fill(_EACH, n=y.size, x_type=ctype(x.element.storage), x=_source(setting), value=value)
    return Kernel(reads=(0,), body=body, stored=stored or {}, helpers=helpers)


def _normalised(setting: Setting, each: str, last: str) -> Kernel:
    shape, axis = setting.site.inputs[0].shape, setting.site.attributes["axis"]
    axis %= len(shape)
    outer, count, inner = _product(shape[:axis]), shape[axis], _product(shape[axis + 1 :])
    places = {"inner": inner, "count": count, "f": _suffix(setting)}
    body = fill(
        _NORMALISED, outer=outer, step=count * inner, type=ctype(setting.site.inputs[0].element.storage),
        x=_source(setting), each=indent(fill(each, **places), 12), last=indent(fill(last, **places), 8), **places,
    )  # fmt: skip
    return Kernel(reads=(0,), body=body)


def _source(setting: Setting) -> str:
    return "y" if setting.in_place else "x0"


def _suffix(setting: Setting) -> str:
    return "" if ctype(setting.site.inputs[0].element.storage) == "double" else "f"


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
