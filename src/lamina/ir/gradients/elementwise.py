"""Gradients of two values element by element; each is summed over the axes along which its operand was broadcast.

    multiply  g y, g x      divide  g/y, -g z/y      power  g b z/a …, g z log a      maximum, minimum  g to the chosen

Where both operands of a maximum are equal, each takes half, as in torch. log a is taken where a > 0 alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.ir.gradients._term import Term, one

if TYPE_CHECKING:
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]


@one
def add(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g for both."""
    return [g.to(x[0].shape), g.to(x[1].shape)]


@one
def subtract(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g and -g."""
    return [g.to(x[0].shape), -g.to(x[1].shape)]


@one
def multiply(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g times the other operand."""
    return [(g * x[1]).to(x[0].shape), (g * x[0]).to(x[1].shape)]


@one
def divide(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """y = a / b: g / b, and -g y / b."""
    share = g / x[1]
    return [share.to(x[0].shape), -(share * y).to(x[1].shape)]


@one
def power(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """y = a^b: g b a^(b-1), and g y log a where a > 0."""
    base, exponent = x
    still = exponent.equals(0.0)  # a^0 is 1 everywhere, and 0 · 0^-1 is no number
    over = g * exponent * still.where(base.of(1.0), base ** (exponent - 1))
    known = base > 0
    logarithm = known.where(known.where(base, 1.0).emit("log"), 0.0)
    return [over.to(base.shape), (g * y * logarithm).to(exponent.shape)]


@one
def remainder(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """y = a - b k, k whole."""
    whole = ((x[0] - y) / x[1]).emit("round")
    return [g.to(x[0].shape), -(g * whole).to(x[1].shape)]


@one
def extreme(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of minimum and maximum."""
    half = x[0].equals(x[1]).where(g * 0.5, g)
    return [x[0].equals(y).where(half, 0.0).to(x[0].shape), x[1].equals(y).where(half, 0.0).to(x[1].shape)]


@one
def where(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g where the condition holds, and where it does not."""
    zero = g.of(0.0)
    return [None, x[0].where(g, zero).to(x[1].shape), x[0].where(zero, g).to(x[2].shape)]
