"""One of the two dies of a Tesla K80, the GPU of the TPU paper's comparison.

13 multiprocessors of 192 lanes at the base clock, as that paper ran it (no boost, errors corrected); 28 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H2",)
PAPER = "Jouppi et al., ISCA 2017, table 2, https://doi.org/10.1145/3079856.3080246"

PARAMETERS = Processor(
    cores=13,
    clock_hz=0.56 * GHz,
    ops_per_cycle_32=2 * 192,
    ops_per_cycle_16=2 * 192,
    ops_per_cycle_8=2 * 192,
    cache_bytes=1536 * KiB,
    dram_bytes_per_s=160 * GB,
    power_w=150,
    chip_area_m2=561 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Jouppi et al., ISCA 2017, table 2, recalled: 2.8 TFLOP/s, 160 GB/s, 150 W a die",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (2.8e12, 0.01),
}
