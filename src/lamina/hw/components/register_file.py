"""Registers: energy and area by the bit, and of a small register file by the word; left out: ports, clock tree.

    register    0.009 pJ and 5.98 um2 a bit and access, flip-flops at 40 nm
    file        1 pJ for 32 bits at 45 nm, whatever its size; words of other widths in proportion

Sources   Aladdin's 40 nm library (Shao et al., ISCA 2014, https://doi.org/10.1109/ISCA.2014.6853196) as listed by
          hwcomponents; Horowitz, ISSCC 2014, https://doi.org/10.1109/ISSCC.2014.6757323
"""

from lamina.core.units import nm, pJ, um2
from lamina.hw.components import scaling
from lamina.hw.cost import Mark

REGISTER_NODE_M = 40 * nm
REGISTER_BIT_J = 0.009 * pJ
REGISTER_BIT_M2 = 5.98 * um2
FILE_WORD_J = (1 * pJ, 32, 45 * nm)  # joules of a word, its bits, the node
CONSTANTS = {
    "REGISTER_NODE_M": ("register_bit",),
    "REGISTER_BIT_J": ("register_bit",),
    "REGISTER_BIT_M2": ("register_bit",),
    "FILE_WORD_J": ("register_file",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "register_bit": ("published", "Aladdin, 40 nm: 0.009 pJ and 5.98 um2 a bit, as listed by hwcomponents-library"),
    "register_file": ("published", "Horowitz, ISSCC 2014: about 1 pJ for 32 bits of a register file at 45 nm"),
}


def register_j(bits: float, node_m: float = 45 * nm) -> float:
    """Joules of loading `bits` flip-flops once at `node_m` (7 to 180 nm)."""
    return bits * REGISTER_BIT_J * scaling.energy(REGISTER_NODE_M, node_m)


def register_area_m2(bits: float, node_m: float = 45 * nm) -> float:
    """Square metres of `bits` flip-flops at `node_m` (7 to 180 nm)."""
    return bits * REGISTER_BIT_M2 * scaling.area(REGISTER_NODE_M, node_m)


def access_j(width_bits: float, node_m: float = 45 * nm) -> float:
    """Joules of one access of `width_bits` to a small register file at `node_m` (7 to 180 nm)."""
    joules, bits, at_m = FILE_WORD_J
    return joules * width_bits / bits * scaling.energy(at_m, node_m)
