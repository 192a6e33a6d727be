"""What chips cost: wafers by node, dies on a wafer, yield, package, and the one-time cost of a design; dollars of 2020.

    dies on a wafer = pi (d/2)^2 / A - pi d / sqrt(2 A)        d = 300 mm, A: area of a die
    yield           = exp(-A D)                                D: defects a square metre (Poisson)
    price           = wafer / (dies x yield) + package and test

Prices are estimates of analysts, the rest is assumed: enough for orders of magnitude, not for a quotation. Left out:
wafer sort, volume discounts, the foundry's minimum order.

Sources   Khan, Mann, "AI chips: what they are and why they matter", CSET 2020, table 9,
          https://doi.org/10.51593/20190014; Gartner and IBS as quoted by SemiEngineering
"""

from math import exp, pi, sqrt

from lamina.core.errors import BadInput
from lamina.core.units import cm2, mm2, nm
from lamina.hw.cost import Mark
from lamina.hw.power_law import power_law

WAFER_DOLLARS = {7: 9346.0, 10: 5992.0, 16: 3984.0, 28: 2891.0, 40: 2274.0, 65: 1937.0, 90: 1650.0}  # by node in nm
DESIGN_DOLLARS = {7: 271e6, 16: 80e6, 28: 30e6, 65: 10e6}  # masks included
WAFER_M = 0.3
DEFECTS_PER_M2 = 0.1 / cm2
PACKAGE_DOLLARS = 5.0
LARGEST_DIE_M2 = 600 * mm2
CONSTANTS = {
    "WAFER_DOLLARS": ("price_wafer",),
    "DESIGN_DOLLARS": ("price_design",),
    "WAFER_M": ("price_wafer",),
    "DEFECTS_PER_M2": ("price_defects",),
    "PACKAGE_DOLLARS": ("price_package",),
    "LARGEST_DIE_M2": ("price_reticle",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "price_wafer": ("unverified", "CSET 2020, table 9: 90, 16, 10, 7 nm as reported in public, 65, 40, 28 nm recalled"),
    "price_design": ("unverified", "Gartner as quoted in public: $30 M at 28 nm, 80 at 16, 271 at 7; 65 nm assumed"),
    "price_defects": ("assumed", "0.1 defects a square centimetre: a mature process"),
    "price_package": ("assumed", "a plain ball-grid array and its test"),
    "price_reticle": ("assumed", "what one exposure allows, with some distance"),
}


def design_dollars(node_m: float) -> float:
    """One-time cost of a chip at `node_m` metres, by a power law between the nodes; `BadInput` out of range."""
    return _by_node(DESIGN_DOLLARS, node_m)


def chip_dollars(area_m2: float, node_m: float) -> float:
    """Price of one packaged chip of `area_m2` at `node_m` metres; larger ones than an exposure are cut into several."""
    if not 0 < area_m2 < float("inf"):
        raise BadInput(f"chip of {area_m2} m2: a positive area is needed")
    chips = max(1.0, area_m2 / LARGEST_DIE_M2)
    die = area_m2 / chips
    dies = pi * (WAFER_M / 2) ** 2 / die - pi * WAFER_M / sqrt(2 * die)
    return chips * (_by_node(WAFER_DOLLARS, node_m) / dies / exp(-die * DEFECTS_PER_M2) + PACKAGE_DOLLARS)


def _by_node(table: dict[int, float], node_m: float) -> float:
    size = node_m / nm
    if not min(table) * (1 - 1e-9) <= size <= max(table) * (1 + 1e-9):
        raise BadInput(f"node {size:g} nm: prices are known from {min(table)} to {max(table)} nm")
    return power_law(size, sorted(table.items()))
