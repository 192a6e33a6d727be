"""GeForce GTX 580: AlexNet was trained on two of its 3 GB kind.

16 multiprocessors of 32 lanes at twice the core clock of 772 MHz; 40 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "NVIDIA, GeForce GTX 580; figures read at https://www.game-debate.com/hardware/index.php?gid=448"

PARAMETERS = Processor(
    cores=16,
    clock_hz=1.544 * GHz,
    ops_per_cycle_32=2 * 32,
    ops_per_cycle_16=2 * 32,
    ops_per_cycle_8=2 * 32,
    cache_bytes=768 * KiB,
    dram_bytes_per_s=192 * GB,
    power_w=244,
    chip_area_m2=520 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "NVIDIA, GeForce GTX 580, as listed at game-debate.com",
    "published",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    cache_bytes=("unverified", "recalled, six memory controllers of 128 KiB"),
    chip_area_m2=("unverified", "recalled"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (1.58e12, 0.01),
}
