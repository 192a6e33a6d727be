"""Mesh of output neurons (ShiDianNao); left out: conflicts of strided reads in a bank, overlap of mesh and ALU.

Each of Py x Px elements owns one output neuron of a map and keeps its sum; a synapse is broadcast to all of them, and
a neuron comes from the input buffer or from the right or lower neighbour, which has just used it (FIFO-H, FIFO-V).

    convolution   cycles = n groups k c r s ceil(p / Py) ceil(q / Px); the FIFOs fill while they are used: no start-up
    classifier    cycles = n groups ceil(k / (Py Px)) c r s: a synapse an element; a convolution of one output a map too
    pooling       cycles = n channels r s ceil(p / Py) ceil(q / Px)
    other         cycles = operands ceil(ops / (Py Px)); numbers that only move: 0
    ALU           cycles = ceil(results / results a cycle): functions, and the division of an average

Memory: where each layer's inputs fit NBin and results NBout, only the network's first inputs and last results cross
the pins; synapses that fit SB together are loaded once for good, before the first picture. A network that does not fit
is streamed: its list of layers is taken as a chain, a result that fits both buffers stays for the next layer, the rest
passes in the better of two loop orders (halos of stripes left out), overlapped with compute. Energy is the average
power of each unit times the latency, and DRAM by the byte.

Paper     Du et al., "ShiDianNao", ISCA 2015, https://doi.org/10.1145/2749469.2750389
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

MULTIPLY = frozenset({"conv2d", "linear"})
BORDER = frozenset({"quantise", "dequantise", "cast"})  # between number formats: the sensor's and the host's
FUNCTIONS = ON_THE_FLY - BORDER
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
USES = {
    "cycles": ("rows", "columns", "alu_results_per_cycle"),
    "latency_s": ("rows", "columns", "alu_results_per_cycle", "clock_hz", "dram_bytes_per_s"),
    "dram_bytes": ("nbin_bytes", "nbout_bytes", "sb_bytes"),
    "utilisation": ("rows", "columns"),
    "energy_j": ("nfu_w", "nbin_w", "nbout_w", "sb_w", "ib_w", "dram_word_j"),
    "area_m2": ("nfu_area_m2", "nbin_area_m2", "nbout_area_m2", "sb_area_m2", "ib_area_m2"),
}
COMPONENTS = (memory,)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputMesh:
    rows: int = 8  # Py, 1..1024
    columns: int = 8  # Px, 1..1024
    bits: int = 16  # of every operand, fixed point
    fraction_bits: int = 10
    segments: int = 16  # of the ALU's piecewise-linear functions
    alu_results_per_cycle: int = 1
    clock_hz: float = 1e9
    nbin_bytes: int = 64 * 1024
    nbout_bytes: int = 64 * 1024
    sb_bytes: int = 128 * 1024
    ib_bytes: int = 32 * 1024  # instructions of 61 bits
    dram_bytes_per_s: float = 250e9  # read only by networks that do not fit
    nfu_w: float = 0.2688  # average power of each unit
    nbin_w: float = 0.0355
    nbout_w: float = 0.0066
    sb_w: float = 0.0068
    ib_w: float = 0.0024
    nfu_area_m2: float = 0.66e-6
    nbin_area_m2: float = 1.12e-6
    nbout_area_m2: float = 1.12e-6
    sb_area_m2: float = 1.65e-6
    ib_area_m2: float = 0.31e-6

    def __post_init__(self) -> None:
        _checks.positive(self)
        for name in ("rows", "columns"):
            if getattr(self, name) > 1024:
                raise BadInput(f"output_mesh: {name} is {getattr(self, name)}, 1 to 1024 are allowed")
        if self.bits > 64 or self.fraction_bits >= self.bits:
            raise BadInput(
                f"output_mesh: bits is {self.bits} and fraction_bits {self.fraction_bits}: at most 64, and fewer "
                "fraction bits than bits"
            )

    @property
    def elements(self) -> int:
        """Elements of the mesh, 64."""
        return self.rows * self.columns

    @property
    def ops_per_cycle(self) -> int:
        """A multiplication, an addition and a comparison an element, two operations of the ALU: 64 x 3 + 2 = 194."""
        return 3 * self.elements + 2

    @property
    def power_w(self) -> float:
        """Average power of the chip, watts."""
        return self.nfu_w + self.nbin_w + self.nbout_w + self.sb_w + self.ib_w

    @property
    def chip_area_m2(self) -> float:
        """Area of the chip, square metres."""
        return self.nfu_area_m2 + self.nbin_area_m2 + self.nbout_area_m2 + self.sb_area_m2 + self.ib_area_m2


def refusal(layer: Layer, machine: OutputMesh) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    return _checks.too_wide(layer, machine.bits)


def is_classifier(layer: Layer) -> bool:
    """Whether a multiplying layer has one output neuron a map: elements then take neurons of different maps."""
    return layer.operator == "linear" or layer.p * layer.q == 1


def cycles(layer: Layer, machine: OutputMesh) -> int:
    """Cycles of the mesh and its ALU for one layer."""
    window = layer.r * layer.s
    if layer.macs:
        if is_classifier(layer):
            return layer.n * layer.groups * ceil(layer.k / machine.elements) * layer.c * window
        return layer.n * layer.groups * layer.k * layer.c * window * tiles(layer, machine)
    if layer.operator in FUNCTIONS:
        return ceil(layer.outputs / machine.alu_results_per_cycle)
    if layer.operator in BORDER or layer.operator in MOVES:
        return 0
    if layer.operator in POOLING:
        divisions = layer.outputs if layer.operator == "average_pool2d" else 0
        windows = layer.n * layer.groups * window * tiles(layer, machine)
        return windows + ceil(divisions / machine.alu_results_per_cycle)
    return layer.operands * ceil(layer.ops / machine.elements)


def tiles(layer: Layer, machine: OutputMesh) -> int:
    """Blocks of Py x Px output neurons that cover one map."""
    return ceil(layer.p / machine.rows) * ceil(layer.q / machine.columns)


def neurons_read(layer: Layer, machine: OutputMesh, *, propagation: bool = True) -> int:
    """Neurons that NBin delivers to the mesh for one layer; without `propagation` every element reads its own.

    Neighbouring windows of a tile of h x w elements share columns where the stride is a multiple of the dilation: then
    an element whose right neighbour used a column `hop` steps ago takes it from there, and rows likewise from below.
    """
    if layer.operator in ON_THE_FLY or layer.operator in MOVES:
        return 0
    if layer.macs and is_classifier(layer):
        return layer.n * layer.groups * ceil(layer.k / machine.elements) * layer.c * layer.r * layer.s  # broadcast
    if not layer.macs and layer.operator not in POOLING:
        return layer.inputs
    maps = layer.n * layer.groups * (layer.k * layer.c if layer.macs else 1)
    down = _read_along(layer.p, machine.rows, layer.r, layer.stride[0], layer.dilation[0], propagation)
    across = _read_along(layer.q, machine.columns, layer.s, layer.stride[1], layer.dilation[1], propagation)
    return maps * down * across


def _read_along(outputs: int, size: int, kernel: int, stride: int, dilation: int, propagation: bool) -> int:
    """Sum over the tiles of one axis of the (element, tap) pairs that no neighbour can serve."""
    blocks, rest = divmod(outputs, size)
    shared = max(0, kernel - stride // dilation) if propagation and stride % dilation == 0 else 0
    per_block = size * kernel - (size - 1) * shared
    return blocks * per_block + (rest * kernel - (rest - 1) * shared if rest else 0)


def cost(layers: Sequence[Layer], machine: OutputMesh) -> list[Cost]:
    """One `Cost` per layer of a chain of layers. Operands are `machine.bits` wide whatever the layer says."""
    return each(layers, lambda layer, dram: _layer(layer, dram, machine), dram_bytes(layers, machine))


def dram_bytes(layers: Sequence[Layer], machine: OutputMesh) -> list[int]:
    """Bytes that each layer of a network moves over the pins."""
    word = machine.bits / 8
    resident = sum(layer.weights + layer.biases for layer in layers) * word <= machine.sb_bytes
    stored = [layer for layer in layers if layer.operator not in ON_THE_FLY]
    fits = all(x.inputs * word <= machine.nbin_bytes and x.outputs * word <= machine.nbout_bytes for x in stored)
    found, kept, left = [], 0.0, len(stored)  # kept: bytes that the layers before have left in NBin
    for layer in layers:
        if layer.operator in ON_THE_FLY:
            found.append(0)
            continue
        left -= 1
        inputs, outputs = layer.inputs * word, layer.outputs * word
        weights = 0.0 if resident else (layer.weights + layer.biases) * word
        arriving = _streamed(inputs, weights, machine) - min(kept, inputs)
        stays = outputs <= min(machine.nbin_bytes, machine.nbout_bytes)
        found.append(ceil(arriving + (0 if stays and left else outputs)))
        kept = float("inf") if fits else outputs if stays else 0.0
    return found


def _streamed(inputs: float, weights: float, machine: OutputMesh) -> float:
    """Bytes in of one layer: inputs stay and synapses pass, or the other way round, whichever moves less."""
    input_passes = 1 if inputs <= machine.nbin_bytes or not weights else ceil(weights / (machine.sb_bytes / 2))
    weight_passes = 1 if weights <= machine.sb_bytes / 2 else ceil(inputs / (machine.nbin_bytes / 2))
    return min(weights + inputs * input_passes, inputs + weights * weight_passes)


def _layer(layer: Layer, dram: int, machine: OutputMesh) -> Cost:
    busy = cycles(layer, machine)
    compute_s, memory_s = busy / machine.clock_hz, dram / machine.dram_bytes_per_s
    latency_s = max(compute_s, memory_s)
    word = machine.bits / 8
    synapses = busy * (machine.elements if is_classifier(layer) else 1) if layer.macs else 0
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=dram,
        utilisation=layer.macs / (busy * machine.elements) if layer.macs else None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j={
            "nfu": machine.nfu_w * latency_s,
            "nbin": machine.nbin_w * latency_s,
            "nbout": machine.nbout_w * latency_s,
            "sb": machine.sb_w * latency_s,
            "ib": machine.ib_w * latency_s,
            "dram": dram * memory.dram_byte_j(),
        },
        bytes_by_level={
            "dram": dram,
            "sb": ceil(synapses * word),
            "nbin": ceil(neurons_read(layer, machine) * word),
            "nbout": ceil(layer.outputs * word) if busy else 0,
        },
    )


def area_m2(machine: OutputMesh) -> float:
    """Square metres of the chip: the mesh with its ALU, and the four buffers, as published."""
    return machine.chip_area_m2
