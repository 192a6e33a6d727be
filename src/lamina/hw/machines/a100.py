"""A100 SXM4 40 GB of 2020: tensor units for 16 and 8 bits.

108 multiprocessors of 64 lanes and 4 tensor units; 7 nm, HBM2. Sparse rates are not counted.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import sources

ROWS = ("H2",)
PAPER = "NVIDIA, A100; figures read at https://hmc-tech.com/gpu/nvidia-h100-vs-nvidia-a100-sxm-40gb"

PARAMETERS = Processor(
    cores=108,
    clock_hz=1.41 * GHz,
    ops_per_cycle_32=2 * 64,
    ops_per_cycle_16=2 * 4 * 256,
    ops_per_cycle_8=2 * 4 * 512,
    cache_bytes=40 * MiB,
    dram_bytes_per_s=1555 * GB,
    power_w=400,
    chip_area_m2=826 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, A100 SXM4 40 GB, as listed at hmc-tech.com and in PMC10448217, table 3",
    "published",
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (19.5e12, 0.01),
    "float16_ops_per_s": (312e12, 0.01),
    "int8_ops_per_s": (624e12, 0.01),
}
