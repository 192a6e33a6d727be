"""Gradients of normalisations.

    batch_norm   dx = g a, a = scale / √(var + ε);  d mean = -Σ g a;  d var = -½ Σ g (x - mean) a / (var + ε)
    layer_norm   dx = (h - mean h - x̂ mean(h x̂)) / σ,  h = g scale       (Ba et al., 2016)
    lrn          dx = g d^-β - 2 β α/size x S'(g x d^(-β-1)),  d = k + α/size S(x²), S' the window turned round
    softmax      dx = y (g - Σ g y)          log_softmax   dx = g - e^y Σ g

Statistics that are themselves computed from x (training) get their share through d mean and d var.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.ir.gradients._term import Term, one

if TYPE_CHECKING:
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]


@one
def batch_norm(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of all five operands."""
    value, *others = x
    channels = value.shape[1]
    along = (1, channels, *[1] * (len(value.shape) - 2))
    scale, _, mean, variance = (term.reshape(along) for term in others)
    axes = [axis for axis in range(len(value.shape)) if axis != 1]
    spread = variance + site.attributes["epsilon"]
    inverse = 1 / spread.emit("sqrt")
    normal = (value - mean) * inverse
    sums, products = g.sum(axes, keep=True), (g * normal).sum(axes, keep=True)
    factor = scale * inverse
    found = [g * factor, products, sums, -(sums * factor), products * scale / spread * -0.5]
    return [found[0], *(term.reshape((channels,)) for term in found[1:])]


@one
def layer_norm(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of x, and of scale and bias where they are given."""
    value = x[0]
    first = site.attributes["axis"] % len(value.shape)
    axes, others = range(first, len(value.shape)), range(first)
    centred = value - value.mean(axes)
    inverse = 1 / ((centred * centred).mean(axes) + site.attributes["epsilon"]).emit("sqrt")
    normal = centred * inverse
    h = g * x[1] if len(x) > 1 else g
    found: Terms = [(h - h.mean(axes) - normal * (h * normal).mean(axes)) * inverse]
    return [*found, *[(g * normal).sum(others), g.sum(others)][: len(x) - 1]]


@one
def lrn(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """The window turned round brings back what each channel gave to its neighbours."""
    value, a = x[0], site.attributes
    n, channels = value.shape[:2]
    place = np.arange(channels)
    away = place[None, :] - place[:, None]  # [to, from]
    before = (a["size"] - 1) // 2
    band = ((-before <= away) & (away < a["size"] - before)).astype(np.float64)

    def summed(term: Term, window: np.ndarray) -> Term:
        """Sums over the channels that `window` [to, from] names."""
        flat = term.reshape((n, channels, -1, 1))
        kernel = value.constant(window.reshape(channels, channels, 1, 1))
        return flat.emit("conv2d", kernel).reshape(value.shape)

    base = summed(value * value, band) * (a["alpha"] / a["size"]) + a["k"]
    share = g * base ** -a["beta"]
    back = summed(share * value / base, band.T)
    return [share - value * back * (2 * a["beta"] * a["alpha"] / a["size"])]


def _axis(site: Site) -> list[int]:
    return [site.attributes["axis"] % len(site.inputs[0].shape)]


@one
def softmax(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """y (g - sum g y)."""
    return [y * (g - (g * y).sum(_axis(site), keep=True))]


@one
def log_softmax(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g - e^y sum g."""
    return [g - y.emit("exp") * g.sum(_axis(site), keep=True)]
