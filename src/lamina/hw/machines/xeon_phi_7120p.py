"""Xeon Phi 7120P (Knights Corner): many small cores on a card.

61 cores with one 512-bit unit of fused multiply-adds; 22 nm, GDDR5.
"""

from lamina.core.units import GB, GHz, MiB
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import NO_FASTER_UNIT, sources

ROWS = ("H1",)
PAPER = "Intel, Xeon Phi 7120P; figures read at https://www.tomshw.it/hardware/coprocessori-intel-xeon-phi-ecco-le-specifiche-tecniche/"

PARAMETERS = Processor(
    cores=61,
    clock_hz=1.238 * GHz,
    ops_per_cycle_32=2 * 16,
    ops_per_cycle_16=2 * 16,
    ops_per_cycle_8=2 * 16,
    cache_bytes=30.5 * MiB,
    dram_bytes_per_s=352 * GB,
    power_w=300,
)

SOURCES: dict[str, tuple[Mark, str]] = sources(
    "Intel, Xeon Phi 7120P, as listed at tomshw.it (16 GB at 5.5 GT/s x 512 bits)",
    "published",
    clock_hz=("unverified", "1.238 GHz recalled; the list says 1.25"),
    ops_per_cycle_16=("modelled", NO_FASTER_UNIT),
    ops_per_cycle_8=("modelled", NO_FASTER_UNIT),
    chip_area_m2=("unverified", "not looked up"),
)
PUBLISHED: dict[str, tuple[float, float]] = {
    "float32_ops_per_s": (2416e9, 0.01),
}
