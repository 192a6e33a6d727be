"""Core i7-5930K, the processor of EIE's and ESE's baselines.

Six cores with two 256-bit units of fused multiply-adds; four channels of DDR4-2133. 22 nm.
"""

from lamina.core.units import GB, GHz, MiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Han et al., EIE, ISCA 2016, https://doi.org/10.1109/ISCA.2016.30"

PARAMETERS = Processor(
    cores=6,
    clock_hz=3.5 * GHz,
    ops_per_cycle_32=2 * 2 * 8,
    ops_per_cycle_16=2 * 2 * 8,
    ops_per_cycle_8=2 * 2 * 8,
    cache_bytes=15 * MiB,
    dram_bytes_per_s=68 * GB,
    power_w=140,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Intel, Core i7-5930K data sheet, recalled",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (672e9, 0.01),
}
