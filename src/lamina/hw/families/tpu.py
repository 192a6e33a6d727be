"""TPU of the first generation; left out: shortcuts' share of the buffer, DRAM refresh, the host's own work, queues.

An array of R x C multipliers keeps one tile of weights and is shown one vector of activations a cycle; the next tile
is shifted in beside it meanwhile. A layer is the product [V, K] [K, N] of its windows, V = n p q, K = c r s, N = k:

    planes w, passes a = bytes of a weight, of an activation      (8 x 16 bits run at half, 16 x 16 at a quarter rate)
    chunks = ceil(V / (A / 2)), B = ceil(V / chunks)              A accumulators: one half fills while one is activated
    tiles T = groups chunks ceil(K / R) ceil(N / C) w             S = B a cycles each; chunks fetch their tiles again
    cycles = L + R + (T - 1) max(L, R, S) + S + R + C - 1         L = ceil(R C clock / weight bandwidth)

That is a layer alone, its first tile not yet asked for. In a network the FIFO is full when a layer begins
(`_tpu_timeline`), which `cost` uses. Of the cycles T S are active; R shift and L stall before the first tile, then
max(L, R, S) - S a tile, at most R of them shift; the last R + C - 1 are the results' way out: the next layer waits
(read after write). Weights lie in weight memory as whole tiles. The network's input and output cross the link to the
host, before and after everything else; a batch that does not fit the unified buffer runs in parts (`_tpu_parts`). The
activation unit takes one row of C results a cycle: activations cost nothing more, pooling one cycle a row and tap,
sums and moves one a row. Power is idle or busy power; weight memory's energy is by the byte.

Paper     Jouppi et al., ISCA 2017, https://doi.org/10.1145/3079856.3080246
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Literal, get_args

from lamina.core.errors import BadInput
from lamina.hw.components import dram as weight_dram
from lamina.hw.cost import Cost, each
from lamina.hw.families._tpu_parts import Demand, parts
from lamina.hw.families._tpu_timeline import Counters, Work, timeline
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

Memory = Literal["ddr3", "gddr5"]
MULTIPLY = frozenset({"conv2d", "linear"})
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
MOST_BITS = 16
ACCUMULATOR_BYTES = 4
_PIPELINE = ("rows", "columns", "clock_hz", "dram_bytes_per_s", "fifo_tiles", "accumulators")
USES = {
    "cycles": _PIPELINE,
    "latency_s": (*_PIPELINE, "link_bytes_per_s", "unified_buffer_bytes"),
    "dram_bytes": ("rows", "columns", "accumulators", "unified_buffer_bytes"),
    "utilisation": _PIPELINE,
    "energy_j": ("idle_w", "busy_w", "dram", "dram_ddr3", "dram_gddr5"),
    "area_m2": ("chip_area_m2",),
}
COMPONENTS = (weight_dram,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tpu:
    rows: int = 256  # R: weights that one result sums, 1..4096
    columns: int = 256  # C: results a cycle, 1..4096
    clock_hz: float = 700e6
    dram_bytes_per_s: float = 34e9  # of the weight memory
    dram: Memory = "ddr3"
    fifo_tiles: int = 4  # F: tiles on their way from weight memory to the array, 2..4096
    accumulators: int = 4096  # A: rows of C sums of 32 bits, 2..65536
    unified_buffer_bytes: int = 24 * 2**20
    link_bytes_per_s: float = 14e9  # to the host
    idle_w: float = 28.0
    busy_w: float = 40.0
    chip_area_m2: float = 331e-6

    def __post_init__(self) -> None:
        ranges = {"rows": (1, 4096), "columns": (1, 4096), "fifo_tiles": (2, 4096), "accumulators": (2, 65536)}
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"tpu: {name} is {getattr(self, name)}, {least} to {most} are allowed")
        if not 1 <= self.unified_buffer_bytes <= 2**40:
            raise BadInput(f"tpu: unified_buffer_bytes is {self.unified_buffer_bytes}, 1 to 2^40 are allowed")
        for name in ("clock_hz", "dram_bytes_per_s", "link_bytes_per_s", "busy_w", "chip_area_m2"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadInput(f"tpu: {name} is {getattr(self, name)}, a positive number is needed")
        if not 0 <= self.idle_w <= self.busy_w:
            raise BadInput(f"tpu: idle_w is {self.idle_w}, 0 to busy_w = {self.busy_w} are allowed")
        if self.dram not in get_args(Memory):
            raise BadInput(f"tpu: dram {self.dram!r} is not one of {', '.join(get_args(Memory))}")

    @property
    def peak_ops_per_s(self) -> float:
        """Multiplications and additions of 8-bit words a second."""
        return 2 * self.rows * self.columns * self.clock_hz

    @property
    def tile_bytes(self) -> int:
        """Bytes of one tile of weights."""
        return self.rows * self.columns

    @property
    def accumulator_bytes(self) -> int:
        """Bytes of all accumulators."""
        return self.accumulators * self.columns * ACCUMULATOR_BYTES

    @property
    def load_cycles(self) -> int:
        """L: cycles in which weight memory delivers one tile."""
        return ceil(self.tile_bytes * Fraction(self.clock_hz) / Fraction(self.dram_bytes_per_s))  # floats round past it

    @property
    def ridge_macs_per_byte(self) -> float:
        """Multiply-accumulates per byte of weights above which the array, not weight memory, is the limit."""
        return self.tile_bytes * self.clock_hz / self.dram_bytes_per_s

    @property
    def drain_cycles(self) -> int:
        """Cycles from the last vector's entry until its results are in the unified buffer."""
        return self.rows + self.columns - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """How a multiplying layer is cut."""

    row_folds: int
    column_folds: int
    chunks: int
    vectors: int  # B: of one chunk; the last one may compute some of them twice
    planes: int  # bytes of a weight
    passes: int  # bytes of an activation
    groups: int

    @property
    def count(self) -> int:
        """T: tiles that are loaded, one after another."""
        return self.groups * self.chunks * self.row_folds * self.column_folds * self.planes

    @property
    def streamed(self) -> int:
        """S: cycles that one tile multiplies."""
        return self.vectors * self.passes


