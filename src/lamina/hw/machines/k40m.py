"""Tesla K40M, the largest Kepler card for computers.

15 multiprocessors of 192 lanes at the base clock; 28 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, Tesla K40 data sheet; figures read at https://sysrqmts.com/ru/gpus/compare/nvidia-tesla-k40m-vs-nvidia-tesla-p100-pcie-16-gb"

PARAMETERS = Processor(
    cores=15,
    clock_hz=0.745 * GHz,
    ops_per_cycle_32=2 * 192,
    ops_per_cycle_16=2 * 192,
    ops_per_cycle_8=2 * 192,
    cache_bytes=1536 * KiB,
    dram_bytes_per_s=288 * GB,
    power_w=235,
    chip_area_m2=561 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Tesla K40 data sheet, as listed at sysrqmts.com",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    power_w=("unverified", "235 W recalled from the data sheet; public lists say 245 W"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (4.29e12, 0.01),
}
