"""Cambricon's prototype: 32 blocks of 32 multipliers, a vector unit of 32 lanes, 64-bit instructions, 65 nm.

Where data come from DRAM, time rests on a channel that the paper does not print: one line of a scratchpad (32 elements)
a cycle is assumed. Depths of units are ours too; sizes, queues, power and area are the paper's. It may issue two
instructions a cycle (recalled, not confirmed); one is modelled.
"""

from lamina.core.units import GB, GHz, KiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.vector_matrix import VectorMatrix

ROWS = ("H10",)
PAPER = "Liu et al., ISCA 2016, https://doi.org/10.1109/ISCA.2016.42"

PARAMETERS = VectorMatrix(
    lanes=32,
    blocks=32,
    block_lanes=32,
    vector_scratchpad_bytes=64 * KiB,
    matrix_scratchpad_bytes=768 * KiB,
    banks=4,
    issue_queue=24,
    reorder_buffer=64,
    memory_queue=32,
    series_cycles=16,
    cache_cycles=2,
    fraction_bits=10,
    clock_hz=1 * GHz,
    dram_bytes_per_s=64 * GB,
    dram_latency_cycles=50,
    chip_power_w=1.695,
    chip_area_m2=56.24 * mm2,
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_MEMORY = "recalled from the paper's table of parameters, not read there yet"
SOURCES: dict[str, tuple[Mark, str]] = {
    "lanes": ("published", f"32 adders and 32 multipliers of 16 bits in the vector unit: {_REVIEW}"),
    "blocks": ("published", f"32 computing blocks on an H-tree: {_REVIEW}"),
    "block_lanes": ("published", f"1024 multipliers and 1024 adders in 32 blocks: {_REVIEW}"),
    "vector_scratchpad_bytes": ("published", f"64 KB: {_REVIEW}; ustc-pldpa/2018s-final-projects says the same"),
    "matrix_scratchpad_bytes": ("published", f"768 KB, 24 KB a block: {_REVIEW}; ustc-pldpa says the same"),
    "banks": ("published", f"four, by the two low bits of the address, behind a crossbar: {_REVIEW}"),
    "issue_queue": ("unverified", f"24 entries: {_MEMORY}"),
    "reorder_buffer": ("unverified", f"64 entries: {_MEMORY}"),
    "memory_queue": ("unverified", f"32 entries: {_MEMORY}"),
    "series_cycles": (
        "assumed",
        "a step a bit: the paper proposes CORDIC for transcendental functions, no depth is told",
    ),
    "cache_cycles": ("assumed", "a small first-level cache; programs of layers load no scalars"),
    "fraction_bits": ("assumed", "Q6.10 as DianNao of the same group; elements of 16 bits are published"),
    "clock_hz": ("published", f"1 GHz: {_REVIEW}"),
    "dram_bytes_per_s": ("assumed", "a line of 32 elements a cycle, as wide as the vector unit; no bandwidth is told"),
    "dram_latency_cycles": ("assumed", "50 ns, a usual DRAM's row and column access; no latency is told"),
    "chip_power_w": ("published", f"1.695 W: {_REVIEW}"),
    "chip_area_m2": ("published", f"56.24 mm2 in TSMC 65 nm: {_REVIEW}"),
}

# Figures that a model of assumed memory may be held to are in `recipes/_reproduced/cambricon.py`.
PUBLISHED: dict[str, tuple[float, float]] = {}
