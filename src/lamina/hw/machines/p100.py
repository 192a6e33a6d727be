"""Tesla P100 PCIe of 2016, with stacked memory and twice the rate in 16 bits.

56 multiprocessors of 64 lanes; 16 nm, HBM2.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import sources

ROWS = ("H2",)
PAPER = (
    "NVIDIA, Tesla P100; figures read at https://sysrqmts.com/gpus/compare/nvidia-tesla-p100-sxm2-vs-nvidia-tesla-p40"
)

PARAMETERS = Processor(
    cores=56,
    clock_hz=1.303 * GHz,
    ops_per_cycle_32=2 * 64,
    ops_per_cycle_16=4 * 64,
    ops_per_cycle_8=4 * 64,
    cache_bytes=4 * MiB,
    dram_bytes_per_s=732 * GB,
    power_w=250,
    chip_area_m2=610 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Tesla P100, as listed at sysrqmts.com",
    "published",
    clock_hz=("unverified", "1.303 GHz gives the 9.3 TFLOP/s of the data sheet, recalled; public lists say 1.329 GHz"),
    ops_per_cycle_8=("modelled", "no faster unit for 8-bit words"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (9.3e12, 0.01),
    "float16_ops_per_s": (18.7e12, 0.01),
}
