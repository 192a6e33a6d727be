"""Xeon E5-2430, the processor of Zhang's FPGA'15 comparison.

Six cores with 256-bit vectors, a multiplication and an addition a cycle; three channels of DDR3-1333. 32 nm.
"""

from lamina.core.units import GB, GHz, MiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Zhang et al., FPGA 2015, https://doi.org/10.1145/2684746.2689060"

PARAMETERS = Processor(
    cores=6,
    clock_hz=2.2 * GHz,
    ops_per_cycle_32=2 * 8,
    ops_per_cycle_16=2 * 8,
    ops_per_cycle_8=2 * 8,
    cache_bytes=15 * MiB,
    dram_bytes_per_s=32 * GB,
    power_w=95,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Intel, Xeon E5-2430 data sheet, recalled; 95 W in Zhang et al., recalled",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (211.2e9, 0.01),
}
