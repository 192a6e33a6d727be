"""Vector DSP: a VLIW core with wide vectors and a scratchpad; left out: latencies, bank conflicts, halos, stores.

A context (a core, or a hardware thread with vector registers of its own) issues one packet of instructions a cycle.
Output channels lie along the lanes, L = vector bits / word bits, V = ceil(k / L) vectors of them; half of the R
registers hold sums, B of one pixel or of B pixels:

    B pixels     a step of the inner loop (one of c r s) takes B multiply-accumulates, 1 vector load of weights and
                 scalar loads of B inputs, 32 bits each;   blocks = V ceil(n p q / B),    B = min(R / 2, n p q)
    B vectors    B multiply-accumulates, B vector loads, 1 scalar load; blocks = n p q ceil(V / B),  B = min(R / 2, V)
    packets = max(ceil(B L / MACs a cycle), ceil(loads / load slots), ceil(instructions / issue slots))
    cycles  = ceil(groups blocks / contexts) c r s packets, of the better of the two

Layers that do not multiply: ceil(ops / (contexts L)). A DMA engine fills one half of the scratchpad while the other is
worked on, and moves what loops cut for that half move (`processor.traffic_bytes`): latency is the larger of the two.

Papers    Codrescu et al., "Hexagon", IEEE Micro 34(2), 2014, https://doi.org/10.1109/MM.2014.12; blocking of registers:
          Goto, van de Geijn, ACM TOMS 34(3), 2008
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.hw.families.processor import traffic_bytes
from lamina.ir.layer import Layer

_ISSUE = ("contexts", "vector_bits", "macs_per_cycle_8", "macs_per_cycle_16", "load_slots", "issue_slots", "registers")
USES = {
    "cycles": _ISSUE,
    "latency_s": (*_ISSUE, "clock_hz", "scratchpad_bytes", "dram_bytes_per_s"),
    "dram_bytes": ("scratchpad_bytes",),
    "utilisation": _ISSUE,
    "energy_j": (*_ISSUE, "clock_hz", "scratchpad_bytes", "dram_bytes_per_s", "power_w"),
    "area_m2": ("chip_area_m2",),
}
COMPONENTS = ()
SCALAR_BITS = 32
WIDEST_BITS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorDsp:
    contexts: int = 1  # that issue packets at the same time
    vector_bits: int = 1024
    macs_per_cycle_8: int = 128  # of one context
    macs_per_cycle_16: int = 64
    load_slots: int = 1  # loads in one packet, vector or scalar
    issue_slots: int = 4  # instructions in one packet
    registers: int = 32  # vectors; half of them hold sums
    scratchpad_bytes: int = 512 * 1024  # or the cache that takes its place
    clock_hz: float = 5e8
    dram_bytes_per_s: float = 1e10
    power_w: float | None = None  # None: not told
    chip_area_m2: float | None = None

    def __post_init__(self) -> None:
        for name in ("contexts", "macs_per_cycle_8", "macs_per_cycle_16", "load_slots", "issue_slots"):
            if not 1 <= getattr(self, name) <= 65536:
                raise BadInput(f"vector_dsp: {name} is {getattr(self, name)}, 1 to 65536 are allowed")
        if not 16 <= self.vector_bits <= 65536 or self.vector_bits % 16:
            raise BadInput(f"vector_dsp: vector_bits is {self.vector_bits}, multiples of 16 up to 65536 are allowed")
        if not 2 <= self.registers <= 4096:
            raise BadInput(f"vector_dsp: registers is {self.registers}, 2 to 4096 are allowed")
        for name in ("scratchpad_bytes", "clock_hz", "dram_bytes_per_s", "power_w", "chip_area_m2"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"vector_dsp: {name} is {value}, a positive number is needed")


def refusal(layer: Layer, machine: VectorDsp) -> str | None:
    """Why `machine` cannot run `layer`; None where it can: every operator can be programmed."""
    widest = max(layer.input_bits, layer.weight_bits)
    if layer.macs and widest > WIDEST_BITS:
        return f"words of {widest} bits, the vector units multiply up to {WIDEST_BITS}"
    return None


def packets(machine: VectorDsp, *, products: int, loads: int, lanes: int, rate: int) -> int:
    """Packets that hold `products` vector multiply-accumulates of `lanes` and `loads` loads, in any order."""
    return max(
        ceil(products * lanes / rate),
        ceil(loads / machine.load_slots),
        ceil((products + loads) / machine.issue_slots),
    )


def cycles(layer: Layer, machine: VectorDsp) -> int:
    """Cycles of the datapath for one layer."""
    word, lanes, rate = _word(layer, machine)
    if not layer.macs:
        return ceil(layer.ops / (machine.contexts * lanes))
    pixels, vectors = layer.n * layer.p * layer.q, ceil(layer.k / lanes)
    of_pixels, of_vectors = (min(machine.registers // 2, count) for count in (pixels, vectors))
    schedules = (
        (vectors * ceil(pixels / of_pixels), of_pixels, 1 + ceil(of_pixels * word / SCALAR_BITS)),
        (pixels * ceil(vectors / of_vectors), of_vectors, of_vectors + 1),
    )
    steps = layer.c * layer.r * layer.s
    return min(
        ceil(layer.groups * blocks / machine.contexts)
        * steps
        * packets(machine, products=products, loads=loads, lanes=lanes, rate=rate)
        for blocks, products, loads in schedules
    )


def cost(layers: Sequence[Layer], machine: VectorDsp) -> list[Cost]:
    """One `Cost` per layer; layers follow one another."""
    return each(layers, lambda layer: _layer(layer, machine))


def _word(layer: Layer, machine: VectorDsp) -> tuple[int, int, int]:
    """Word length, lanes, and multiply-accumulates a cycle of one context."""
    narrow = max(layer.input_bits, layer.weight_bits) <= 8
    word, rate = (8, machine.macs_per_cycle_8) if narrow else (16, machine.macs_per_cycle_16)
    return word, machine.vector_bits // word, rate


def _layer(layer: Layer, machine: VectorDsp) -> Cost:
    busy = cycles(layer, machine)
    _, _, rate = _word(layer, machine)
    moved = traffic_bytes(layer, machine.scratchpad_bytes / 2)
    compute_s, memory_s = busy / machine.clock_hz, moved / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=moved,
        utilisation=layer.macs / (busy * machine.contexts * rate) if layer.macs else None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j=None if machine.power_w is None else {"chip": machine.power_w * latency_s},
        bytes_by_level={"dram": moved},
    )


def area_m2(machine: VectorDsp) -> float | None:
    """The chip's, where it is known."""
    return machine.chip_area_m2
