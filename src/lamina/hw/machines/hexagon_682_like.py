"""Hexagon 682 (Snapdragon 835) by its public figures: two vector contexts of 1024 bits beside four scalar threads.

The vendor told of its predecessor that it runs 256 products of 8 bits or 64 of 16 bits a cycle, at 500 MHz a thread.
Power is not told; clock, cache and bandwidth are assumed to be the predecessor's and the phone's.
"""

from lamina.core.units import GB, KiB, MHz
from lamina.hw.cost import Mark
from lamina.hw.families.vector_dsp import VectorDsp

ROWS = ("H12",)
PAPER = "Qualcomm, Hot Chips 27, 2015 (Hexagon 680); figures read at https://techpinions.com/deep-dive-on-qualcomm-snapdragon-dxp/41623"

PARAMETERS = VectorDsp(
    contexts=2,
    vector_bits=1024,
    macs_per_cycle_8=256,
    macs_per_cycle_16=64,
    load_slots=1,
    issue_slots=4,
    registers=32,
    scratchpad_bytes=512 * KiB,
    clock_hz=500 * MHz,
    dram_bytes_per_s=29.8 * GB,
)

_TOLD = "Hexagon 680's vector extension, as reported at techpinions.com and extremetech.com"
SOURCES: dict[str, tuple[Mark, str]] = {
    "contexts": ("published", f"{_TOLD}: two vector contexts"),
    "vector_bits": ("published", f"{_TOLD}: 1024-bit registers"),
    "macs_per_cycle_8": ("published", f"{_TOLD}: 256 products of 8 x 8 bits; that they are of one context is assumed"),
    "macs_per_cycle_16": ("published", f"{_TOLD}: 64 products of 16 x 16 bits"),
    "load_slots": ("assumed", "one of the four slots loads a vector"),
    "issue_slots": ("published", f"{_TOLD}: packets of four instructions"),
    "registers": ("published", f"{_TOLD}: 32 vector registers"),
    "scratchpad_bytes": ("assumed", "the second-level cache, which feeds the vectors"),
    "clock_hz": ("assumed", "500 MHz a thread of the 680, taken for the 682"),
    "dram_bytes_per_s": ("assumed", "all of the phone's two channels of LPDDR4X"),
    "power_w": ("assumed", "nobody tells"),
    "chip_area_m2": ("assumed", "nobody tells"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
