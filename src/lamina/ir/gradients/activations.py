"""Derivatives of activations: f'(x), written with y = f(x) where that is shorter.

    tanh 1 - y²    sigmoid y (1 - y)    erf 2/√π e^-x²    gelu Φ(x) + x φ(x)    softplus σ(x)    silu σ + y (1 - σ)

At a kink the derivative is torch's: relu 0 at 0, leaky_relu its slope, clip 1 at both bounds, absolute 0.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING

from lamina.ir.gradients._term import Term, flat, masked, slope

if TYPE_CHECKING:
    from lamina.ir.operators._table import Attributes


def _gelu(x: Term, y: Term, a: Attributes) -> Term:
    square = x * x
    if a["approximate"] == "tanh":
        root = sqrt(2 / pi)
        t = (x * (square * (root * 0.044715) + root)).emit("tanh")
        return (t + 1) * 0.5 + x * (1 - t * t) * (square * (1.5 * root * 0.044715) + 0.5 * root)
    below = ((x * sqrt(0.5)).emit("erf") + 1) * 0.5
    return below + x * (square * -0.5).emit("exp") * (1 / sqrt(2 * pi))


def _elu(x: Term, y: Term, a: Attributes) -> Term:
    return (x > 0).where(x.of(1.0).expand(x.shape), y + a["alpha"])


def _selu(x: Term, y: Term, a: Attributes) -> Term:
    return (x > 0).where(x.of(a["gamma"]).expand(x.shape), y + a["alpha"] * a["gamma"])


def _silu(x: Term, y: Term, a: Attributes) -> Term:
    s = x.emit("sigmoid")
    return s + y * (1 - s)


def _softsign(x: Term, y: Term, a: Attributes) -> Term:
    root = 1 - y.emit("absolute")  # 1 / (1 + |x|)
    return root * root


def _leaky(x: Term, y: Term, a: Attributes) -> Term:
    below = float(a["slope"])
    return (x > 0).number(x) * (1 - below) + below


def _hard_sigmoid(x: Term, y: Term, a: Attributes) -> Term:
    return (y > 0).emit("logical_and", y < 1).number(x) * float(a["alpha"])


relu = masked(lambda x, y, a: y > 0)
clip = masked(
    lambda x, y, a: x.emit("greater_or_equal", a["low"]).emit("logical_and", x.emit("less_or_equal", a["high"]))
)
tanh = slope(lambda x, y, a: 1 - y * y)
sigmoid = slope(lambda x, y, a: y * (1 - y))
exp = slope(lambda x, y, a: y)
log = slope(lambda x, y, a: 1 / x)
sqrt_ = slope(lambda x, y, a: 0.5 / y)
reciprocal = slope(lambda x, y, a: -(y * y))
negate = slope(lambda x, y, a: x.of(-1.0))
absolute = slope(lambda x, y, a: x.emit("sign"))
erf = slope(lambda x, y, a: (-(x * x)).emit("exp") * (2 / sqrt(pi)))
sin = slope(lambda x, y, a: x.emit("cos"))
cos = slope(lambda x, y, a: -x.emit("sin"))
tan = slope(lambda x, y, a: y * y + 1)
asin = slope(lambda x, y, a: 1 / (1 - x * x).emit("sqrt"))
acos = slope(lambda x, y, a: -1 / (1 - x * x).emit("sqrt"))
atan = slope(lambda x, y, a: 1 / (x * x + 1))
sinh = slope(lambda x, y, a: x.emit("cosh"))
cosh = slope(lambda x, y, a: x.emit("sinh"))
asinh = slope(lambda x, y, a: 1 / (x * x + 1).emit("sqrt"))
acosh = slope(lambda x, y, a: 1 / (x * x - 1).emit("sqrt"))
atanh = slope(lambda x, y, a: 1 / (1 - x * x))
softplus = slope(lambda x, y, a: x.emit("sigmoid"))
softsign = slope(_softsign)
silu = slope(_silu)
gelu = slope(_gelu)
elu = slope(_elu)
selu = slope(_selu)
leaky_relu = slope(_leaky)
hard_sigmoid = slope(_hard_sigmoid)
steps = flat  # floor, ceil, round, sign
