"""One socket of the TPU paper's server: Xeon E5-2699 v3 (Haswell).

18 cores with two 256-bit units of fused multiply-adds; four channels of DDR4. 22 nm. The paper counts 51 GB/s and 1.3
TFLOP/s a die, the clock of wide vectors being lower than the nominal 2.3 GHz.
"""

from lamina.core.units import GB, GHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Jouppi et al., ISCA 2017, table 2, https://doi.org/10.1145/3079856.3080246"

PARAMETERS = Processor(
    cores=18,
    clock_hz=2.3 * GHz,
    ops_per_cycle_32=2 * 2 * 8,
    ops_per_cycle_16=2 * 2 * 8,
    ops_per_cycle_8=2 * 2 * 8,
    cache_bytes=45 * MiB,
    dram_bytes_per_s=51 * GB,
    power_w=145,
    chip_area_m2=662 * mm2,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Jouppi et al., ISCA 2017, table 2, recalled: 1.3 TFLOP/s, 51 GB/s, 145 W a die",
    "unverified",
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (1324.8e9, 0.01),
}
