"""Element by element with broadcasting, in C: arithmetic, comparisons, truth values, and the choice between two.

    y[i] = f(x0[a], x1[b])        one loop where shapes are equal, else one for each axis; strides are constants

Floats use C's operators and libm. Plain integers (`INDEX`, scale 1) use int64; what C leaves undefined there (division
by zero, the lowest number by -1) goes through helpers. Quantised integers are rescaled or requantised as
`docs/integers.md` says: each operand of a sum once, a product once.
"""

from collections.abc import Callable

from lamina.export._c_activations import bounded
from lamina.export._c_kernel import Kernel, Setting, kind
from lamina.export._c_loops import contiguous, nest, repeated
from lamina.export._c_requantise import centred_reach, plus, product, rescaled, saturated
from lamina.ir.integers import Quantised
from lamina.ir.operators._table import stored
from lamina.ir.types import INDEX

# operator -> expression in a and b; {f} is libm's suffix
_FLOATS = {
    "add": "{a} + {b}",
    "subtract": "{a} - {b}",
    "multiply": "{a} * {b}",
    "divide": "{a} / {b}",
    "power": "pow{f}({a}, {b})",
}
_COMPARED = {"equal": "==", "less": "<", "less_or_equal": "<=", "greater": ">", "greater_or_equal": ">="}
_LOGICAL = {"logical_and": "&", "logical_or": "|", "logical_xor": "^"}
_PLAIN = {"divide": "quotient", "power": "power64"}  # helpers of plain integers


def arithmetic(setting: Setting, name: str) -> Kernel:
    """add, subtract, multiply, divide, power."""
    if setting.is_float:
        f = "" if setting.kind == "double" else "f"
        return _loops(setting, lambda a, b: bounded(setting, _FLOATS[name].format(a=a, b=b, f=f)))
    if name in _PLAIN:
        return _plain(setting, _PLAIN[name])
    if name == "multiply":
        return _product(setting)
    return _sum(setting, "-" if name == "subtract" else "+")


def remainder(setting: Setting) -> Kernel:
    """The sign is the divisor's or the dividend's."""
    by_divisor = setting.site.attributes["sign"] == "divisor"
    if setting.is_float:
        f = "" if setting.kind == "double" else "f"
        if not by_divisor:
            return _loops(setting, lambda a, b: f"fmod{f}({a}, {b})")
        helper = "remainder32" if f else "remainder64"
        return _loops(setting, lambda a, b: f"{setting.prefix}_{helper}({a}, {b})", (helper,))
    return _plain(setting, "modulo" if by_divisor else "remains")


def extreme(setting: Setting, comparison: str) -> Kernel:
    """minimum and maximum, of stored numbers."""
    return _loops(setting, lambda a, b: f"{a} {comparison} {b} ? {a} : {b}")


def compared(setting: Setting, name: str) -> Kernel:
    """Comparisons, of stored numbers."""
    return _loops(setting, lambda a, b: f"(uint8_t)({a} {_COMPARED[name]} {b})")


def logical(setting: Setting, name: str) -> Kernel:
    """Of truth values, 0 and 1."""
    return _loops(setting, lambda a, b: f"(uint8_t)({a} {_LOGICAL[name]} {b})")


def where(setting: Setting) -> Kernel:
    return _loops(setting, lambda c, a, b: f"{c} ? {a} : {b}")


def _plain(setting: Setting, helper: str) -> Kernel:
    """Arithmetic of plain integers (scale 1) through a helper that is defined for every pair."""
    return _loops(setting, lambda a, b: f"({kind(setting.y)}){setting.prefix}_{helper}({a}, {b})", (helper,))


def _sum(setting: Setting, sign: str) -> Kernel:
    """Both operands rescaled to the result's scale, rounded once each, then added and clipped."""
    operands, y = [stored(t) for t in setting.site.inputs], stored(setting.y)
    if {*operands, y} == {INDEX}:
        helper = "plus64" if sign == "+" else "minus64"
        return _loops(setting, lambda a, b: f"{setting.prefix}_{helper}({a}, {b})", (helper,))
    rounding, prefix = str(setting.site.attributes["rounding"]), setting.prefix
    sums = [
        rescaled(_centred("@", e), e, y, rounding=rounding, divisor=1, prefix=prefix, reach=centred_reach(e))
        for e in operands
    ]
    bits = max(rounded.bits for rounded in sums)
    _, clipping = saturated("", y, prefix, bits=bits)

    def value(a: str, b: str) -> str:
        first, second = (r.text.replace("@", place) for r, place in zip(sums, (a, b), strict=True))
        return saturated(f"{first} {sign} {second}", y, prefix, setting.bounds, bits=bits)[0]

    return _loops(setting, value, (*sums[0].helpers, *sums[1].helpers, *clipping))


def _centred(place: str, element: Quantised) -> str:
    """The centred integer at `place`."""
    return f"(({'int64_t' if element.bits > 16 else 'int32_t'}){place}{plus(-element.zero_point)})"


def _product(setting: Setting) -> Kernel:
    """The product of centred integers, requantised once."""
    a_type, b_type, y = stored(setting.x), stored(setting.site.inputs[1]), stored(setting.y)
    if {a_type, b_type, y} == {INDEX}:
        return _loops(setting, lambda a, b: f"{setting.prefix}_times64({a}, {b})", ("times64",))
    reach = centred_reach(a_type) * centred_reach(b_type)
    wide = "int32_t" if reach < 2**31 else "int64_t"
    rounded = product("@", a_type, b_type, y, str(setting.site.attributes["rounding"]), setting.prefix, reach)
    _, clipping = saturated("", y, setting.prefix, bits=rounded.bits)

    def value(a: str, b: str) -> str:
        centred = f"(({wide}){a}{plus(-a_type.zero_point)}) * (({wide}){b}{plus(-b_type.zero_point)})"
        text = rounded.text.replace("@", f"({centred})")
        return saturated(text, y, setting.prefix, setting.bounds, bits=rounded.bits)[0]

    return _loops(setting, value, (*rounded.helpers, *clipping))


def _loops(setting: Setting, value: Callable[..., str], helpers: tuple[str, ...] = ()) -> Kernel:
    """`y[i] = value(x0[...], x1[...], ...)` for every number of the result."""
    shape = setting.y.shape
    walks = [contiguous(shape), *(repeated(t.shape, shape) for t in setting.site.inputs)]

    def statement(y: str, *places: str) -> str:
        return f"y[{y}] = {value(*(f'x{at}[{place}]' for at, place in enumerate(places)))};"

    return Kernel(reads=tuple(range(len(setting.site.inputs))), body=nest(shape, walks, statement), helpers=helpers)
