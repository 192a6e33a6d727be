"""Gradients of reductions.

sum   g everywhere      mean   g / count      max, min   g shared by the equals      cumulative_sum   summed back
product   g times the product of the others, which is right where one or more of them are 0
top_k     g of the values at the places that they came from
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.ir.gradients._term import Term, one, several, size_of

if TYPE_CHECKING:
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]


def _kept(site: Site, term: Term) -> Term:
    """A reduced value with its axes again, as 1."""
    axes = site.attributes["axes"]
    return term.reshape([1 if axis in axes else size for axis, size in enumerate(site.inputs[0].shape)])


@one
def sum_(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g everywhere."""
    return [_kept(site, g).expand(x[0].shape)]


@one
def mean(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g / count everywhere."""
    count = size_of(x[0].shape, site.attributes["axes"])
    return [(_kept(site, g) * (1 / count)).expand(x[0].shape)]


@one
def extreme(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of reduce_max and reduce_min."""
    chosen = x[0].equals(_kept(site, y)).number(x[0])
    return [chosen * (_kept(site, g) / chosen.sum(site.attributes["axes"], keep=True))]


@one
def product(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g times the product of the others."""
    axes, value = site.attributes["axes"], x[0]
    zero = value.equals(0.0)
    safe = zero.where(value.of(1.0), value)
    others = safe.emit("reduce_product", axes=axes, keep=True) / safe  # leaves out all zeros
    count = zero.number(value).sum(axes, keep=True) - zero.number(value)  # zeros among the others
    return [count.equals(0.0).where(others, 0.0) * _kept(site, g)]


@one
def cumulative_sum(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """The running sum of g from the other end."""
    a = site.attributes
    return [g.emit("cumulative_sum", axis=a["axis"], exclusive=a["exclusive"], reverse=not a["reverse"])]


@several
def top_k(site: Site, x: list[Term], y: list[Term], g: list[Term | None]) -> Terms:
    """g at the places that were chosen."""
    if g[0] is None:
        return [None]
    return [g[0].zeros(x[0].shape).emit("scatter_elements", y[1], g[0], axis=site.attributes["axis"])]
