"""Row-stationary array (Eyeriss); left out: FIFO depth, skew between elements, refresh of the DRAM, voltage, host.

Rows x columns elements, each with register files for filters, inputs and partial sums, behind a banked global buffer;
three input networks and one output network. A layer is cut into equal passes (`_row_stationary_mapping`):

    cycles      groups passes (fill + beats of a three-stage pipeline + drain): load, multiply, sums climb
    latency     cycles / clock + filters that were not preloaded in time + inputs and results over the DRAM link,
                during which the array stands still
    DRAM        weights as often as strips and image groups ask for, inputs once a round, results once; where the
                density of activations is known they are run-length coded: (run, value) pairs, three in 64 bits

Energy: each multiplication, register, neighbour and buffer access, DRAM words, and a clock network that always runs. A
zero activation switches off its filter read, its multiplier and its sum. Chip power is all but DRAM over latency.
Pooling, sums and the like are one operation an element and cycle, operands from DRAM and back; moves are DMA.

Paper     Chen et al., JSSC 2017, https://doi.org/10.1109/JSSC.2016.2616357; costs of ISCA 2016, table IV
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from lamina.core.errors import BadInput, Unsupported
from lamina.hw.cost import Cost, each
from lamina.hw.families import _checks
from lamina.hw.families._row_stationary_mapping import Counts, Mapping, best
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

MULTIPLY = frozenset({"conv2d", "linear", "matmul"})
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY
_SIZES = ("rows", "columns", "filter_words", "input_words", "sum_words", "glb_bytes", "glb_banks")
USES = {
    "cycles": (*_SIZES, "bits", "filter_bus_words", "input_bus_words", "sum_bus_words"),
    "latency_s": (*_SIZES, "bits", "clock_hz", "filter_buffer_bytes", "dram_bytes_per_s", "run_bits"),
    "dram_bytes": (*_SIZES, "bits", "run_bits"),
    "utilisation": _SIZES,
    "energy_j": ("mac_j", "register_j", "hop_j", "buffer_j", "dram_j", "clock_w"),
    "area_m2": ("core_area_m2",),
}
COMPONENTS = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RowStationary:
    rows: int = 12
    columns: int = 14
    bits: int = 16  # of every word
    clock_hz: float = 200e6
    filter_words: int = 224  # register file of an element
    input_words: int = 12
    sum_words: int = 24
    glb_bytes: int = 100 * 1024  # inputs and psums
    glb_banks: int = 25  # each for one of the two
    filter_buffer_bytes: int = 8 * 1024  # filters of the next pass
    filter_bus_words: int = 4  # a cycle, multicast
    input_bus_words: int = 1
    sum_bus_words: int = 4  # a cycle, in and out at once
    dram_bytes_per_s: float = 480e6
    run_bits: int = 5  # of a run of zeros
    mac_j: float = 2e-12
    register_j: float = 2e-12  # a word
    hop_j: float = 4e-12  # a word to a neighbour or into an element
    buffer_j: float = 12e-12  # a word
    dram_j: float = 400e-12  # a word
    clock_w: float = 0.109
    core_area_m2: float = 12.25e-6

    def __post_init__(self) -> None:
        _checks.positive(self)
        for name, most in (
            ("rows", 256), ("columns", 256), ("bits", 64), ("filter_words", 65536), ("input_words", 4096),
            ("sum_words", 4096), ("glb_banks", 4096), ("run_bits", 16), ("filter_bus_words", 1024),
            ("input_bus_words", 1024), ("sum_bus_words", 1024), ("glb_bytes", 2**40),
        ):  # fmt: skip
            if getattr(self, name) > most:
                raise BadInput(f"row_stationary: {name} is {getattr(self, name)}, at most {most} are allowed")

    @property
    def elements(self) -> int:
        """Processing elements, one multiplier each."""
        return self.rows * self.columns

    @property
    def word_bytes(self) -> int:
        """Bytes that a word takes in the buffers."""
        return ceil(self.bits / 8)

    @property
    def peak_macs_per_s(self) -> float:
        """Multiply-accumulates a second with every element at work."""
        return self.elements * self.clock_hz


def refusal(layer: Layer, machine: RowStationary) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    if not layer.macs:
        return None
    if wide := _checks.too_wide(layer, machine.bits):
        return wide
    if layer.r > machine.rows:
        return f"filters of {layer.r} rows, the array has {machine.rows}"
    if layer.s > min(machine.input_words, machine.filter_words):
        return f"filter rows of {layer.s}, the register files hold {min(machine.input_words, machine.filter_words)}"
    if best(layer, machine) is None:
        return (
            f"the psums of one row and its inputs do not fit glb_bytes={machine.glb_bytes} in {machine.glb_banks} banks"
        )
    return None


def mapping(layer: Layer, machine: RowStationary) -> Mapping:
    """How a multiplying layer lies on the array; raises `Unsupported` where it does not."""
    return _mapped(layer, machine)[0]


def active_elements(layer: Layer, machine: RowStationary) -> int:
    """Elements at work in every pass of a multiplying layer."""
    return int(_mapped(layer, machine)[1].active)


def _mapped(layer: Layer, machine: RowStationary) -> tuple[Mapping, Counts]:
    reason = refusal(layer, machine)
    found = None if reason else best(layer, machine)
    if found is None:
        raise Unsupported(f"row_stationary cannot run {layer.name}: {reason}")
    return found


def cycles(layer: Layer, machine: RowStationary) -> int:
    """Cycles of the array for one layer, DRAM left aside (the paper's processing latency)."""
    if layer.macs:
        _, counted = _mapped(layer, machine)
        return int(layer.groups * counted.passes * counted.ticks)
    if layer.operator in ON_THE_FLY or layer.operator in MOVES:
        return 0
    return ceil(layer.ops / machine.elements)


def cost(layers: Sequence[Layer], machine: RowStationary) -> list[Cost]:
    """One `Cost` per layer; layers follow one another. Words are `machine.bits` wide whatever the layer says."""
    return each(layers, lambda layer: _multiplying(layer, machine) if layer.macs else _other(layer, machine))


def _multiplying(layer: Layer, machine: RowStationary) -> Cost:
    _, counted = _mapped(layer, machine)
    passes, busy = layer.groups * counted.passes, cycles(layer, machine)
    inputs = coded_bytes(layer.groups * counted.dram_inputs, _padded_density(layer, machine), machine)
    outputs = coded_bytes(layer.outputs, layer.output_density, machine)
    weights = (layer.groups * counted.dram_weights + layer.biases) * machine.word_bytes
    filters = counted.filter_words * machine.word_bytes
    early, link = min(filters, machine.filter_buffer_bytes), machine.dram_bytes_per_s
    late_s = max(0.0, early / link - counted.ticks / machine.clock_hz) + (filters - early) / link
    processing_s = busy / machine.clock_hz
    waiting_s = passes * late_s + (inputs + outputs) / link
    latency_s = processing_s + waiting_s
    buffered = layer.groups * (counted.input_words + counted.sum_words)
    energy = _switched_j(layer, counted, machine)
    energy["clock"] = machine.clock_w * latency_s
    energy["dram"] = (inputs + outputs + weights) / machine.word_bytes * machine.dram_j
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=inputs + outputs + weights,
        utilisation=layer.macs / (busy * machine.elements),
        bound="compute" if processing_s >= waiting_s else "memory",
        energy_by_component_j=energy,
        bytes_by_level={
            "dram": inputs + outputs + weights,
            "glb": buffered * machine.word_bytes,
            "filter_buffer": passes * filters,
            "registers": layer.groups * (4 * counted.macs + counted.received) * machine.word_bytes,
        },
    )


