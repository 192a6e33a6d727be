"""Xeon Phi 7250 (Knights Landing), a processor of its own.

68 cores with two 512-bit units of fused multiply-adds; 16 GB of stacked memory at about 490 GB/s, which holds the
networks of the survey; 14 nm.
"""

from lamina.core.units import GB, GHz, MiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Intel, Xeon Phi 7250 data sheet, https://ark.intel.com"

PARAMETERS = Processor(
    cores=68,
    clock_hz=1.4 * GHz,
    ops_per_cycle_32=2 * 2 * 16,
    ops_per_cycle_16=2 * 2 * 16,
    ops_per_cycle_8=2 * 2 * 16,
    cache_bytes=34 * MiB,
    dram_bytes_per_s=490 * GB,
    power_w=215,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Intel, Xeon Phi 7250 data sheet, recalled",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (6093e9, 0.01),
}
