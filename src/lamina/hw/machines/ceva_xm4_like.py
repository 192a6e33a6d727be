"""CEVA-XM4 by its public figures: 128 multipliers of 16 bits in two vectors of 64, four scalar units, 1.2 GHz in 28 nm.

A core that others build into their chips: memory sizes and bandwidth are the buyer's, here assumed.
"""

from lamina.core.units import GB, GHz, KiB
from lamina.hw.cost import Mark
from lamina.hw.families.vector_dsp import VectorDsp

ROWS = ("H12",)
PAPER = "BDTI, InsideDSP, April 2015, https://bdti.com/InsideDSP/2015/04/01/CEVA"

PARAMETERS = VectorDsp(
    contexts=1,
    vector_bits=1024,
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
    "contexts": ("published", "one core, as BDTI describes it"),
    "vector_bits": ("published", "two vectors of 64 multipliers of 16 bits: mandetech.com, September 2016"),
    "macs_per_cycle_8": ("assumed", "no faster in 8 bits"),
    "macs_per_cycle_16": ("published", "128 multiply-accumulates: BDTI, table 1"),
    "load_slots": ("assumed", "two loads a cycle, of 256 bits each by the vendor's brief, taken as whole vectors"),
    "issue_slots": ("unverified", "packets of eight instructions, recalled"),
    "registers": ("assumed", "32 vectors"),
    "scratchpad_bytes": ("assumed", "the buyer's choice"),
    "clock_hz": ("published", "1.2 GHz in 28 nm: BDTI and Microprocessor Report"),
    "dram_bytes_per_s": ("assumed", "one 64-bit channel of LPDDR3-1600"),
    "power_w": ("assumed", "nobody tells"),
    "chip_area_m2": ("assumed", "nobody tells"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
