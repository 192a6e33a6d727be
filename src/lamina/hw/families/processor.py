"""Processor by data sheet: a roofline; left out: parallel efficiency, starting kernels, caches between the layers.

    t = max(2 MACs / (cores x operations a cycle x clock), bytes / DRAM bandwidth)        energy = power x t

Operations a cycle are of one core (a GPU's multiprocessor) and depend on the word length: 8, 16 or 32 bits; shorter
words run in the next wider unit. A cache of S words cuts the loops into square blocks: a product of so many MACs then
moves at least 2 MACs / sqrt(u S) words, where u = r s / stride^2 is how often a convolution uses an input again, and
each tensor crosses the pins at least once a layer. Energy is the board's rated power for the whole time, whatever is
busy: an upper bound where the data sheet's power is one. What a data sheet does not tell is None.

Papers    Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785;
          blocking: Hong, Kung, STOC 1981; of convolutions: Chen et al., HPCA 2020
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.ir.layer import Layer

OPERATIONS = ("ops_per_cycle_8", "ops_per_cycle_16", "ops_per_cycle_32")
USES = {
    "cycles": ("cores", *OPERATIONS),
    "latency_s": ("cores", "clock_hz", *OPERATIONS, "dram_bytes_per_s", "cache_bytes"),
    "dram_bytes": ("cache_bytes",),
    "utilisation": ("cores", "clock_hz", *OPERATIONS, "dram_bytes_per_s", "cache_bytes"),
    "energy_j": ("power_w", "cores", "clock_hz", *OPERATIONS, "dram_bytes_per_s", "cache_bytes"),
    "area_m2": ("chip_area_m2",),
}
COMPONENTS = ()
WIDEST_BITS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    cores: int = 1  # or multiprocessors, compute units; of all sockets
    clock_hz: float = 1e9
    ops_per_cycle_32: float = 2  # of one core, float32: a multiplication and an addition are two
    ops_per_cycle_16: float = 2  # of one core, 16-bit words, integer or float
    ops_per_cycle_8: float = 2
    cache_bytes: float = 1e6  # of the last level, shared; what loops are cut for
    dram_bytes_per_s: float = 1e10
    power_w: float | None = None  # of the board or the sockets; None: not told
    chip_area_m2: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.cores <= 10**6:
            raise BadInput(f"processor: cores is {self.cores}, 1 to 1000000 are allowed")
        for name in ("clock_hz", *OPERATIONS, "cache_bytes", "dram_bytes_per_s", "power_w", "chip_area_m2"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"processor: {name} is {value}, a positive number is needed")
        if not self.ops_per_cycle_8 >= self.ops_per_cycle_16 >= self.ops_per_cycle_32:
            raise BadInput("processor: ops_per_cycle_8 is at least ops_per_cycle_16, and that ops_per_cycle_32")

    @property
    def float32_ops_per_s(self) -> float:
        """The data sheet's peak: multiplications and additions a second."""
        return self.cores * self.ops_per_cycle_32 * self.clock_hz

    @property
    def float16_ops_per_s(self) -> float:
        return self.cores * self.ops_per_cycle_16 * self.clock_hz

    @property
    def int8_ops_per_s(self) -> float:
        return self.cores * self.ops_per_cycle_8 * self.clock_hz


def refusal(layer: Layer, machine: Processor) -> str | None:
    """Why `machine` cannot run `layer`; None where it can: a processor runs every operator."""
    widest = max(layer.input_bits, layer.weight_bits)
    if layer.macs and widest > WIDEST_BITS:
        return f"words of {widest} bits, data sheets give rates up to {WIDEST_BITS}"
    return None


def ops_per_cycle(layer: Layer, machine: Processor) -> float:
    """Operations a cycle of all cores at the word length of `layer`."""
    bits = max(layer.input_bits, layer.weight_bits) if layer.macs else layer.input_bits
    wide = machine.ops_per_cycle_32 if bits > 16 else machine.ops_per_cycle_16 if bits > 8 else machine.ops_per_cycle_8
    return machine.cores * wide


def cycles(layer: Layer, machine: Processor) -> int:
    """Cycles of the arithmetic of `layer` with every unit of every core busy."""
    return ceil((2 * layer.macs or layer.ops) / ops_per_cycle(layer, machine))


def traffic_bytes(layer: Layer, cache_bytes: float) -> int:
    """Bytes between DRAM and a processor whose loops over `layer` are cut to blocks that fit `cache_bytes`."""
    once = layer.weight_bytes + layer.biases * layer.weight_bits / 8 + layer.input_bytes + layer.output_bytes
    if not layer.macs:
        return ceil(once)
    word = max(layer.input_bits, layer.weight_bits) / 8
    reuse = max(1.0, layer.r * layer.s / (layer.stride[0] * layer.stride[1]))
    blocked = 2 * layer.macs / sqrt(max(1.0, reuse * cache_bytes / word)) * word
    return ceil(max(once, blocked))


def cost(layers: Sequence[Layer], machine: Processor) -> list[Cost]:
    """One `Cost` per layer; layers follow one another."""
    return each(layers, lambda layer: _layer(layer, machine))


def _layer(layer: Layer, machine: Processor) -> Cost:
    rate = ops_per_cycle(layer, machine) * machine.clock_hz
    compute_s = (2 * layer.macs or layer.ops) / rate
    moved = traffic_bytes(layer, machine.cache_bytes)
    memory_s = moved / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=cycles(layer, machine),
        latency_s=latency_s,
        dram_bytes=moved,
        utilisation=min(1.0, compute_s / latency_s) if layer.macs else None,  # rounding
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j=None if machine.power_w is None else {"board": machine.power_w * latency_s},
        bytes_by_level={"dram": moved},
    )


def area_m2(machine: Processor) -> float | None:
    """The chip's, where the data sheet tells."""
    return machine.chip_area_m2
