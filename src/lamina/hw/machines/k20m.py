"""Tesla K20M, the GPU that DaDianNao, ShiDianNao and PuDianNao are compared with.

13 multiprocessors of 192 lanes, a multiplication and an addition a lane and cycle; 28 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, Tesla K20 data sheet; figures read at https://www.topcpu.net/it/gpu-c/tesla-k20m-vs-tesla-k40t"

PARAMETERS = Processor(
    cores=13,
    clock_hz=0.706 * GHz,
    ops_per_cycle_32=2 * 192,
    ops_per_cycle_16=2 * 192,
    ops_per_cycle_8=2 * 192,
    cache_bytes=1280 * KiB,
    dram_bytes_per_s=208 * GB,
    power_w=225,
    chip_area_m2=561 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Tesla K20 data sheet, as listed at topcpu.net and alldbin.com",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (3.52e12, 0.01),
}
