"""Radeon RX 480, AMD's card of 2016.

36 compute units of 64 lanes at the boost clock; 14 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "AMD, Radeon RX 480 data sheet, https://www.amd.com"

PARAMETERS = Processor(
    cores=36,
    clock_hz=1.266 * GHz,
    ops_per_cycle_32=2 * 64,
    ops_per_cycle_16=2 * 64,
    ops_per_cycle_8=2 * 64,
    cache_bytes=2 * MiB,
    dram_bytes_per_s=256 * GB,
    power_w=150,
    chip_area_m2=232 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "AMD, Radeon RX 480 data sheet, recalled",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (5.83e12, 0.01),
}
