"""ZigZag's stand-in for a TPU: 32 x 32 multipliers, weights stay in registers, 2 MiB of SRAM, 8 bytes of DRAM a cycle.

The energies are those of ZigZag's example machine, in no stated technology; it has no clock: compare cycles.
"""

from lamina.core.units import GHz, MiB, pJ
from lamina.hw.cost import Mark
from lamina.hw.families.hierarchy import Hierarchy
from lamina.hw.mapping.structure import Dimension, Level

ROWS = ("H20",)
PAPER = "Mei et al., ZigZag, IEEE Trans. Computers 70(8), 2021, https://doi.org/10.1109/TC.2021.3059962"

PARAMETERS = Hierarchy(
    array=(
        Dimension(name="rows", size=32, loops=("k", "g"), systolic=True),
        Dimension(name="columns", size=32, loops=("c",), systolic=True),
    ),
    level=(
        Level(
            name="weight_registers",
            holds=("weights",),
            capacity_bytes=128,
            read_bits_per_cycle=8,
            write_bits_per_cycle=8,
            read_j=0.095 * pJ,
            write_j=0.095 * pJ,
        ),
        Level(
            name="sum_registers",
            holds=("outputs",),
            capacity_bytes=2,
            read_bits_per_cycle=16,
            write_bits_per_cycle=16,
            read_j=0.021 * pJ,
            write_j=0.021 * pJ,
            ports="private",
        ),
        Level(
            name="sram",
            holds=("inputs", "outputs"),
            capacity_bytes=2 * MiB,
            read_bits_per_cycle=2048,
            write_bits_per_cycle=2048,
            word_bits=64,
            read_j=416.16 * pJ,
            write_j=378.4 * pJ,
            serves=("rows", "columns"),
        ),
        Level(
            name="dram",
            holds=("inputs", "weights", "outputs"),
            capacity_bytes=1.25e9,
            read_bits_per_cycle=64,
            write_bits_per_cycle=64,
            read_j=700 * pJ,
            write_j=750 * pJ,
            serves=("rows", "columns"),
            ports="shared",
        ),
    ),
    clock_hz=1 * GHz,
    mac_j=0.04 * pJ,
    partial_sum_bits=16,
)

_FILE = "zigzag-dse 3.9.1, inputs/hardware/tpu_like.yaml"
SOURCES: dict[str, tuple[Mark, str]] = {
    "array": ("published", f"{_FILE}: D1 and D2 of 32, systolic; K and C along them: inputs/mapping/tpu_like.yaml"),
    "level": ("published", f"{_FILE}: sizes, ports, widths and energies of its four memories"),
    "clock_hz": ("assumed", "the file has none: a round number"),
    "mac_j": ("published", f"{_FILE}: unit_energy"),
    "partial_sum_bits": ("published", "zigzag's inputs/workload/resnet18.yaml: O of 16 bits before the last sum"),
    "dataflow": ("published", "the file leaves the order of loops to its search"),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
