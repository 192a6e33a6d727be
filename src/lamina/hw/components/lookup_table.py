"""FPGA fabric: what an operation takes of it, and its energy and area beside an ASIC's; left out: static power.

    float32 multiplier   3 DSP slices        float32 adder   2 DSP slices        block RAM   18 Kib
    in look-up tables    area x 35, delay x 3.4, dynamic energy x 14 of the same function in standard cells
    with hard blocks     area x 18, energy x 7.1

Ratios are means over many circuits at 90 nm and are used at every node.

Sources   Zhang et al., FPGA 2015, https://doi.org/10.1145/2684746.2689060; Kuon, Rose, IEEE TCAD 26(2), 2007, p. 203,
          https://doi.org/10.1109/TCAD.2006.884574
"""

from lamina.core.units import nm
from lamina.hw.components import arithmetic, scaling
from lamina.hw.cost import Mark

DSP_PER_FLOAT_MULTIPLY = 3
DSP_PER_FLOAT_ADD = 2
BLOCK_RAM_BITS = 18 * 1024
AREA_RATIO = {"logic": 35.0, "hard_blocks": 18.0}  # FPGA over ASIC
ENERGY_RATIO = {"logic": 14.0, "hard_blocks": 7.1}
DELAY_RATIO = (3.4, 4.6)  # fastest and slowest speed grade
CONSTANTS = {
    "DSP_PER_FLOAT_MULTIPLY": ("fpga_dsp",),
    "DSP_PER_FLOAT_ADD": ("fpga_dsp",),
    "BLOCK_RAM_BITS": ("fpga_block_ram",),
    "AREA_RATIO": ("fpga_area",),
    "ENERGY_RATIO": ("fpga_energy", "fpga_hard_energy"),
    "DELAY_RATIO": ("fpga_delay",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "fpga_dsp": ("unverified", "Zhang et al., FPGA 2015: 3 and 2 DSP slices of Virtex-7, recalled"),
    "fpga_block_ram": ("published", "Xilinx: a block RAM of 18 Kib, half of a 36 Kib one"),
    "fpga_area": ("published", "Kuon and Rose, TCAD 2007, abstract: 35 for logic, 18 with hard blocks"),
    "fpga_energy": ("published", "Kuon and Rose, TCAD 2007, abstract: about 14 for logic"),
    "fpga_hard_energy": ("unverified", "Kuon and Rose, TCAD 2007: 7.1 with hard blocks, quoted by a public program"),
    "fpga_delay": ("unverified", "Kuon and Rose, TCAD 2007: 3.4 to 4.6 by speed grade; the abstract says 3 to 4"),
}


def mac_j(bits: int, *, fabric: str = "hard_blocks", node_m: float = 28 * nm) -> float:
    """Joules of an integer multiply-accumulate in look-up tables ("logic") or DSP slices ("hard_blocks")."""
    return arithmetic.mac_energy_j(bits) * scaling.energy(arithmetic.NODE_M, node_m) * ENERGY_RATIO[fabric]


def mac_area_m2(bits: int, *, fabric: str = "hard_blocks", node_m: float = 28 * nm) -> float:
    """Square metres of the fabric that one integer multiply-accumulate takes."""
    return arithmetic.mac_area_m2(bits) * scaling.area(arithmetic.NODE_M, node_m) * AREA_RATIO[fabric]
