"""GeForce GTX Titan of 2013, the card of many networks of its time.

14 multiprocessors of 192 lanes; 28 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, GeForce GTX Titan data sheet, https://www.nvidia.com"

PARAMETERS = Processor(
    cores=14,
    clock_hz=0.837 * GHz,
    ops_per_cycle_32=2 * 192,
    ops_per_cycle_16=2 * 192,
    ops_per_cycle_8=2 * 192,
    cache_bytes=1536 * KiB,
    dram_bytes_per_s=288 * GB,
    power_w=250,
    chip_area_m2=561 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, GeForce GTX Titan data sheet, recalled",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (4.5e12, 0.01),
}
