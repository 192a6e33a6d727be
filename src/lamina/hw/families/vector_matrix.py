"""Vector and matrix unit behind scratchpads (Cambricon); left out: overlap of layers, cache misses, DRAM refresh.

A layer is a program: load, compute, store, in order through queues (`_vector_matrix_program`, `_code`, `_time`).

    unit     beats                                             result after its last beat
    matrix   ceil(k / blocks) ceil(c r s / block_lanes)        banks - 1 + 2 log2 blocks + log2 block_lanes
    vector   ceil(elements / lanes)                            banks - 1, and series_cycles of e^x, ln x, division
    IO DMA   ceil(bytes / (dram_bytes_per_s / clock_hz))       dram_latency_cycles

`cycles` is exact, to the last tick of the emulator, for linear, conv2d, pooling and relu of one example: it writes the
compiler's program down from the loop nest alone and runs its recurrences, loops by their first turns. `cost` has
formulas for every layer (`_vector_matrix_estimate`): exact for straight programs, within 15 % of `cycles` for loops, by
the tests; images that do not fit pass in strips of rows there, while the compiler fetches window by window.
Layers hand over through DRAM. Energy is the chip's average power times the latency, and DRAM by the byte.

Paper     Liu et al., "Cambricon: an instruction set architecture for neural networks", ISCA 2016,
          https://doi.org/10.1109/ISCA.2016.42
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from lamina.core.errors import BadInput
from lamina.hw.components import memory
from lamina.hw.cost import Cost, each
from lamina.hw.families import _checks
from lamina.hw.families import _vector_matrix_estimate as estimate
from lamina.hw.families import _vector_matrix_program as programs
from lamina.hw.families import _vector_matrix_time as time
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

BITS = 16  # of an element
WORD = BITS // 8
MULTIPLY = frozenset({"conv2d", "linear", "matmul", "conv_transpose2d"})
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY | estimate.SERIES | estimate.LOGIC.keys()
USES = {
    "cycles": ("lanes", "blocks", "block_lanes", "banks", "series_cycles", "dram_latency_cycles", "dram_bytes_per_s",
               "issue_queue", "reorder_buffer", "memory_queue", "vector_scratchpad_bytes", "matrix_scratchpad_bytes"),
    "latency_s": ("clock_hz", "dram_bytes_per_s", "dram_latency_cycles"),
    "dram_bytes": ("vector_scratchpad_bytes", "matrix_scratchpad_bytes"),
    "utilisation": ("blocks", "block_lanes"),
    "energy_j": ("chip_power_w", "dram_word_j", "clock_hz", "dram_bytes_per_s", "dram_latency_cycles"),
    "area_m2": ("chip_area_m2",),
}  # fmt: skip
COMPONENTS = (memory,)

_COUNTS = ("lanes", "blocks", "block_lanes", "banks", "issue_queue", "reorder_buffer", "memory_queue")


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorMatrix:
    lanes: int = 32  # adders, and multipliers, of the vector unit
    blocks: int = 32  # of the matrix unit, joined by an H-tree
    block_lanes: int = 32  # multipliers, and adders, of one block
    vector_scratchpad_bytes: int = 64 * 1024
    matrix_scratchpad_bytes: int = 768 * 1024
    banks: int = 4  # of a scratchpad, behind a crossbar: a stream waits until its banks are free
    issue_queue: int = 24
    reorder_buffer: int = 64
    memory_queue: int = 32
    series_cycles: int = 16  # depth of division, exp and log: a step a bit (CORDIC), pipelined
    cache_cycles: int = 2  # of a scalar load or store, which always hits
    fraction_bits: int = 10  # of the 16 of an element
    clock_hz: float = 1e9
    dram_bytes_per_s: float = 64e9
    dram_latency_cycles: int = 50  # from a request of the IO DMA to its first element
    chip_power_w: float = 1.695  # average
    chip_area_m2: float = 56.24e-6

    def __post_init__(self) -> None:
        for name in _COUNTS:
            self._check(name, 1, 65536)
        self._check("vector_scratchpad_bytes", 8, 2**23)  # exact sums of as many products are computed in float64
        self._check("matrix_scratchpad_bytes", 8, 2**30)
        self._check("series_cycles", 1, 4096)
        self._check("cache_cycles", 1, 10**6)
        self._check("dram_latency_cycles", 0, 10**6)
        self._check("fraction_bits", 0, BITS - 2)
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf") or (isinstance(value, float) and value == 0):
                raise BadInput(f"vector_matrix: {field.name} is {value}, a positive number is needed")

    def _check(self, name: str, low: int, high: int) -> None:
        if not low <= getattr(self, name) <= high:
            raise BadInput(f"vector_matrix: {name} is {getattr(self, name)}, {low} to {high} are allowed")

    @property
    def vector_elements(self) -> int:
        return self.vector_scratchpad_bytes // WORD

    @property
    def matrix_elements(self) -> int:
        return self.matrix_scratchpad_bytes // WORD

    @property
    def macs_per_cycle(self) -> int:
        """Of the matrix unit."""
        return self.blocks * self.block_lanes

    @property
    def block_scratchpad_bytes(self) -> float:
        """What one block of the matrix unit holds."""
        return self.matrix_scratchpad_bytes / self.blocks


def refusal(layer: Layer, machine: VectorMatrix) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"its instructions are not known to express {layer.operator}"
    return _checks.too_wide(layer, BITS)


def cycles(layer: Layer, machine: VectorMatrix) -> int:
    """Cycles of the compiler's program for `layer`, exact (see above); those of `cost` where none is written down."""
    program = programs.program(layer, machine)
    if program is None:
        return estimate.work(layer, machine).cycles
    return time.cycles(program, machine.issue_queue, machine.reorder_buffer, machine.memory_queue)


def cost(layers: Sequence[Layer], machine: VectorMatrix) -> list[Cost]:
    """One `Cost` per layer; layers follow one another through DRAM. Operands are 16 bits whatever the layer says."""
    return each(layers, lambda layer: _layer(layer, machine))


def _layer(layer: Layer, machine: VectorMatrix) -> Cost:
    done = estimate.work(layer, machine)
    latency_s = done.cycles / machine.clock_hz
    dram = done.dram_elements * WORD
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=done.cycles,
        latency_s=latency_s,
        dram_bytes=dram,
        utilisation=layer.macs / (done.cycles * machine.macs_per_cycle) if layer.macs else None,
        bound="memory" if 2 * done.io_cycles >= done.cycles else "compute",
        energy_by_component_j={"chip": machine.chip_power_w * latency_s, "dram": dram * memory.dram_byte_j()},
        bytes_by_level={
            "dram": dram,
            "matrix": done.matrix_beats * machine.macs_per_cycle * WORD,
            "vector": done.vector_elements * WORD,
        },
    )


def area_m2(machine: VectorMatrix) -> float:
    """The chip's, as published."""
    return machine.chip_area_m2
