"""Radeon R9 Fury X of 2015, the first card with stacked memory.

64 compute units of 64 lanes; 28 nm, HBM.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "AMD, Radeon R9 Fury X; figures read at https://siliconcat.net/gpu/amd-radeon-r9-fury-x"

PARAMETERS = Processor(
    cores=64,
    clock_hz=1.05 * GHz,
    ops_per_cycle_32=2 * 64,
    ops_per_cycle_16=2 * 64,
    ops_per_cycle_8=2 * 64,
    cache_bytes=2 * MiB,
    dram_bytes_per_s=512 * GB,
    power_w=275,
    chip_area_m2=596 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "AMD, Radeon R9 Fury X, as listed at siliconcat.net and amdarea51.de",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "recalled"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (8.6e12, 0.01),
}
