"""Movidius Myriad 2 by its public figures: twelve SHAVE cores with 128-bit vectors, 2 MB on the chip, 600 MHz, 600 mW.

The 1000 GFLOP/s that the vendor counts include its fixed-function image units; the twelve cores' vector units alone do
8 products of 16 bits a cycle each, 115 GFLOP/s: this is what a network gets here.
"""

from lamina.core.units import GB, MHz, MiB, mm2, mW
from lamina.hw.cost import Mark
from lamina.hw.families.vector_dsp import VectorDsp

ROWS = ("H12",)
PAPER = "Moloney et al., Hot Chips 26, 2014; abstract of its journal version read at https://eyesofthings.eu/?p=1019"

PARAMETERS = VectorDsp(
    contexts=12,
    vector_bits=128,
    macs_per_cycle_8=8,
    macs_per_cycle_16=8,
    load_slots=2,
    issue_slots=8,
    registers=32,
    scratchpad_bytes=2 * MiB,
    clock_hz=600 * MHz,
    dram_bytes_per_s=4.26 * GB,
    power_w=600 * mW,
    chip_area_m2=27 * mm2,
)

_TOLD = "abstract of the chip's paper at eyesofthings.eu"
SOURCES: dict[str, tuple[Mark, str]] = {
    "contexts": ("published", f"{_TOLD}: twelve SHAVE processors"),
    "vector_bits": ("published", f"{_TOLD}: 128-bit vector processor"),
    "macs_per_cycle_8": ("assumed", "no faster in 8 bits"),
    "macs_per_cycle_16": ("assumed", "one vector unit of eight 16-bit floats, a product and a sum a cycle"),
    "load_slots": ("unverified", "two load-store units, recalled"),
    "issue_slots": ("unverified", "eight units in a packet, recalled"),
    "registers": ("unverified", "32 vectors of 128 bits, recalled"),
    "scratchpad_bytes": ("published", "2 MB at 400 GB/s, as listed beside Myriad X at geeks-world.imtqy.com"),
    "clock_hz": ("published", f"{_TOLD}: 600 MHz at 0.9 V"),
    "dram_bytes_per_s": ("published", f"{_TOLD}: 32 bits of LPDDR2 at 533 MHz, two transfers a cycle"),
    "power_w": ("published", f"{_TOLD}: 600 mW with peripherals and stacked DRAM"),
    "chip_area_m2": ("published", f"{_TOLD}: 27 mm2 in 28 nm"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
