"""Tiled convolution engine on an FPGA; left out: the host, refresh and row misses of DRAM, reconfiguration.

Tm output and Tn input channels are worked on at once; tiles of Tr x Tc pixels lie in block RAM, every buffer twice:

    cycles  = groups ceil(k / Tm) ceil(c / Tn) (p q r s + P ceil(p / Tr) ceil(q / Tc))    P: depth of the pipeline
    DSPs    = Tm Tn (3 + 2)                   float32: a multiplier takes 3, an adder 2
    BRAM18s = 2 (Tn [input tile] + Tm [output tile] + Tm Tn [kernel])      [x] = ceil(32 x / 18 Kibit)

Partial sums stay in the output tile, so inputs pass once for every Tm filters, weights once for every tile of pixels,
results once. Loads and stores hide behind the arithmetic of the tile before: a tile takes the longer of the two, and
the first load and the last store are seen. Energy is board power times time. What is not multiplied runs Tm lanes wide.

Paper     Zhang et al., "Optimizing FPGA-based Accelerator Design for Deep Convolutional Neural Networks", FPGA 2015,
          https://doi.org/10.1145/2684746.2689060
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lamina.core.errors import BadInput
from lamina.hw.cost import Bound, Cost, each
from lamina.hw.families import _checks
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

MULTIPLY = frozenset({"conv2d", "linear", "matmul"})
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
BRAM_BITS, BRAM_WIDTH = 18 * 1024, 36  # of one block: 512 words of up to 36 bits
COMPONENTS = ()
USES = {
    "cycles": ("outputs", "inputs", "rows", "columns", "pipeline_cycles"),
    "latency_s": ("outputs", "inputs", "rows", "columns", "pipeline_cycles", "clock_hz", "dram_bytes_per_s"),
    "dram_bytes": ("outputs", "inputs", "rows", "columns", "bits"),
    "utilisation": ("outputs", "inputs", "rows", "columns", "pipeline_cycles"),
    "energy_j": ("power_w", "clock_hz", "dram_bytes_per_s"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TiledEngine:
    outputs: int = 64  # Tm: output channels at once
    inputs: int = 7  # Tn: input channels at once
    rows: int = 13  # Tr: output rows of a tile
    columns: int = 13  # Tc: output columns of a tile
    bits: int = 32  # of every operand
    pipeline_cycles: int = 20  # P: before a tile's first result
    dsps: int = 2800  # of the device
    dsps_per_mac: int = 5
    brams: int = 2060  # blocks of 18 Kibit of the device
    usable_share: float = 0.8  # of the device's blocks that a design can be routed with
    clock_hz: float = 100e6
    dram_bytes_per_s: float = 4.5e9
    power_w: float = 18.6  # of the board

    def __post_init__(self) -> None:
        _checks.positive(self)
        if self.usable_share > 1:
            raise BadInput(f"tiled_engine: usable_share is {self.usable_share}, at most 1 is allowed")
        if self.bits > BRAM_WIDTH:
            raise BadInput(f"tiled_engine: bits is {self.bits}, block RAM is at most {BRAM_WIDTH} wide")
        if self.dsps_used > self.usable_share * self.dsps:
            raise BadInput(
                f"tiled_engine: outputs={self.outputs} x inputs={self.inputs} take {self.dsps_used} DSPs, "
                f"{self.usable_share:.0%} of {self.dsps} are there"
            )

    @property
    def dsps_used(self) -> int:
        return self.outputs * self.inputs * self.dsps_per_mac

    @property
    def peak_ops_per_s(self) -> float:
        """Multiplications and additions."""
        return 2 * self.outputs * self.inputs * self.clock_hz


def brams_used(layer: Layer, machine: TiledEngine) -> int:
    """Blocks of 18 Kibit that the buffers of a multiplying layer take, each twice."""
    rows, columns = min(machine.rows, layer.p), min(machine.columns, layer.q)

    def blocks(words: int) -> int:
        return ceil(words / (BRAM_BITS // BRAM_WIDTH))

    taken = (
        machine.inputs * blocks(_reach(layer, rows, 0) * _reach(layer, columns, 1))
        + machine.outputs * blocks(rows * columns)
        + machine.outputs * machine.inputs * blocks(layer.r * layer.s)
    )
    return 2 * taken


def _reach(layer: Layer, outputs: int, axis: int) -> int:
    """Input rows (axis 0) or columns (1) that `outputs` neighbouring results touch."""
    kernel = (layer.r, layer.s)[axis]
    return (outputs - 1) * layer.stride[axis] + (kernel - 1) * layer.dilation[axis] + 1


def refusal(layer: Layer, machine: TiledEngine) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    if not layer.macs:
        return None
    if wide := _checks.too_wide(layer, machine.bits):
        return wide
    needed = brams_used(layer, machine)
    if needed > machine.usable_share * machine.brams:
        return f"its tiles take {needed} block RAMs of {machine.usable_share:.0%} of {machine.brams}"
    return None


def cycles(layer: Layer, machine: TiledEngine) -> int:
    """Cycles of the engine without waiting for memory."""
    if layer.macs:
        tiles = ceil(layer.p / machine.rows) * ceil(layer.q / machine.columns)
        per_pair = layer.p * layer.q * layer.r * layer.s + machine.pipeline_cycles * tiles
        return layer.n * layer.groups * _channel_tiles(layer, machine) * per_pair
    if layer.operator in ON_THE_FLY or layer.operator in MOVES:
        return 0
    return ceil(layer.ops / machine.outputs)


def _channel_tiles(layer: Layer, machine: TiledEngine) -> int:
    return ceil(layer.k / machine.outputs) * ceil(layer.c / machine.inputs)


def cost(layers: Sequence[Layer], machine: TiledEngine) -> list[Cost]:
    """One `Cost` per layer; layers follow one another. Operands are `machine.bits` wide whatever the layer says."""
    return each(layers, lambda layer: _layer(layer, machine))


def _layer(layer: Layer, machine: TiledEngine) -> Cost:
    busy = cycles(layer, machine)
    moved = [ceil(words * machine.bits / 8) for words in _words(layer, machine)]
    dram = sum(moved)
    compute_s = busy / machine.clock_hz
    memory_s = dram / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    bound: Bound = "compute" if compute_s >= memory_s else "memory"
    if layer.macs:
        latency_s, bound = _pipelined(layer, machine, busy, moved)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=dram,
        utilisation=layer.macs / (busy * machine.outputs * machine.inputs) if layer.macs else None,
        bound=bound,
        energy_by_component_j={"board": machine.power_w * latency_s},
        bytes_by_level={"dram": dram, "block_ram": _block_ram_bytes(layer, machine, busy)},
    )


def _words(layer: Layer, machine: TiledEngine) -> tuple[float, float, float]:
    """Inputs, weights and results that cross the pins, in words."""
    if layer.operator in ON_THE_FLY:
        return 0, 0, 0
    if not layer.macs:
        return layer.inputs, 0, layer.outputs
    (height, width), passes = layer.input_size, ceil(layer.k / machine.outputs)
    rows = _halo(layer.p, machine.rows, layer.stride[0], (layer.r - 1) * layer.dilation[0] + 1, height)
    columns = _halo(layer.q, machine.columns, layer.stride[1], (layer.s - 1) * layer.dilation[1] + 1, width)
    tiles = ceil(layer.p / machine.rows) * ceil(layer.q / machine.columns)
    return (
        layer.n * layer.groups * layer.c * passes * rows * columns,
        layer.n * tiles * layer.weights + layer.biases,
        layer.outputs,
    )


def _halo(outputs: int, tile: int, stride: int, window: int, size: int) -> int:
    """Rows read for all tiles along one axis; neighbours share `window - stride` of them, padding is not read."""
    tiles = ceil(outputs / tile)
    touched = sum(
        min(size, (min(tile, outputs - start * tile) - 1) * stride + window) for start in range(tiles)
    )  # the padding that edge tiles do not read is counted where a tile is smaller than the picture
    return max(size, touched)


def _pipelined(layer: Layer, machine: TiledEngine, busy: int, moved: Sequence[int]) -> tuple[float, Bound]:
    """Seconds of a multiplying layer: the longer of arithmetic and memory, the first load and the last store."""
    tiles = ceil(layer.p / machine.rows) * ceil(layer.q / machine.columns)
    results = layer.n * layer.groups * ceil(layer.k / machine.outputs) * tiles  # output tiles, stored once each
    loads = results * ceil(layer.c / machine.inputs)
    compute_s = busy / machine.clock_hz
    load_s = (moved[0] + moved[1]) / machine.dram_bytes_per_s
    store_s = moved[2] / machine.dram_bytes_per_s
    return (
        max(compute_s, load_s + store_s) + load_s / loads + store_s / results,
        "compute" if compute_s >= load_s + store_s else "memory",
    )


def _block_ram_bytes(layer: Layer, machine: TiledEngine, busy: int) -> int:
    """Operands that the engine reads and sums that it writes back: Tn inputs, Tm Tn weights, 2 Tm sums a cycle."""
    lanes = (
        machine.inputs + machine.outputs * machine.inputs + 2 * machine.outputs if layer.macs else 2 * machine.outputs
    )
    return ceil(busy * lanes * machine.bits / 8)


def area_m2(machine: TiledEngine) -> None:
    """None: an FPGA's area is not told."""
