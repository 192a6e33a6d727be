"""Machine-learning units (PuDianNao); left out: pipeline fill, rounding of single blocks, halos of windows, control.

Rows of features meet in pairs: distances of instances and centroids, products of neurons and weights. A unit works on
one pair, `lanes` features a cycle, through six stages, and so do all units side by side:

    Counter ──▶ Adder ──▶ Multiplier ──▶ Adder tree ──▶ Acc ──▶ Misc      adders lanes + lanes + (lanes - 1) + 1 + 1
    counts      differ.   or products    one sum        chunks  functions, k-sorter       multipliers lanes + 1

    products    cycles = groups ceil(n p q k / units) ceil(c r s / lanes); windows of a convolution are rows, unrolled
    other       cycles = ceil(ops / (units lanes)); functions, a minimum right behind products: in Misc, 0; moves: 0

DRAM: half of each buffer is used while the other is loaded. HotBuf holds rows of weights (k of them), ColdBuf rows of
inputs (n p q), OutputBuf sums. The order of loops with the least traffic is taken (`tilings`): hot rows stay and cold
ones pass, cold rows stay, or, where rows are long, the sums of a block stay and both pass in pieces. A reduction right
behind products (k-means, k-NN) keeps them on chip. Latency is the larger of compute and DRAM. Energy is the chip's
average power times the latency, and DRAM by the byte.

Paper     Liu et al., "PuDianNao", ASPLOS 2015, https://doi.org/10.1145/2694344.2694358
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lamina.core.errors import BadInput
from lamina.hw.components import memory
from lamina.hw.cost import Cost, each
from lamina.hw.families import _checks
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

MULTIPLY = frozenset({"conv2d", "linear", "matmul"})
SORTED = frozenset({"reduce_min", "reduce_max"})  # what the k-sorter of Misc does behind products
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
SUM_BYTES = 4  # Acc, Misc and Counter are 32 bits wide
USES = {
    "cycles": ("units", "lanes"),
    "latency_s": ("units", "lanes", "clock_hz", "dram_bytes_per_s"),
    "dram_bytes": ("bits", "hot_bytes", "cold_bytes", "output_bytes"),
    "utilisation": ("units", "lanes"),
    "energy_j": ("chip_w", "dram_word_j"),
    "area_m2": ("chip_area_m2",),
}
COMPONENTS = (memory,)


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineLearningUnit:
    units: int = 16  # 1..4096
    lanes: int = 16  # features a unit takes in a cycle, 1..4096
    bits: int = 16  # of a feature
    clock_hz: float = 1e9
    hot_bytes: int = 8 * 1024
    cold_bytes: int = 16 * 1024
    output_bytes: int = 8 * 1024
    dram_bytes_per_s: float = 250e9
    chip_w: float = 0.596
    chip_area_m2: float = 3.51e-6

    def __post_init__(self) -> None:
        _checks.positive(self)
        for name in ("units", "lanes"):
            if getattr(self, name) > 4096:
                raise BadInput(f"machine_learning_unit: {name} is {getattr(self, name)}, 1 to 4096 are allowed")
        if self.bits > 64:
            raise BadInput(f"machine_learning_unit: bits is {self.bits}, 1 to 64 are allowed")
        least = {"hot_bytes": self.row_bytes(1), "cold_bytes": self.row_bytes(1), "output_bytes": SUM_BYTES}
        for name, size in least.items():
            if getattr(self, name) < 2 * size:
                raise BadInput(
                    f"machine_learning_unit: {name} is {getattr(self, name)}, at least {2 * ceil(size)} bytes are "
                    "needed: two halves of one word"
                )

    @property
    def adders(self) -> int:
        """Of one unit, all stages: 16 + 16 + 15 + 1 + 1 = 49."""
        return 2 * self.lanes + (self.lanes - 1) + 2

    @property
    def multipliers(self) -> int:
        """Of one unit: 16 of the Multiplier stage, 1 of Misc."""
        return self.lanes + 1

    @property
    def ops_per_cycle(self) -> int:
        """All units: 16 x (49 + 17) = 1056."""
        return self.units * (self.adders + self.multipliers)

    def row_bytes(self, features: int) -> float:
        """Bytes of a row of so many features."""
        return features * self.bits / 8


def refusal(layer: Layer, machine: MachineLearningUnit) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no stage for {layer.operator}"
    return _checks.too_wide(layer, machine.bits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """An order of loops: rows and features of a block, what comes over the pins, what is carried between blocks."""

    order: str  # hot_stays | cold_stays | sums_stay
    hot_rows: int
    cold_rows: int
    features: int
    read_bytes: float
    hot_passes: int  # times that the running minima of all cold rows leave and come back, plus 1

    def instructions(self, cold: int, hot: int, features: int) -> int:
        """Blocks of a product of `cold` by `hot` rows: one instruction each."""
        return ceil(hot / self.hot_rows) * ceil(cold / self.cold_rows) * ceil(features / self.features)


def tilings(cold: int, hot: int, features: int, machine: MachineLearningUnit) -> list[Tiling]:
    """The orders that fit the buffers, for `cold` rows against `hot` rows; all counts at least 1.

    Blocks fill half of HotBuf and ColdBuf. `hot_stays` and `cold_stays` need whole rows; `sums_stay` needs the 32-bit
    sums of a block in half of OutputBuf, and takes both kinds of rows in pieces of as many features as fit.
    """
    row = machine.row_bytes(features)
    hot_half, cold_half, sums = machine.hot_bytes / 2, machine.cold_bytes / 2, machine.output_bytes / 2 // SUM_BYTES
    hot_rows, cold_rows = min(hot, int(hot_half // row)), min(cold, int(cold_half // row))
    found = []
    if hot_rows and cold_rows:
        passes = ceil(hot / hot_rows)
        shared = {"hot_rows": hot_rows, "cold_rows": cold_rows, "features": features}
        found.append(Tiling(order="hot_stays", read_bytes=row * (hot + cold * passes), hot_passes=passes, **shared))
        passes = ceil(cold / cold_rows)
        found.append(Tiling(order="cold_stays", read_bytes=row * (cold + hot * passes), hot_passes=1, **shared))
    rows = 1
    while rows <= sums:  # powers of two of hot rows: a larger buffer has every choice of a smaller one
        h = min(rows, hot)
        m = min(cold, int(sums // rows), int(cold_half // machine.row_bytes(1)))
        piece = min(features, int(hot_half // machine.row_bytes(h)), int(cold_half // machine.row_bytes(m)))
        if piece:
            read = row * (cold * ceil(hot / h) + hot * ceil(cold / m))
            found.append(
                Tiling(order="sums_stay", hot_rows=h, cold_rows=m, features=piece, read_bytes=read, hot_passes=1)
            )
        rows *= 2
    return found


def untiled_bytes(cold: int, hot: int, features: int, machine: MachineLearningUnit) -> float:
    """Bytes read where every cold row comes once and meets every hot row, which comes anew each time."""
    return machine.row_bytes(features) * (cold + cold * hot)


def saved_share(cold: int, hot: int, features: int, machine: MachineLearningUnit) -> float:
    """The share of `untiled_bytes` that the best tiling does not read."""
    least = min(t.read_bytes for t in tilings(cold, hot, features, machine))
    return 1 - least / untiled_bytes(cold, hot, features, machine)


def cycles(layer: Layer, machine: MachineLearningUnit) -> int:
    """Cycles of the units for one layer that stands alone."""
    if layer.macs:
        cold, hot, features = rows(layer)
        return layer.groups * ceil(cold * hot / machine.units) * ceil(features / machine.lanes)
    if layer.operator in ON_THE_FLY or layer.operator in MOVES:
        return 0
    return ceil(layer.ops / (machine.units * machine.lanes))


def rows(layer: Layer) -> tuple[int, int, int]:
    """Cold rows, hot rows and features of one group of a layer that multiplies."""
    return layer.n * layer.p * layer.q, layer.k, layer.c * layer.r * layer.s


def cost(layers: Sequence[Layer], machine: MachineLearningUnit) -> list[Cost]:
    """One `Cost` per layer; a minimum or maximum right behind a product of as many numbers is the k-sorter's."""
    if not layers:
        return []
    behind = [
        after
        if layer.macs and after is not None and after.operator in SORTED and after.inputs == layer.outputs
        else None
        for layer, after in zip(layers, [*layers[1:], None], strict=True)
    ]
    sorting = [False, *(after is not None for after in behind[:-1])]
    return each(
        layers, lambda layer, after, inside: _layer(layer, machine, behind=after, sorting=inside), behind, sorting
    )


