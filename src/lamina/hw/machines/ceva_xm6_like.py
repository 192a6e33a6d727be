"""CEVA-XM6 by its public figures: the XM4's 128 multipliers, one vector of 64 and two of 32, so that fewer lanes idle.

The clock was not announced to rise, nor the number of units; memories are the buyer's, here assumed.
"""

from lamina.core.units import GB, GHz, KiB
from lamina.hw.cost import Mark
from lamina.hw.families.vector_dsp import VectorDsp

ROWS = ("H12",)
PAPER = "McGuinness, September 2016, http://mandetech.com and https://anandtech.com/show/10700"

PARAMETERS = VectorDsp(
    contexts=1,
    vector_bits=512,
    macs_per_cycle_8=128,
    macs_per_cycle_16=128,
    load_slots=2,
    issue_slots=8,
    registers=32,
    scratchpad_bytes=512 * KiB,
    clock_hz=1.2 * GHz,
    dram_bytes_per_s=12.8 * GB,
)

SOURCES: dict[str, tuple[Mark, str]] = {
    "contexts": ("published", "one core: mandetech.com, September 2016"),
    "vector_bits": ("assumed", "the narrowest of its vectors, 32 words of 16 bits, is the grain of the lanes"),
    "macs_per_cycle_8": ("assumed", "no faster in 8 bits"),
    "macs_per_cycle_16": ("published", "128 multiply-accumulates: mandetech.com, September 2016"),
    "load_slots": ("assumed", "as the XM4"),
    "issue_slots": ("unverified", "as the XM4, recalled"),
    "registers": ("assumed", "32 vectors"),
    "scratchpad_bytes": ("assumed", "the buyer's choice"),
    "clock_hz": ("assumed", "as the XM4: no higher one was announced"),
    "dram_bytes_per_s": ("assumed", "as the XM4"),
    "power_w": ("assumed", "nobody tells"),
    "chip_area_m2": ("assumed", "nobody tells"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
