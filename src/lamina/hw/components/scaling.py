"""From node to node: energy, delay and area of the same logic; left out: low-power transistors, SRAM cells, wires.

    energy(from, to) = e(to, V) / e(from, V'),   e(node, V) = a V^2 + b V + c        likewise delay, a cubic in V
    area(from, to)   = area of a circuit at `to` / its area at `from`

The polynomials were fitted by their authors to SPICE runs of inverters with predictive models; voltages are the
models' nominal ones unless given. Between two nodes the logarithm is interpolated over the logarithm of the node.
Where two planar and FinFET models meet, the fits are not smooth: 20 nm comes out a little slower than 32 nm.

Source    Stillmaker, Baas, Integration 58, 2017, p. 74-81, https://doi.org/10.1016/j.vlsi.2017.02.002; the figures as
          transcribed in two public programs that cite it (nodeScale, hwcomponents), which agree where both have them
"""

from bisect import bisect_right
from collections.abc import Callable

from lamina.core.errors import BadInput
from lamina.core.units import nm
from lamina.hw.cost import Mark
from lamina.hw.power_law import power_law

_SOURCE = "Stillmaker and Baas, Integration 58, 2017, as transcribed in nodeScale"
# node: volts, coefficients of the energy from V^2 down, coefficients of the delay from V^3 down, area relative to 7 nm
NODES = {
    180: (1.8, (0.0, 24.64, -17.98), (0.0, 97.09, -356.7, 406.5), 320.0),
    130: (1.3, (7.171, -6.709, 2.904), (-76.65, 334.9, -493.4, 275.8), 110.0),
    90: (1.2, (4.762, -4.781, 2.092), (-60.34, 262.5, -384.2, 210.9), 48.0),
    65: (1.1, (3.755, -4.398, 1.975), (-53.3, 230.4, -333.9, 178.6), 25.0),
    45: (1.0, (1.018, -0.3107, 0.1539), (-501.6, 1567.0, -1619.0, 566.1), 17.0),
    32: (0.9, (0.8367, -0.4341, 0.1701), (-1047.0, 2982.0, -2797.0, 873.5), 7.8),
    20: (0.9, (0.373, -0.1582, 0.04104), (0.0, 34.63, -66.37, 41.15), 3.6),
    16: (0.85, (0.2958, -0.1241, 0.03024), (0.0, 24.8, -47.52, 28.87), 3.2),
    14: (0.8, (0.2363, -0.09675, 0.02239), (-40.66, 109.2, -100.6, 35.92), 2.9),
    10: (0.75, (0.2068, -0.09311, 0.02375), (-34.95, 93.65, -85.99, 30.4), 1.7),
    7: (0.7, (0.1776, -0.09097, 0.02447), (-28.58, 76.6, -70.26, 24.69), 1.0),
}
CONSTANTS = {"NODES": ("scaling_energy", "scaling_delay", "scaling_area", "scaling_volts", "scaling_between")}
SOURCES: dict[str, tuple[Mark, str]] = {
    "scaling_energy": ("published", f"{_SOURCE}: quadratics in the supply voltage, high-performance below 65 nm"),
    "scaling_delay": ("published", f"{_SOURCE}: cubics in the supply voltage, high-performance below 65 nm"),
    "scaling_area": ("published", f"{_SOURCE}: area table, two digits"),
    "scaling_volts": (
        "unverified",
        "nominal voltages of the predictive models: 45, 14, 10, 7 nm read, others recalled",
    ),
    "scaling_between": ("assumed", "power law between two nodes of the table"),
}
_SMALLEST, _LARGEST = min(NODES), max(NODES)


def energy(from_m: float, to_m: float, *, from_v: float | None = None, to_v: float | None = None) -> float:
    """Joules a switching at node `to_m` (metres) over joules at `from_m`; volts are nominal unless given.

    Raises `BadInput` for a node outside 7 to 180 nm or a voltage outside 0.5 to 1.9 V.
    """
    return _at(to_m, to_v, _energy) / _at(from_m, from_v, _energy)


def delay(from_m: float, to_m: float, *, from_v: float | None = None, to_v: float | None = None) -> float:
    """Seconds of a gate at node `to_m` (metres) over seconds at `from_m`; volts are nominal unless given.

    Raises `BadInput` for a node outside 7 to 180 nm or a voltage outside 0.5 to 1.9 V.
    """
    return _at(to_m, to_v, _delay) / _at(from_m, from_v, _delay)


def area(from_m: float, to_m: float) -> float:
    """Square metres of a circuit at node `to_m` (metres) over square metres at `from_m`; `BadInput` out of range."""
    return _at(to_m, None, _area) / _at(from_m, None, _area)


def _energy(node: int, volts: float) -> float:
    return _polynomial(NODES[node][1], volts)


def _delay(node: int, volts: float) -> float:
    return _polynomial(NODES[node][2], volts)


def _area(node: int, volts: float) -> float:
    return NODES[node][3]


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for c in coefficients:
        value = value * x + c
    return value


def _at(node_m: float, volts: float | None, quantity: Callable[[int, float], float]) -> float:
    """`quantity` at a node that need not be in the table."""
    size = node_m / nm
    if not _SMALLEST * (1 - 1e-9) <= size <= _LARGEST * (1 + 1e-9):
        raise BadInput(f"node {size:g} nm: {_SMALLEST} to {_LARGEST} nm are in the scaling table, in metres")
    if volts is not None and not 0.5 <= volts <= 1.9:
        raise BadInput(f"supply of {volts} V: 0.5 to 1.9 V are allowed")
    nodes = sorted(NODES)
    index = min(max(bisect_right(nodes, size) - 1, 0), len(nodes) - 2)
    low, high = nodes[index], nodes[index + 1]
    at_low, at_high = (quantity(node, NODES[node][0] if volts is None else volts) for node in (low, high))
    if not (at_low > 0 and at_high > 0):
        raise BadInput(f"supply of {volts} V at {size:g} nm: outside the range that the scaling was fitted to")
    return power_law(size, [(low, at_low), (high, at_high)])
