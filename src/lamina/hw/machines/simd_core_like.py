"""The processor that DianNao's speed-up is measured against: one 2 GHz core with 128-bit SIMD instructions.

Eight 16-bit lanes do one operation a cycle each: half as many multiply-accumulates. The original is a simulated
four-issue x86 core whose stalls the roofline leaves out; its memory is known by its latency only. Power is what four
instructions a cycle cost (70 pJ each at 45 nm, scaled to 65 nm).
"""

from lamina.core.units import GB, GHz, MiB, nm, pJ
from lamina.hw.components import scaling
from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor
from lamina.hw.machines._data_sheet import sources

ROWS = ("H1",)
PAPER = "Chen et al., ASPLOS 2014, https://doi.org/10.1145/2541940.2541967"

PARAMETERS = Processor(
    cores=1,
    clock_hz=2 * GHz,
    ops_per_cycle_32=4,
    ops_per_cycle_16=8,
    ops_per_cycle_8=8,
    cache_bytes=2 * MiB,
    dram_bytes_per_s=12.8 * GB,
    power_w=4 * 2 * GHz * 70 * pJ * scaling.energy(45 * nm, 65 * nm),
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
SOURCES: dict[str, tuple[Mark, str]] = sources(
    f"2 GHz core with 128-bit SIMD: {_REVIEW}",
    "published",
    ops_per_cycle_8=("modelled", "no 8-bit multiplication among 128-bit x86 instructions: as 16-bit"),
    cache_bytes=("unverified", "2 MB second level, recalled from the paper's body, not read there yet"),
    dram_bytes_per_s=("assumed", "one channel of DDR3-1600; the paper gives a latency of 250 cycles, recalled"),
    power_w=("unverified", "four instructions a cycle of 70 pJ (Horowitz, ISSCC 2014, quoted elsewhere), 45 to 65 nm"),
    chip_area_m2=("unverified", "nobody tells"),
)
PUBLISHED: dict[str, tuple[float, float]] = {}