def refusal(layer: Layer, machine: Tpu) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    widest = max(layer.input_bits, layer.weight_bits)
    if layer.macs and widest > MOST_BITS:
        return f"words of {widest} bits, the matrix unit takes at most {MOST_BITS}"
    return None


def tiles(layer: Layer, machine: Tpu) -> Tiles:
    """The tiles of a multiplying layer."""
    vectors = layer.n * layer.p * layer.q
    chunks = ceil(vectors / (machine.accumulators // 2))
    return Tiles(
        row_folds=ceil(layer.c * layer.r * layer.s / machine.rows),
        column_folds=ceil(layer.k / machine.columns),
        chunks=chunks,
        vectors=ceil(vectors / chunks),
        planes=ceil(layer.weight_bits / 8),
        passes=ceil(layer.input_bits / 8),
        groups=layer.groups,
    )


def counters(layer: Layer, machine: Tpu) -> Counters:
    """Cycles of one layer alone, by what the matrix unit does in them; the host is left out."""
    if not layer.macs:
        return Counters(other=_other_cycles(layer, machine))
    cut, load, shift = tiles(layer, machine), machine.load_cycles, machine.rows
    idle = max(load, shift, cut.streamed) - cut.streamed  # of every tile but the first
    return Counters(
        active=cut.count * cut.streamed,
        shift=shift + (cut.count - 1) * min(shift, idle),
        stall=load + (cut.count - 1) * (idle - min(shift, idle)),
        raw=machine.drain_cycles,
        useful=_useful(layer, cut, machine),
    )


def cycles(layer: Layer, machine: Tpu) -> int:
    """Cycles of one layer alone, from asking for its first tile until its last result is in the unified buffer."""
    if not layer.macs:
        return _other_cycles(layer, machine)
    cut, load = tiles(layer, machine), machine.load_cycles
    steady = (cut.count - 1) * max(load, machine.rows, cut.streamed)
    return load + machine.rows + steady + cut.streamed + machine.rows + machine.columns - 1


def _useful(layer: Layer, cut: Tiles, machine: Tpu) -> int:
    """Active cycles of a layer that would fill the array: both rates below 1 are counted as full."""
    return ceil(layer.macs * cut.planes * cut.passes / machine.tile_bytes)


def _other_cycles(layer: Layer, machine: Tpu) -> int:
    """Cycles of the activation unit for a layer that multiplies nothing."""
    if layer.operator in ON_THE_FLY:
        return 0
    if layer.operator in POOLING:
        rows = ceil(layer.groups / machine.columns)
        return layer.n * layer.p * layer.q * layer.r * layer.s * rows
    return ceil((layer.outputs if layer.operator in MOVES else layer.ops) / machine.columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """How a layer runs in its network: one part of it, its tiles, how many parts, and what crosses the link."""

    part: Layer
    cut: Tiles | None
    count: int
    host_bytes: int


def _steps(layers: Sequence[Layer], machine: Tpu) -> list[_Step]:
    """Parts of the batch where the unified buffer is too small, and the bytes between each layer and the host."""
    known = {id(layer): _demand(layer, machine) for layer in layers}  # networks repeat their layers
    demands = [known[id(layer)] for layer in layers]
    split, count = parts(demands, machine.unified_buffer_bytes)
    working = [i for i, demand in enumerate(demands) if demand.held]
    moved = [0] * len(layers)
    for i in working:
        spilled = demands[i].held > machine.unified_buffer_bytes and count == 1
        moved[i] += demands[i].read if spilled or i == working[0] else 0
        moved[i] += demands[i].written if spilled or i == working[-1] else 0
    cuts: dict[tuple[int, int], tuple[Layer, Tiles | None]] = {}
    found = []
    for i, layer in enumerate(layers):
        own = count if i < split else 1
        if (id(layer), own) not in cuts:
            part = layer if own == 1 else _part(layer, own)
            cuts[id(layer), own] = part, tiles(part, machine) if layer.macs else None
        part, cut = cuts[id(layer), own]
        found.append(_Step(part=part, cut=cut, count=own, host_bytes=moved[i]))
    return found


def _demand(layer: Layer, machine: Tpu) -> Demand:
    held = layer.operator not in ON_THE_FLY
    return Demand(
        batch=layer.n,
        read=_stored(layer.inputs, layer.input_bits) if held else 0,
        written=_stored(layer.outputs, layer.output_bits) if held else 0,
        weights=lambda count: (
            count * tiles(_part(layer, count), machine).count * machine.tile_bytes if layer.macs else 0
        ),
    )


def _part(layer: Layer, count: int) -> Layer:
    """One of `count` parts of the batch."""
    return replace(layer, n=layer.n // count, ops=layer.ops // count)


def network_counters(layers: Sequence[Layer], machine: Tpu) -> Counters:
    """Cycles of a whole network, run once: tiles are fetched ahead across layers; the host's cycles are in."""
    steps = _steps(layers, machine)
    host = sum(step.host_bytes for step in steps) * machine.clock_hz / machine.link_bytes_per_s
    return sum(_run(steps, machine), Counters(host=ceil(host)))


def _run(steps: Sequence[_Step], machine: Tpu) -> list[Counters]:
    """The counters of each layer where it stands, all parts of it."""
    works = [_work(step.part, step.cut, machine) for step in steps]
    count = max((step.count for step in steps), default=1)
    split = sum(step.count > 1 for step in steps)
    times = timeline(
        [*works[:split] * count, *works[split:]],
        load=machine.load_cycles,
        shift=machine.rows,
        slots=machine.fifo_tiles,
        drain=machine.drain_cycles,
    )
    whole = times[split * count :]
    return [sum(times[i : split * count : split], Counters()) for i in range(split)] + whole


def _work(layer: Layer, cut: Tiles | None, machine: Tpu) -> Work:
    if cut is None:
        return Work(other=_other_cycles(layer, machine))
    return Work(tiles=cut.count, streamed=cut.streamed, useful=_useful(layer, cut, machine))


def unified_buffer_bytes(layers: Sequence[Layer]) -> int:
    """The most that inputs and outputs of one layer take of the unified buffer."""
    return max(_stored(x.inputs, x.input_bits) + _stored(x.outputs, x.output_bits) for x in layers)


def _stored(values: int, bits: int) -> int:
    """Bytes of values that lie in whole bytes each."""
    return values * ceil(bits / 8)


def cost(layers: Sequence[Layer], machine: Tpu) -> list[Cost]:
    """One `Cost` per layer, in the order they run; the first reads from the host, the last writes to it.

    `cycles` holds the waits for weights, which the pipeline cannot be told apart from; `dram_bytes` are of weight
    memory and of the host's, across the link.
    """
    steps = _steps(layers, machine)
    times = _run(steps, machine)
    return each(layers, lambda layer, step, time: _layer(layer, step, time, machine), steps, times)


def _layer(layer: Layer, step: _Step, time: Counters, machine: Tpu) -> Cost:
    cycles, host_s = time.total, step.host_bytes / machine.link_bytes_per_s
    latency_s = cycles / machine.clock_hz + host_s
    levels = _bytes_by_level(step, machine)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=cycles,
        latency_s=latency_s,
        dram_bytes=levels["dram"],
        utilisation=layer.macs / (cycles * machine.tile_bytes) if layer.macs else None,
        bound="compute" if 2 * (time.stall / machine.clock_hz + host_s) <= latency_s else "memory",
        energy_by_component_j={
            "idle": machine.idle_w * latency_s,
            "busy": (machine.busy_w - machine.idle_w) * latency_s,
            "dram": levels["weight_fifo"] * weight_dram.byte_j(machine.dram),
        },
        bytes_by_level=levels,
    )


def _bytes_by_level(step: _Step, machine: Tpu) -> dict[str, int]:
    """Bytes of all parts of a layer; `dram` is of weight memory (`weight_fifo`) and of the host's (`link`)."""
    layer, cut, count, host_bytes = step.part, step.cut, step.count, step.host_bytes
    weights, buffer, sums = 0, 0, 0
    if cut is not None:
        weights = cut.count * machine.tile_bytes + layer.biases * ACCUMULATOR_BYTES
        buffer = cut.count * cut.streamed * machine.rows + _stored(layer.outputs, layer.output_bits)
        activated = cut.groups * cut.chunks * cut.column_folds
        sums = (cut.count * cut.passes + activated) * cut.vectors * machine.columns * ACCUMULATOR_BYTES
    elif layer.operator not in ON_THE_FLY:
        buffer = unified_buffer_bytes([layer])
    return {
        "dram": count * weights + host_bytes,
        "weight_fifo": count * weights,
        "link": host_bytes,
        "unified_buffer": count * buffer,
        "accumulators": count * sums,
    }


def area_m2(machine: Tpu) -> float:
    """The die's, as published: an upper bound."""
    return machine.chip_area_m2
