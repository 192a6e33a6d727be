"""Energy and area of one multiplication and one addition, 45 nm at 0.9 V, by operand width.

    mac(b) = multiply(b, b -> 2b) + add(accumulator)

Integer figures are for 8 and 32 bits; widths between follow a power law through the two (a multiplier grows with
about the square of its width, an adder linearly), which is an interpolation and marked so. Left out: registers, wires,
clock.

Source    Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9, https://doi.org/10.1109/ISSCC.2014.6757323
"""

from math import log2

from lamina.core.units import nm, pJ, um2
from lamina.hw.cost import Mark

NODE_M = 45 * nm
_SOURCE = "Horowitz, ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V)"
# bits -> joules, square metres
MULTIPLY = {8: (0.2 * pJ, 282 * um2), 32: (3.1 * pJ, 3495 * um2)}
ADD = {8: (0.03 * pJ, 36 * um2), 16: (0.05 * pJ, 67 * um2), 32: (0.1 * pJ, 137 * um2)}
CONSTANTS = {"NODE_M": ("node",), "MULTIPLY": ("multiply", "area"), "ADD": ("add", "area")}  # -> where it is from
SOURCES: dict[str, tuple[Mark, str]] = {
    "node": ("published", f"{_SOURCE}: the node of every figure"),
    "multiply": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "add": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "area": ("unverified", f"{_SOURCE}: areas as quoted elsewhere"),
    "between": ("assumed", "power law through the 8- and 32-bit figures"),
}


def multiply_energy_j(bits: int) -> float:
    """Joules of one multiplication of `bits`-wide integers."""
    return _between(bits, 8, MULTIPLY[8][0], 32, MULTIPLY[32][0])


def add_energy_j(bits: int) -> float:
    """Joules of one addition of `bits`-wide integers."""
    return _between(bits, 8, ADD[8][0], 32, ADD[32][0])


def mac_energy_j(bits: int, accumulator_bits: int = 32) -> float:
    """Joules of one multiply-accumulate."""
    return multiply_energy_j(bits) + add_energy_j(accumulator_bits)


def mac_area_m2(bits: int, accumulator_bits: int = 32) -> float:
    """Square metres of one multiplier and one adder."""
    return _between(bits, 8, MULTIPLY[8][1], 32, MULTIPLY[32][1]) + _between(
        accumulator_bits, 8, ADD[8][1], 32, ADD[32][1]
    )


def _between(bits: int, low: int, at_low: float, high: int, at_high: float) -> float:
    exponent = log2(at_high / at_low) / log2(high / low)
    return float(at_low * (bits / low) ** exponent)