def _switched_j(layer: Layer, counted: Counts, machine: RowStationary) -> dict[str, float]:
    """Joules by component of what switches; of a multiplication by zero only the read of the zero."""
    full = counted.macs * layer.input_density
    words = counted.input_words + counted.sum_words + counted.passes * counted.filter_words
    return {
        "mac": layer.groups * full * machine.mac_j,
        "registers": layer.groups * (counted.macs + 3 * full + counted.received) * machine.register_j,
        "network": layer.groups * (counted.received + counted.hops) * machine.hop_j,
        "glb": layer.groups * words * machine.buffer_j,
    }


def _padded_density(layer: Layer, machine: RowStationary) -> float:
    """Share of the words of padded input planes that are not zero; 1 where the layer's density is not known."""
    if layer.input_density == 1:
        return 1.0
    top, bottom, left, right = layer.padding
    height, width = layer.input_size
    return layer.input_density * height * width / ((height + top + bottom) * (width + left + right))


def coded_bytes(words: int, density: float, machine: RowStationary) -> int:
    """Bytes of `words` activations in DRAM: run-length coded, or as they are where that is shorter or density is 1.

    A pair is a run of zeros and a word; a longer run takes more pairs. Zeros are taken to be scattered.
    """
    raw = words * machine.word_bytes
    if density == 1:
        return raw
    longest: int = 2**machine.run_bits
    overflow = (1 - density) ** longest
    pairs = ceil(words * density / (1 - overflow)) if density else ceil(words / longest)
    together = max(1, 63 // (machine.run_bits + machine.bits))  # pairs in 64 bits; one bit marks the last word
    return min(raw, 8 * ceil(pairs / together))


def _other(layer: Layer, machine: RowStationary) -> Cost:
    """Pooling, sums and moves: operands from DRAM and back; functions of one number as results leave, for nothing."""
    busy = cycles(layer, machine)
    free = layer.operator in ON_THE_FLY
    inputs = 0 if free else coded_bytes(layer.inputs, layer.input_density, machine)
    outputs = 0 if free else coded_bytes(layer.outputs, layer.output_density, machine)
    dram = inputs + outputs
    processing_s, waiting_s = busy / machine.clock_hz, dram / machine.dram_bytes_per_s
    touched = 0 if free else (layer.inputs + layer.outputs) * machine.word_bytes
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=0,
        cycles=busy,
        latency_s=processing_s + waiting_s,
        dram_bytes=dram,
        utilisation=None,
        bound="compute" if processing_s >= waiting_s else "memory",
        energy_by_component_j={
            "mac": layer.ops * machine.mac_j,
            "registers": 2 * layer.ops * machine.register_j,
            "network": 0.0,
            "glb": touched / machine.word_bytes * machine.buffer_j,
            "clock": machine.clock_w * (processing_s + waiting_s),
            "dram": dram / machine.word_bytes * machine.dram_j,
        },
        bytes_by_level={"dram": dram, "glb": touched, "filter_buffer": 0, "registers": 0},
    )


def area_m2(machine: RowStationary) -> float:
    """The core's, as published."""
    return machine.core_area_m2
