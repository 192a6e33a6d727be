"""Energy of reading or writing one byte: on-chip SRAM by capacity, off-chip DRAM; area of SRAM. 45 nm.

    SRAM   10, 20, 100 pJ for a 64-bit word of 8 KiB, 32 KiB, 1 MiB; a power law between and beyond
    DRAM   1.3 to 2.6 nJ for a 64-bit word; the middle is taken

A write costs what a read costs, leakage is left out.

Source    Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9, https://doi.org/10.1109/ISSCC.2014.6757323;
          density: 45 nm 6T cell of 0.346 um2 (Mistry et al., IEDM 2007) at an assumed array efficiency of one half
"""

from lamina.core.units import KiB, MiB, pJ, um2
from lamina.hw.cost import Mark
from lamina.hw.power_law import power_law

WORD_BYTES = 8
_SOURCE = "Horowitz, ISSCC 2014, figure 1.1.9 (45 nm)"
SRAM_WORD_J = ((8 * KiB, 10 * pJ), (32 * KiB, 20 * pJ), (1 * MiB, 100 * pJ))  # capacity -> joules a 64-bit word
DRAM_WORD_J = (1300 * pJ, 2600 * pJ)  # least and most
CELL_AREA_M2 = 0.346 * um2  # one bit
ARRAY_EFFICIENCY = 0.5  # share of an SRAM macro that is cells
CONSTANTS = {  # -> where it is from
    "WORD_BYTES": ("word_bytes",),
    "SRAM_WORD_J": ("sram_word_j", "sram_between"),
    "DRAM_WORD_J": ("dram_word_j",),
    "CELL_AREA_M2": ("cell_area_m2",),
    "ARRAY_EFFICIENCY": ("array_efficiency",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "sram_word_j": ("unverified", f"{_SOURCE}: 8 KiB read there, 32 KiB and 1 MiB as quoted elsewhere"),
    "sram_between": ("assumed", "power law between the three capacities"),
    "dram_word_j": ("published", f"{_SOURCE}: 1.3 to 2.6 nJ a 64-bit word, middle taken"),
    "cell_area_m2": ("unverified", "Mistry et al., IEDM 2007: 0.346 um2 SRAM cell at 45 nm"),
    "array_efficiency": ("assumed", "half of a macro is cells"),
    "word_bytes": ("published", f"{_SOURCE}: 64-bit words"),
}


def sram_byte_j(capacity_bytes: float) -> float:
    """Joules a byte of an SRAM of that capacity."""
    return power_law(max(capacity_bytes, 1), SRAM_WORD_J) / WORD_BYTES


def dram_byte_j() -> float:
    """Joules a byte of DRAM."""
    return (DRAM_WORD_J[0] + DRAM_WORD_J[1]) / 2 / WORD_BYTES


def sram_area_m2(capacity_bytes: float) -> float:
    """Square metres of an SRAM of that capacity."""
    return capacity_bytes * 8 * CELL_AREA_M2 / ARRAY_EFFICIENCY
