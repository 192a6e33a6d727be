"""A systolic array of your own: rows, columns, dataflow and memories are yours to set.

The defaults are assumed, of the order of an embedded accelerator in 45 nm; the cycles are SCALE-Sim's.
"""

from lamina.core.units import GB, GHz, KiB
from lamina.hw.cost import Mark
from lamina.hw.families.systolic import Systolic

ROWS = ("H19",)
PAPER = "Samajdar et al., SCALE-Sim, ISPASS 2020, https://doi.org/10.1109/ISPASS48437.2020.00016"

PARAMETERS = Systolic(
    rows=32,
    columns=32,
    dataflow="weight_stationary",
    clock_hz=1 * GHz,
    input_sram_bytes=64 * KiB,
    weight_sram_bytes=64 * KiB,
    output_sram_bytes=64 * KiB,
    dram_bytes_per_s=10 * GB,
    accumulator_bits=32,
)

# the array's shape is the question, not an answer: what follows from it alone is modelled
_CHOICE = "a design choice, not of a chip"
SOURCES: dict[str, tuple[Mark, str]] = {
    "rows": ("modelled", _CHOICE),
    "columns": ("modelled", _CHOICE),
    "dataflow": ("modelled", _CHOICE),
    "clock_hz": ("assumed", "a round figure for 45 nm"),
    "input_sram_bytes": ("modelled", _CHOICE),
    "weight_sram_bytes": ("modelled", _CHOICE),
    "output_sram_bytes": ("modelled", _CHOICE),
    "dram_bytes_per_s": ("assumed", "a round figure: one channel of LPDDR4"),
    "accumulator_bits": ("modelled", "INTERFACE section 5: int32 up to 8 bits"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
