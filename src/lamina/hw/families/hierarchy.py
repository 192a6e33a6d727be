"""Any array with any memories, mapped; left out: control, network hops, leakage, bank conflicts, reuse between layers.

An array of units with named dimensions and levels of memory, each holding some operands, is enough to say what a layer
costs once its loops are mapped. The mapper of `hw/mapping` looks for the mapping that moves the fewest bytes over the
pins, then takes the fewest cycles, among a fixed set of candidates, so that the same question has the same answer:

    latency = loops + stalls + filling + emptying + drain       energy = operations mac_j + accesses of each level

Pooling and additions of two tensors run on the array as nests without weights. What else has no multiplications moves
its tensors from DRAM and back, one operation a unit and cycle. One layer follows another.

Paper     Mei et al., "ZigZag", IEEE Trans. Computers 70(8), 2021, https://doi.org/10.1109/TC.2021.3059962
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, prod
from typing import Literal, get_args

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.hw.kinds import ON_THE_FLY
from lamina.hw.mapping import structure
from lamina.hw.mapping.evaluate import Evaluation
from lamina.hw.mapping.problem import Problem, is_nest, problem
from lamina.hw.mapping.search import search
from lamina.hw.mapping.structure import Dimension, Level
from lamina.ir.layer import Layer

ROWS = ("H20",)

Dataflow = Literal["any", "weight_stationary", "output_stationary", "input_stationary"]
USES = {
    "cycles": ("array", "level", "dataflow"),
    "latency_s": ("array", "level", "clock_hz"),
    "dram_bytes": ("level", "partial_sum_bits"),
    "utilisation": ("array", "level"),
    "energy_j": ("level", "mac_j"),
}
COMPONENTS = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Hierarchy:
    array: tuple[Dimension, ...]
    level: tuple[Level, ...]  # from the units outwards; the last one is dram
    clock_hz: float
    mac_j: float  # of one multiply-accumulate
    partial_sum_bits: int = 32
    dataflow: Dataflow = "any"  # the operand that stays at the units until it is done with

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz < float("inf"):
            raise BadInput(f"hierarchy: clock_hz is {self.clock_hz}, a positive number is needed")
        if not 0 <= self.mac_j < float("inf"):
            raise BadInput(f"hierarchy: mac_j is {self.mac_j}, a number of joules from 0 is needed")
        if not 1 <= self.partial_sum_bits <= 64:
            raise BadInput(f"hierarchy: partial_sum_bits is {self.partial_sum_bits}, 1 to 64 are allowed")
        if self.dataflow not in get_args(Dataflow):
            raise BadInput(f"hierarchy: dataflow {self.dataflow!r} is not one of {', '.join(get_args(Dataflow))}")
        structure.check(self.array, self.level, self.partial_sum_bits)

    @property
    def units(self) -> int:
        return prod(d.size for d in self.array)


def refusal(layer: Layer, machine: Hierarchy) -> str | None:
    """Why `machine` cannot run `layer`, None where it can: no memory may be too small for its smallest tile."""
    if not is_nest(layer):
        return None
    try:
        mapped(problem(layer), machine)
    except BadInput as e:
        return str(e)
    return None


@lru_cache(maxsize=4096)
def mapped(given: Problem, machine: Hierarchy) -> Evaluation:
    """The mapping that `cost` uses; raises `BadInput` where there is none."""
    return search(given, machine, objective="traffic")[0]


def cost(layers: Sequence[Layer], machine: Hierarchy) -> list[Cost]:
    """One `Cost` per layer; layers follow one another."""
    return each(layers, lambda layer: _nest(layer, machine) if is_nest(layer) else _mover(layer, machine))


def _nest(layer: Layer, machine: Hierarchy) -> Cost:
    given = problem(layer)
    found = mapped(given, machine)
    dram = machine.level[-1]
    spare = ceil(given.untouched_bits / dram.width(write=False))  # cycles, and accesses
    total, loops = found.cycles + spare, found.parts["loops"]
    energy = {"mac": found.mac_j, **found.level_j}
    energy["dram"] += spare * dram.access_j(write=False)
    moved = {name: ceil(size) for name, size in found.level_bytes.items()}
    moved["dram"] = ceil(found.level_bytes["dram"] + given.untouched_bits / 8)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=loops,
        latency_s=total / machine.clock_hz,
        dram_bytes=moved["dram"],
        utilisation=min(1.0, layer.macs / (loops * machine.units)) if layer.macs else None,
        bound="compute" if 2 * loops >= total else "memory",
        energy_by_component_j=energy,
        bytes_by_level=moved,
    )


def _mover(layer: Layer, machine: Hierarchy) -> Cost:
    """What has no nest: one operation a unit and cycle, tensors from DRAM and back; functions of one number pass by."""
    dram = machine.level[-1]
    passes = layer.operator in ON_THE_FLY
    reads = 0 if passes else ceil(8 * layer.input_bytes + 8 * layer.weight_bytes)
    writes = 0 if passes else ceil(8 * layer.output_bytes)
    into, out = ceil(reads / dram.width(write=False)), ceil(writes / dram.width(write=True))
    crossing = into + out if dram.ports == "shared" else max(into, out)
    busy = 0 if passes else ceil(layer.ops / machine.units)
    energy = {"mac": layer.ops * machine.mac_j, **{level.name: 0.0 for level in machine.level}}
    energy["dram"] = into * dram.access_j(write=False) + out * dram.access_j(write=True)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=max(busy, crossing) / machine.clock_hz,
        dram_bytes=ceil(reads / 8) + ceil(writes / 8),
        utilisation=None,
        bound="compute" if busy >= crossing else "memory",
        energy_by_component_j=energy,
        bytes_by_level={level.name: 0 for level in machine.level[:-1]} | {"dram": ceil(reads / 8) + ceil(writes / 8)},
    )


def area_m2(machine: Hierarchy) -> None:
    """None: a file of energies and widths does not tell."""
