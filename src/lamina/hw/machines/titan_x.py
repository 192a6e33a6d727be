"""GeForce GTX Titan X (Maxwell), the GPU of EIE's baselines.

24 multiprocessors of 128 lanes at the base clock; 28 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, GeForce GTX Titan X; figures read at https://hothardware.com/reviews/nvidia-geforce-gtx-titan-x-review-efficient-powerful"

PARAMETERS = Processor(
    cores=24,
    clock_hz=1.0 * GHz,
    ops_per_cycle_32=2 * 128,
    ops_per_cycle_16=2 * 128,
    ops_per_cycle_8=2 * 128,
    cache_bytes=3 * MiB,
    dram_bytes_per_s=336.5 * GB,
    power_w=250,
    chip_area_m2=601 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, GeForce GTX Titan X, as listed at hothardware.com and sysrqmts.com",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (6.14e12, 0.01),
}
