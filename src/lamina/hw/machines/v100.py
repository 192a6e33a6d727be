"""Tesla V100 SXM2 of 2017, the first with tensor units.

80 multiprocessors of 64 lanes and 8 tensor units of 64 multiply-accumulates; 12 nm, HBM2.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import sources

ROWS = ("H2",)
PAPER = "NVIDIA, Tesla V100; figures read at https://pmc.ncbi.nlm.nih.gov/articles/PMC10448217/table/t0015"

PARAMETERS = Processor(
    cores=80,
    clock_hz=1.53 * GHz,
    ops_per_cycle_32=2 * 64,
    ops_per_cycle_16=2 * 8 * 64,
    ops_per_cycle_8=2 * 8 * 64,
    cache_bytes=6 * MiB,
    dram_bytes_per_s=900 * GB,
    power_w=300,
    chip_area_m2=815 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, Tesla V100: clock, cache and bandwidth as listed in PMC10448217, table 3",
    "published",
    cores=("unverified", "80 of the 84 on the chip, recalled"),
    ops_per_cycle_32=("unverified", "64 lanes a multiprocessor, recalled"),
    ops_per_cycle_16=("unverified", "125 TFLOP/s of tensor units, recalled"),
    ops_per_cycle_8=("modelled", "no faster unit for 8-bit words"),
    power_w=("unverified", "recalled"),
    chip_area_m2=("unverified", "recalled"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (15.7e12, 0.01),
    "float16_ops_per_s": (125e12, 0.01),
}
