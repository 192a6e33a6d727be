"""A many-core server of 2016: two sockets of Xeon E5-2699 v4.

Two times 22 cores with two 256-bit units of fused multiply-adds; eight channels of DDR4-2400. 14 nm.
"""

from lamina.core.units import GB, GHz, MiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Intel, Xeon E5-2699 v4 data sheet, https://ark.intel.com"

PARAMETERS = Processor(
    cores=44,
    clock_hz=2.2 * GHz,
    ops_per_cycle_32=2 * 2 * 8,
    ops_per_cycle_16=2 * 2 * 8,
    ops_per_cycle_8=2 * 2 * 8,
    cache_bytes=110 * MiB,
    dram_bytes_per_s=153.6 * GB,
    power_w=290,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Intel, Xeon E5-2699 v4 data sheet, recalled, two sockets",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (3097.6e9, 0.01),
}
