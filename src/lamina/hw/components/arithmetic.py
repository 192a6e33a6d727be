"""Energy and area of one multiplication and one addition, integer and float, 45 nm at 0.9 V, by operand width.

    mac(b) = multiply(b, b -> 2b) + add(accumulator)

Integer figures are for 8 and 32 bits, float figures for 16 and 32; other widths follow the power law of their
neighbours (a multiplier grows with about the square of its width, an adder linearly), which is an interpolation and
marked so. Time: DianNao's clock, whose first stage is a 16-bit multiplication, bounds it from above. Left out:
registers, wires, clock.

Sources   Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9,
          https://doi.org/10.1109/ISSCC.2014.6757323; Chen et al., ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
"""

from lamina.core.units import nm, ns, pJ, um2
from lamina.hw.components import scaling
from lamina.hw.cost import Mark
from lamina.hw.power_law import power_law

NODE_M = 45 * nm
_SOURCE = "Horowitz, ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V)"
# bits -> joules, square metres
MULTIPLY = {8: (0.2 * pJ, 282 * um2), 32: (3.1 * pJ, 3495 * um2)}
ADD = {8: (0.03 * pJ, 36 * um2), 16: (0.05 * pJ, 67 * um2), 32: (0.1 * pJ, 137 * um2)}
FLOAT_MULTIPLY = {16: (1.1 * pJ, 1640 * um2), 32: (3.7 * pJ, 7700 * um2)}
FLOAT_ADD = {16: (0.4 * pJ, 1360 * um2), 32: (0.9 * pJ, 4184 * um2)}
STAGE_S = (1.02 * ns, 65 * nm)  # a pipeline stage that holds a 16-bit multiplication, and its node
CONSTANTS = {  # -> where it is from
    "NODE_M": ("node",),
    "MULTIPLY": ("multiply", "area"),
    "ADD": ("add", "area"),
    "FLOAT_MULTIPLY": ("float_multiply", "area"),
    "FLOAT_ADD": ("float_add", "area"),
    "STAGE_S": ("multiply_stage",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "node": ("published", f"{_SOURCE}: the node of every figure"),
    "multiply": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "add": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "float_multiply": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "float_add": ("published", f"{_SOURCE}: energies; the areas are from a table that quotes it, unverified"),
    "area": ("unverified", f"{_SOURCE}: areas as quoted elsewhere"),
    "between": ("assumed", "power law between the widths that are published"),
    "multiply_stage": ("unverified", "DianNao's critical path, 1.02 ns at 65 nm, recalled from its layout table"),
}


def multiply_energy_j(bits: int) -> float:
    """Joules of one multiplication of `bits`-wide integers."""
    return _between(bits, MULTIPLY, 0)


def add_energy_j(bits: int) -> float:
    """Joules of one addition of `bits`-wide integers."""
    return _between(bits, ADD, 0)


def mac_energy_j(bits: int, accumulator_bits: int = 32) -> float:
    """Joules of one multiply-accumulate of integers."""
    return multiply_energy_j(bits) + add_energy_j(accumulator_bits)


def float_mac_energy_j(bits: int) -> float:
    """Joules of one multiply-accumulate of floats, both `bits` wide."""
    return _between(bits, FLOAT_MULTIPLY, 0) + _between(bits, FLOAT_ADD, 0)


def mac_area_m2(bits: int, accumulator_bits: int = 32) -> float:
    """Square metres of one integer multiplier and one adder."""
    return _between(bits, MULTIPLY, 1) + _between(accumulator_bits, ADD, 1)


def float_mac_area_m2(bits: int) -> float:
    """Square metres of one float multiplier and one float adder."""
    return _between(bits, FLOAT_MULTIPLY, 1) + _between(bits, FLOAT_ADD, 1)


def multiply_s(node_m: float = NODE_M) -> float:
    """Seconds within which a 16-bit multiplication is done at `node_m` (7 to 180 nm): an upper bound."""
    stage_s, at_m = STAGE_S
    return stage_s * scaling.delay(at_m, node_m)


def _between(bits: int, table: dict[int, tuple[float, float]], column: int) -> float:
    """Energy (column 0) or area (1) at `bits`: the table's where it has that width."""
    return power_law(bits, [(width, table[width][column]) for width in sorted(table)])
