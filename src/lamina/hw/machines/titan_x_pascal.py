"""Titan X (Pascal), the GPU of ESE's baselines.

28 multiprocessors of 128 lanes at the boost clock, four times as many 8-bit operations; 16 nm, GDDR5X.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, Titan X; figures read at https://www.technic3d.com/news/hardware/gehaeuse/11097-nvidia-fuehrt-neue-titan-x-grafikkarte-auf-basis-der-pascal-architektur-ein-update.htm"

PARAMETERS = Processor(
    cores=28,
    clock_hz=1.531 * GHz,
    ops_per_cycle_32=2 * 128,
    ops_per_cycle_16=2 * 128,
    ops_per_cycle_8=8 * 128,
    cache_bytes=3 * MiB,
    dram_bytes_per_s=480 * GB,
    power_w=250,
    chip_area_m2=471 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Titan X, as reported at technic3d.com and sisoftware.co.uk",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("unverified", "44 TOPS of 8-bit operations announced, recalled"),
    cache_bytes=("unverified", "recalled"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (10.97e12, 0.01),
}
