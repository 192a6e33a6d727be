"""Vector and matrix unit behind scratchpads (Cambricon); left out: overlap of layers, bank conflicts, cache misses.

draft
"""

from dataclasses import dataclass, fields

from lamina.core.errors import BadInput

BITS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorMatrix:
    lanes: int = 32  # elements that the vector unit works on per cycle
    blocks: int = 32  # of the matrix unit, joined by an H-tree
    block_lanes: int = 32  # multipliers (and adders) of one block
    vector_scratchpad_bytes: int = 64 * 1024
    matrix_scratchpad_bytes: int = 768 * 1024
    banks: int = 4  # of a scratchpad, one a DMA behind a crossbar: a stream waits until its banks are free
    issue_queue: int = 24
    reorder_buffer: int = 64
    memory_queue: int = 32
    series_cycles: int = 16  # depth of division, exp and log (CORDIC: one step a bit), pipelined
    cache_cycles: int = 2  # of a scalar load or store, which always hits
    fraction_bits: int = 10  # of 16
    clock_hz: float = 1e9
    dram_bytes_per_s: float = 64e9
    dram_latency_cycles: int = 50  # from a request of the IO DMA to its first element
    chip_power_w: float = 1.695
    chip_area_m2: float = 56.24e-6

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("fraction_bits", "dram_latency_cycles") else 1 if field.type == "int" else None
            if not (value > 0 if least is None else value >= least) or not value < 2**40:
                raise BadInput(f"vector_matrix: {field.name} is {value}")

    @property
    def vector_elements(self) -> int:
        return self.vector_scratchpad_bytes * 8 // BITS

    @property
    def matrix_elements(self) -> int:
        return self.matrix_scratchpad_bytes * 8 // BITS
