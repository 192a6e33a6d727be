"""H100 SXM5 of 2022.

132 multiprocessors of 128 lanes at 1.98 GHz; the tensor rates are stated at a lower clock, here per cycle of the
higher. 4 nm class, HBM3. Sparse rates are not counted.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import sources

ROWS = ("H2",)
PAPER = "NVIDIA, H100; figures read at https://archive-lib.hpctech.co.jp/gpuproduct/nvidia-h100.html"

PARAMETERS = Processor(
    cores=132,
    clock_hz=1.98 * GHz,
    ops_per_cycle_32=2 * 128,
    ops_per_cycle_16=989.4e12 / (132 * 1.98 * GHz),
    ops_per_cycle_8=1979e12 / (132 * 1.98 * GHz),
    cache_bytes=50 * MiB,
    dram_bytes_per_s=3350 * GB,
    power_w=700,
    chip_area_m2=814 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, H100 SXM5, as listed at hpctech.co.jp",
    "published",
    clock_hz=("modelled", "67 TFLOP/s / (132 x 256)"),
    chip_area_m2=("unverified", "recalled"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (67e12, 0.01),
}
