"""How long the units of Cambricon work on an instruction; left out: bank conflicts beyond the skew, DRAM pages.

An instruction keeps its engine for its beats, one tick each, and its last result comes `lag` ticks after the last beat:
engines are pipelined, so the next instruction may follow at once unless it needs that result.

    engine   instructions                   a beat is                                 lag beyond the skew
    vector   on vectors, VMOVE              `lanes` elements                          series, or the tree of a reduction
    matrix   MMV, VMM                       `block_lanes` products of `blocks` rows   H-tree down and up, adder tree
             OP                             `blocks` rows x `block_lanes` columns     H-tree down
             MMS, MAM, MSM, MMOVE           one element for each multiplier           0
    io       VLOAD, VSTORE, MLOAD, MSTORE   what main memory moves in a cycle         latency of main memory
    cache    SLOAD, SSTORE                  the word (always a hit)                   rest of the cache's cycles

Skew: three DMAs of a unit and its IO DMA walk through four banks that are told apart by the low bits of the address.
Each needs another bank in every cycle; once they are one bank apart they stay so. The longest wait for that,
`banks` - 1 ticks, is always paid. Division, exp and log are series of one step a bit (CORDIC). Beats are counted, not
computed.
Assumed, the paper does not say: all depths, and that one IO channel serves both scratchpads.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Literal

from lamina.emulation.cambricon.program import Word
from lamina.hw.families.vector_matrix import VectorMatrix

Engine = Literal["scalar", "vector", "matrix", "io", "cache"]
ENGINES: tuple[Engine, ...] = ("vector", "matrix", "io", "cache")
SERIES = frozenset({"VDV", "VEXP", "VLOG", "SDIV", "SEXP", "SLOG"})
REDUCTIONS = frozenset({"VDOT", "VMAX", "VMIN"})
_TRANSFERS = frozenset({"VLOAD", "VSTORE", "MLOAD", "MSTORE"})
ELEMENT_BYTES = 2


def engine(word: Word) -> Engine:
    """Which engine works on `word`."""
    if word.name in _TRANSFERS:
        return "io"
    if word.name in ("SLOAD", "SSTORE"):
        return "cache"
    return word.instruction.unit


def work(word: Word, values: Mapping[str, int], machine: VectorMatrix) -> tuple[int, int]:
    """Beats and lag of `word` with operands `values`."""
    where = engine(word)
    if where == "scalar":
        return 1, machine.series_cycles - 1 if word.name in SERIES else 0
    if where == "cache":
        return 1, machine.cache_cycles - 1
    if where == "io":
        return _transfer(values["size"], machine), machine.dram_latency_cycles
    skew = machine.banks - 1
    if where == "vector":
        beats = _count(range(0, values["size"], machine.lanes))
        if word.name in SERIES:
            return beats, skew + machine.series_cycles
        return beats, skew + (_levels(machine.lanes) if word.name in REDUCTIONS else 0)
    down = _levels(machine.blocks)
    if word.name in ("MMV", "VMM"):
        rows, columns = range(0, values["size"], machine.blocks), range(0, values["inner"], machine.block_lanes)
        return _pairs(rows, columns), skew + 2 * down + _levels(machine.block_lanes)
    if word.name == "OP":
        rows, columns = range(0, values["rows"], machine.blocks), range(0, values["columns"], machine.block_lanes)
        return _pairs(rows, columns), skew + down
    return _count(range(0, values["size"], machine.blocks * machine.block_lanes)), skew


def _count(beats: Iterator[object] | range) -> int:
    return sum(1 for _ in beats)


@lru_cache(maxsize=4096)
def _pairs(rows: range, columns: range) -> int:
    return _count(iter(product(rows, columns)))


@lru_cache(maxsize=4096)
def _transfer(size: int, machine: VectorMatrix) -> int:
    """Cycles until as many bytes have passed: the channel fills by its rate times the cycle."""
    ticks, rate = 0, machine.dram_bytes_per_s / machine.clock_hz
    while ticks * rate < size * ELEMENT_BYTES:
        ticks += 1
    return ticks


def _levels(leaves: int) -> int:
    """Levels of a binary tree over `leaves`."""
    levels = 0
    while leaves > 1:
        leaves = leaves // 2 + leaves % 2
        levels += 1
    return levels
