"""Data-flow machine: a unit fires when its operands are there; left out: contention of tokens, the compiler.

N cores of U multiply-accumulate units hang on queues. A unit per output channel holds its weight for a row of q output
pixels, the input token of a step is handed to all units, a sum leaves after c r s firings. In the steady state of such
a marked graph every unit fires at the rate of the slowest circle of tokens (Reiter):

    rate = min(1, Q / D, I, W q / U', O c r s / U')          firings a cycle,  U' = min(U, k) units at work

with Q tokens of room in a queue and D cycles until its place is free again, and I, W, O words a cycle of inputs,
weights, results. cycles = ceil(waves / rate) + D, waves = groups ceil(k / (N U)) n p q c r s. Layers that do not
multiply: one firing an operation, I words a cycle and core. DRAM streams into the queues while units fire, cut for the
memory beside them (`processor.traffic_bytes`).

Papers    Reiter, "Scheduling parallel computations", JACM 15(4), 1968, https://doi.org/10.1145/321479.321485;
          Dennis, Misunas, "A preliminary architecture for a basic data-flow processor", ISCA 1975
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.hw.families.processor import traffic_bytes
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

OPERATORS = frozenset({"conv2d", "linear", "matmul"}) | POOLING | SIMPLE | MOVES | ON_THE_FLY
_RATE = (
    "cores", "units", "queue_tokens", "round_trip_cycles",
    "input_words_per_cycle", "weight_words_per_cycle", "output_words_per_cycle",
)  # fmt: skip
USES = {
    "cycles": _RATE,
    "latency_s": (*_RATE, "clock_hz", "buffer_bytes", "dram_bytes_per_s"),
    "dram_bytes": ("buffer_bytes",),
    "utilisation": _RATE,
    "energy_j": (*_RATE, "clock_hz", "buffer_bytes", "dram_bytes_per_s", "power_w"),
}
COMPONENTS = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFlow:
    cores: int = 4  # N
    units: int = 32  # U, multiply-accumulate units of one core
    bits: int = 16  # of a token
    queue_tokens: int = 4  # Q, room of a queue before a unit
    round_trip_cycles: int = 4  # D, from sending a token until its place is free again
    input_words_per_cycle: float = 1.0  # I, of one core
    weight_words_per_cycle: float = 8.0  # W
    output_words_per_cycle: float = 1.0  # O
    buffer_bytes: int = 128 * 1024
    clock_hz: float = 3e8
    dram_bytes_per_s: float = 3.2e9
    power_w: float = 0.4

    def __post_init__(self) -> None:
        for name in ("cores", "units", "queue_tokens", "round_trip_cycles"):
            if not 1 <= getattr(self, name) <= 65536:
                raise BadInput(f"data_flow: {name} is {getattr(self, name)}, 1 to 65536 are allowed")
        if not 1 <= self.bits <= 32:
            raise BadInput(f"data_flow: bits is {self.bits}, 1 to 32 are allowed")
        for name in (
            "input_words_per_cycle", "weight_words_per_cycle", "output_words_per_cycle",
            "buffer_bytes", "clock_hz", "dram_bytes_per_s", "power_w",
        ):  # fmt: skip
            if not 0 < getattr(self, name) < float("inf"):
                raise BadInput(f"data_flow: {name} is {getattr(self, name)}, a positive number is needed")

    @property
    def macs_per_s(self) -> float:
        """Multiply-accumulates a second with every unit firing every cycle."""
        return self.cores * self.units * self.clock_hz


def refusal(layer: Layer, machine: DataFlow) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    widest = max(layer.input_bits, layer.weight_bits)
    if layer.macs and widest > machine.bits:
        return f"words of {widest} bits, the machine's tokens have {machine.bits}"
    return None


def firing_rate(layer: Layer, machine: DataFlow) -> float:
    """Firings a cycle of every unit at work, in (0, 1], in the steady state of a multiplying layer."""
    at_work = min(machine.units, layer.k)
    return min(
        1.0,
        machine.queue_tokens / machine.round_trip_cycles,
        machine.input_words_per_cycle,
        machine.weight_words_per_cycle * layer.q / at_work,
        machine.output_words_per_cycle * layer.c * layer.r * layer.s / at_work,
    )


def cycles(layer: Layer, machine: DataFlow) -> int:
    """Cycles of the datapath for one layer."""
    if layer.operator in ON_THE_FLY or layer.operator in MOVES:
        return 0
    if not layer.macs:
        return ceil(layer.ops / (machine.cores * min(machine.units, machine.input_words_per_cycle)))
    waves = (
        layer.groups * ceil(layer.k / (machine.cores * machine.units)) * layer.n * layer.p * layer.q
        * layer.c * layer.r * layer.s
    )  # fmt: skip
    return ceil(waves / firing_rate(layer, machine)) + machine.round_trip_cycles


def cost(layers: Sequence[Layer], machine: DataFlow) -> list[Cost]:
    """One `Cost` per layer; layers follow one another."""
    return each(layers, lambda layer: _layer(layer, machine))


def _layer(layer: Layer, machine: DataFlow) -> Cost:
    busy = cycles(layer, machine)
    moved = 0 if layer.operator in ON_THE_FLY else traffic_bytes(layer, machine.buffer_bytes)
    compute_s, memory_s = busy / machine.clock_hz, moved / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=moved,
        utilisation=layer.macs / (busy * machine.cores * machine.units) if layer.macs else None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j={"chip": machine.power_w * latency_s},
        bytes_by_level={"dram": moved},
    )


def area_m2(machine: DataFlow) -> None:
    """None: nobody tells."""
