"""Off-chip DRAM: joules a byte by type; left out: row misses, refresh and idle power beyond what a figure includes.

    energy = bytes x 8 x energy of a bit

The figures are of different authors and hold different shares of interface and background power: DDR3's and LPDDR2's
are of whole modules, GDDR5's and HBM2's of device and interface, DDR4's of the device alone. "horowitz" is the middle
of what `memory.py` uses, 1.3 to 2.6 nJ for 64 bits. A read costs what a write costs.

Sources   Malladi et al., ISCA 2012, https://doi.org/10.1109/ISCA.2012.6237004 (DDR3, LPDDR2); O'Connor et al., MICRO
          2017, https://doi.org/10.1145/3123939.3124545 (GDDR5, HBM2); Jeddeloh, Keeth, VLSI 2012 (HMC)
"""

from math import sqrt

from lamina.core.errors import unknown
from lamina.core.units import pJ
from lamina.hw.components import memory
from lamina.hw.cost import Mark

BIT_J = {
    "ddr3": 70 * pJ,
    "ddr4": 1.2 * 0.145 / (8 * 2400e6),  # volts x amperes / bits a second
    "lpddr2": 40 * pJ,
    "lpddr3": sqrt(40 * 8) * pJ,
    "lpddr4": 8 * pJ,
    "gddr5": 14 * pJ,
    "hbm2": 3.92 * pJ,
    "hmc": 10.48 * pJ,
}
CONSTANTS = {"BIT_J": tuple(f"dram_{kind}" for kind in BIT_J)}
_ACCELERGY = "as transcribed in the public CACTI plug-in of Accelergy"
SOURCES: dict[str, tuple[Mark, str]] = {
    "dram_ddr3": ("published", f"Malladi et al., ISCA 2012, 70 pJ/bit: {_ACCELERGY}"),
    "dram_ddr4": (
        "modelled",
        "8 Gb x8 at 2400 MT/s: 1.2 V x IDD4R 145 mA / 19.2 Gb/s, currents of Ramulator 2's table",
    ),
    "dram_lpddr2": ("published", f"Malladi et al., ISCA 2012, 40 pJ/bit: {_ACCELERGY}"),
    "dram_lpddr3": ("assumed", "geometric mean of LPDDR2 and LPDDR4"),
    "dram_lpddr4": ("unverified", f"8 pJ/bit, 'public data' {_ACCELERGY}"),
    "dram_gddr5": ("published", "O'Connor et al., MICRO 2017, 14.0 pJ/bit: quoted by two public texts"),
    "dram_hbm2": ("published", "O'Connor et al., MICRO 2017, 3.92 pJ/bit: quoted by two public texts"),
    "dram_hmc": ("published", "Jeddeloh and Keeth, VLSI 2012, 10.48 pJ/bit: quoted by a public text"),
}


def byte_j(kind: str) -> float:
    """Joules a byte of DRAM of that type ("ddr3", "hbm2" ..., "horowitz"); `BadInput` names the known ones."""
    if kind == "horowitz":
        return memory.dram_byte_j()
    if kind not in BIT_J:
        raise unknown("type of DRAM", kind, [*BIT_J, "horowitz"])
    return 8 * BIT_J[kind]
