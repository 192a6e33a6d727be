"""Tegra K1 (Jetson board), the mobile GPU of EIE's baselines.

One multiprocessor of 192 lanes; 28 nm, DDR3L.
"""

from lamina.core.units import GB, GHz, KiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, Jetson TK1; Han et al., EIE, ISCA 2016, https://doi.org/10.1109/ISCA.2016.30"

PARAMETERS = Processor(
    cores=1,
    clock_hz=0.852 * GHz,
    ops_per_cycle_32=2 * 192,
    ops_per_cycle_16=2 * 192,
    ops_per_cycle_8=2 * 192,
    cache_bytes=128 * KiB,
    dram_bytes_per_s=14.9 * GB,
    power_w=11,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Jetson TK1, recalled: 327 GFLOP/s, 14.9 GB/s",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    power_w=("unverified", "board under load, recalled"),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (0.327e12, 0.01),
}
