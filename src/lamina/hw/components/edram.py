"""Embedded DRAM at 28 nm: energy by the bit, area by the byte; left out: refresh, leakage, the size of the array.

    read     0.0192 nJ for 256 bits: 1/321 of a DDR3 access of as many (6.18 nJ)
    area     2.85 times denser than SRAM

A write costs what a read costs; other nodes by `scaling`. Refresh is left out: nobody prints its share.

Source    Chen et al., "DaDianNao", MICRO 2014, https://doi.org/10.1109/MICRO.2014.58
"""

from lamina.core.units import nJ, nm
from lamina.hw.components import scaling, sram
from lamina.hw.cost import Mark

EDRAM_NODE_M = 28 * nm
EDRAM_READ_J = (0.0192 * nJ, 256)  # joules of an access, its bits
DENSER_THAN_SRAM = 2.85
CONSTANTS = {
    "EDRAM_NODE_M": ("edram_read",),
    "EDRAM_READ_J": ("edram_read",),
    "DENSER_THAN_SRAM": ("edram_density",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "edram_read": (
        "unverified",
        "DaDianNao: 0.0192 nJ recalled; the ratio 321 to 6.18 nJ, read in lecture notes, agrees",
    ),
    "edram_density": ("published", "DaDianNao: 2.85 times denser than SRAM, as quoted by lecture notes"),
}


def access_j(width_bits: float, node_m: float = EDRAM_NODE_M) -> float:
    """Joules of reading or writing `width_bits` at `node_m` (7 to 180 nm)."""
    joules, bits = EDRAM_READ_J
    return joules * width_bits / bits * scaling.energy(EDRAM_NODE_M, node_m)


def area_m2(capacity_bytes: float, node_m: float = EDRAM_NODE_M) -> float:
    """Square metres of eDRAM of that capacity at `node_m` (7 to 180 nm)."""
    return sram.area_m2(capacity_bytes) / DENSER_THAN_SRAM * scaling.area(sram.SRAM_NODE_M, node_m)