def _layer(layer: Layer, machine: MachineLearningUnit, *, behind: Layer | None, sorting: bool) -> Cost:
    busy = 0 if sorting else cycles(layer, machine)
    dram = ceil(layer.outputs * machine.bits / 8) if sorting else dram_bytes(layer, machine, behind)
    compute_s, memory_s = busy / machine.clock_hz, dram / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    features = machine.row_bytes(machine.lanes)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=dram,
        utilisation=layer.macs / (busy * machine.units * machine.lanes) if layer.macs else None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j={"chip": machine.chip_w * latency_s, "dram": dram * memory.dram_byte_j()},
        bytes_by_level={
            "dram": dram,
            "hot": ceil(busy * machine.units * features) if layer.macs else 0,
            "cold": ceil(busy * features),
            "output": ceil(layer.outputs * machine.bits / 8) if busy else 0,
        },
    )


def dram_bytes(layer: Layer, machine: MachineLearningUnit, behind: Layer | None = None) -> int:
    """Bytes between DRAM and the three buffers, of the best order; `behind` is the reduction that takes the results."""
    word = machine.bits / 8
    if layer.operator in ON_THE_FLY:
        return 0
    if not layer.macs:
        return ceil((layer.inputs + layer.outputs) * word)
    cold, hot, features = rows(layer)
    kept = 0.0 if behind is None else behind.outputs * word / layer.groups  # of one group
    least = min(
        t.read_bytes + 2 * (t.hot_passes - 1) * kept for t in tilings(cold, hot, features, machine)
    )  # minima go out and come back between blocks of hot rows
    return ceil(layer.groups * least + layer.biases * word + (layer.outputs * word if behind is None else 0))


def area_m2(machine: MachineLearningUnit) -> float:
    """Square metres of the chip, as published."""
    return machine.chip_area_m2
