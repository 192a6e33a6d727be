"""Neural functional unit (DianNao); left out: pipeline fill, instruction fetch, bank conflicts, halos of input tiles.

Tn output neurons take Ti inputs each per cycle: Ti x Tn multipliers, Tn adder trees, then a piecewise-linear function.

    multiplying   cycles = n groups ceil(k / Tn) ceil(c / Ti) p q r s
    pooling       cycles = n ceil(channels / Ti) p q r s
    other         cycles = ceil(ops / Tn); activations on results as they leave: 0; moves are DMA, no cycles either

DRAM: NBin holds inputs, SB synapses, NBout partial sums, half of each while the other half is loaded. Of three loop
orders the one with the least traffic is taken: synapses stay and inputs pass, inputs stay and synapses pass, or (one
pixel: fully connected, private kernels) both are cut and NBout keeps the partial sums. Compute and DMA overlap: latency
is the larger. Energy is the average power of each unit times the latency, and DRAM by the byte.

Paper     Chen et al., "DianNao", ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
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

MULTIPLY = frozenset({"conv2d", "linear", "matmul", "conv_transpose2d"})
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
USES = {
    "cycles": ("inputs", "outputs"),
    "latency_s": ("inputs", "outputs", "clock_hz", "dram_bytes_per_s"),
    "dram_bytes": ("nbin_bytes", "nbout_bytes", "sb_bytes"),
    "utilisation": ("inputs", "outputs"),
    "energy_j": ("sb_w", "nbin_w", "nbout_w", "nfu_w", "control_w", "dram_word_j"),
    "area_m2": ("chip_area_m2",),
}
COMPONENTS = (memory,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nfu:
    inputs: int = 16  # Ti: synapses read per neuron and cycle
    outputs: int = 16  # Tn: neurons worked on per cycle
    bits: int = 16  # of every operand, fixed point
    fraction_bits: int = 10
    segments: int = 16  # of the piecewise-linear functions
    clock_hz: float = 0.98e9
    nbin_bytes: int = 2 * 1024
    nbout_bytes: int = 2 * 1024
    sb_bytes: int = 32 * 1024
    dram_bytes_per_s: float = 250e9
    sb_w: float = 0.105  # average power of each unit
    nbin_w: float = 0.091
    nbout_w: float = 0.092
    nfu_w: float = 0.132
    control_w: float = 0.065
    chip_area_m2: float = 3.02e-6

    def __post_init__(self) -> None:
        _checks.positive(self)
        if max(self.inputs, self.outputs) > 4096 or self.bits > 64 or self.fraction_bits >= self.bits:
            raise BadInput("nfu: at most 4096 inputs and outputs, 64 bits, and fewer fraction bits than bits")

    @property
    def ops_per_cycle(self) -> int:
        """Multiplications and adder-tree additions, the way the paper counts: 256 + 16 x 15 = 496."""
        return self.inputs * self.outputs + (self.inputs - 1) * self.outputs

    @property
    def power_w(self) -> float:
        return self.sb_w + self.nbin_w + self.nbout_w + self.nfu_w + self.control_w


def refusal(layer: Layer, machine: Nfu) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    return _checks.too_wide(layer, machine.bits)


def cycles(layer: Layer, machine: Nfu) -> int:
    """Cycles of the datapath for one layer."""
    spots = layer.n * layer.p * layer.q * layer.r * layer.s
    if layer.macs:
        return layer.groups * ceil(layer.k / machine.outputs) * ceil(layer.c / machine.inputs) * spots
    if layer.operator in ON_THE_FLY:
        return 0
    if layer.operator in MOVES:
        return 0
    if layer.operator in POOLING:
        return ceil(layer.groups / machine.inputs) * spots
    return ceil(layer.ops / machine.outputs)


def cost(layers: Sequence[Layer], machine: Nfu) -> list[Cost]:
    """One `Cost` per layer; layers follow one another. Operands are `machine.bits` wide whatever the layer says."""
    return each(layers, lambda layer: _layer(layer, machine))


def _layer(layer: Layer, machine: Nfu) -> Cost:
    busy = cycles(layer, machine)
    dram = dram_bytes(layer, machine)
    compute_s, memory_s = busy / machine.clock_hz, dram / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    word = machine.bits / 8
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=dram,
        utilisation=layer.macs / (busy * machine.inputs * machine.outputs) if layer.macs else None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j={
            "sb": machine.sb_w * latency_s,
            "nbin": machine.nbin_w * latency_s,
            "nbout": machine.nbout_w * latency_s,
            "nfu": machine.nfu_w * latency_s,
            "control": machine.control_w * latency_s,
            "dram": dram * memory.dram_byte_j(),
        },
        bytes_by_level={
            "dram": dram,
            "sb": ceil(busy * machine.inputs * machine.outputs * word) if layer.macs else 0,
            "nbin": ceil(busy * machine.inputs * word),
            "nbout": ceil(layer.outputs * word) if busy else 0,
        },
    )


def dram_bytes(layer: Layer, machine: Nfu) -> int:
    """Bytes between DRAM and the three buffers, of the best loop order."""
    if layer.operator in ON_THE_FLY:
        return 0
    word = machine.bits / 8
    inputs, outputs = layer.inputs * word, layer.outputs * word
    if not layer.macs:
        return ceil(inputs + outputs)
    weights = (layer.weights + layer.biases) * word
    group_weights, group_inputs = weights / layer.groups, inputs / layer.groups
    input_passes = 1 if group_inputs <= machine.nbin_bytes / 2 else ceil(group_weights / (machine.sb_bytes / 2))
    weight_passes = 1 if group_weights <= machine.sb_bytes / 2 else ceil(group_inputs / (machine.nbin_bytes / 2))
    orders = [weights + inputs * input_passes, inputs + weights * weight_passes]
    if layer.p == layer.q == 1:  # also a private kernel: one pixel a group
        orders.append(weights * layer.n + inputs * ceil(layer.k * word / machine.nbout_bytes))
    return ceil(min(orders) + outputs)


def area_m2(machine: Nfu) -> float:
    """The chip's, as published."""
    return machine.chip_area_m2
