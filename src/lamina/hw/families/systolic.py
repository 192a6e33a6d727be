"""Systolic array; left out: bank conflicts, overlap between layers, the final drain, idle energy, control.

A layer is a matrix product O[M, N] = I[M, K] W[K, N], M = n p q pixels, N = k filters, K = c r s (a group at a time),
cut into folds of R rows x C columns; one operand stays in the elements and the others are pumped past it, skewed:

    dataflow            spatial rows S_R, columns S_C    streamed T    cycles of a fold P
    output_stationary   M, N                             K              R + C + T - 2
    weight_stationary   K, N                             M             2R + C + T - 2
    input_stationary    K, M                             N             2R + C + T - 2

    folds F = ceil(S_R / R) ceil(S_C / C)        cycles = F P - 1, as SCALE-Sim counts: the index of the last one

Every fold pays for the whole array. DRAM: three double-buffered memories, half of each holds what is computed on. Row
folds or column folds are the outer loop, whichever moves less; what the inner folds share stays if it fits, else it is
read again for each of them, and partial sums that do not fit are spilled. Compute and DRAM overlap ideally:
latency = max((cycles + 1) / clock, DRAM bytes / bandwidth). One-operand elementwise layers act on the fly; other work
without weights is done by a vector unit of one lane a column, which fetches and stores what it works on.

Source    SCALE-Sim 3.0.0, its code (the paper's formula has one R more for output_stationary): Samajdar et al.,
          ISPASS 2020, https://doi.org/10.1109/ISPASS48437.2020.00016
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, lcm
from typing import Literal, get_args

from lamina.core.errors import BadInput
from lamina.hw.components import arithmetic, memory
from lamina.hw.cost import Cost, each
from lamina.hw.kinds import ON_THE_FLY
from lamina.ir.layer import Layer

Dataflow = Literal["output_stationary", "weight_stationary", "input_stationary"]
USES = {
    "cycles": ("rows", "columns", "dataflow"),
    "latency_s": ("clock_hz", "dram_bytes_per_s"),
    "dram_bytes": ("input_sram_bytes", "weight_sram_bytes", "output_sram_bytes"),
    "utilisation": ("rows", "columns", "dataflow"),
    "energy_j": ("multiply", "add", "between", "sram_word_j", "sram_between", "dram_word_j"),
    "area_m2": ("area", "cell_area_m2", "array_efficiency"),
}
COMPONENTS = (arithmetic, memory)


@dataclass(frozen=True, kw_only=True, slots=True)
class Systolic:
    rows: int = 32  # R, 1..65536
    columns: int = 32  # C, 1..65536
    dataflow: Dataflow = "weight_stationary"
    clock_hz: float = 1e9
    input_sram_bytes: int = 64 * 1024  # double-buffered: half holds what is computed on
    weight_sram_bytes: int = 64 * 1024
    output_sram_bytes: int = 64 * 1024
    dram_bytes_per_s: float = 10e9
    accumulator_bits: int = 32

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            if not 1 <= getattr(self, name) <= 65536:
                raise BadInput(f"systolic: {name} is {getattr(self, name)}, 1 to 65536 are allowed")
        if self.dataflow not in get_args(Dataflow):
            raise BadInput(f"systolic: dataflow {self.dataflow!r} is not one of {', '.join(get_args(Dataflow))}")
        for name in ("clock_hz", "dram_bytes_per_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadInput(f"systolic: {name} is {getattr(self, name)}, a positive number is needed")
        for name in ("input_sram_bytes", "weight_sram_bytes", "output_sram_bytes"):
            if not 2 <= getattr(self, name) <= 2**40:
                raise BadInput(f"systolic: {name} is {getattr(self, name)}, 2 to 2^40 bytes are allowed")
        if not 8 <= self.accumulator_bits <= 64:
            raise BadInput(f"systolic: accumulator_bits is {self.accumulator_bits}, 8 to 64 are allowed")


def refusal(layer: Layer, machine: Systolic) -> str | None:
    """Why `machine` cannot run `layer`; None where it can."""
    product = layer.input_bits + layer.weight_bits
    if layer.macs and product > machine.accumulator_bits:
        return f"products of {product} bits do not fit accumulator_bits={machine.accumulator_bits}"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Folds:
    """How a layer lies on the array: sizes of the matrix product of one group, and its folds."""

    m: int
    n: int
    k: int
    row_folds: int
    column_folds: int
    streamed: int  # T


def folds(layer: Layer, machine: Systolic) -> Folds:
    """The folds of one group of a multiplying layer."""
    m, n, k = layer.n * layer.p * layer.q, layer.k, layer.c * layer.r * layer.s
    rows, columns, streamed = {
        "output_stationary": (m, n, k),
        "weight_stationary": (k, n, m),
        "input_stationary": (k, m, n),
    }[machine.dataflow]
    return Folds(
        m=m,
        n=n,
        k=k,
        row_folds=ceil(rows / machine.rows),
        column_folds=ceil(columns / machine.columns),
        streamed=streamed,
    )


def cycles(layer: Layer, machine: Systolic) -> int:
    """Cycles of a multiplying layer: F P - 1, all groups one after another."""
    f = folds(layer, machine)
    preload = 0 if machine.dataflow == "output_stationary" else machine.rows
    per_fold = preload + machine.rows + machine.columns + f.streamed - 2
    return layer.groups * f.row_folds * f.column_folds * per_fold - 1


def cost(layers: Sequence[Layer], machine: Systolic) -> list[Cost]:
    """One `Cost` per layer; layers follow one another."""
    return each(layers, lambda layer: _multiplying(layer, machine) if layer.macs else _other(layer, machine))


def _multiplying(layer: Layer, machine: Systolic) -> Cost:
    busy = cycles(layer, machine)
    crossing = traffic(layer, machine)
    dram = ceil(crossing.inputs) + ceil(crossing.weights) + ceil(crossing.outputs)
    touched = _sram_bytes(layer, machine, crossing)
    energy = {
        "mac": layer.macs * arithmetic.mac_energy_j(max(layer.weight_bits, layer.input_bits), machine.accumulator_bits),
        "sram": sum(size * memory.sram_byte_j(capacity) for size, capacity in touched),
        "dram": dram * memory.dram_byte_j(),
    }
    compute_s, memory_s = (busy + 1) / machine.clock_hz, dram / machine.dram_bytes_per_s
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=max(compute_s, memory_s),
        dram_bytes=dram,
        utilisation=layer.macs / ((busy + 1) * machine.rows * machine.columns),
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j=energy,
        bytes_by_level={"dram": dram, "sram": sum(size for size, _ in touched)},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Bytes that one layer moves over the pins, by operand; spilled partial sums count as outputs."""

    inputs: float
    weights: float
    outputs: float

    @property
    def total(self) -> float:
        return self.inputs + self.weights + self.outputs


def traffic(layer: Layer, machine: Systolic) -> Traffic:
    """DRAM traffic of a multiplying layer in the better of the two orders of its folds."""
    orders = {
        "output_stationary": _output_stationary,
        "weight_stationary": _weight_stationary,
        "input_stationary": _input_stationary,
    }[machine.dataflow](layer, machine)
    best = min(orders, key=lambda order: order.total)
    biases = layer.biases * machine.accumulator_bits / 8
    return Traffic(
        inputs=layer.groups * best.inputs,
        weights=layer.groups * best.weights + biases,
        outputs=layer.groups * best.outputs,
    )


def _output_stationary(layer: Layer, machine: Systolic) -> list[Traffic]:
    """Row folds are pixels, column folds filters: one of the two stays, the other passes."""
    f, (x, w, y), (x_half, w_half, _) = folds(layer, machine), _tensors(layer), _halves(machine)
    stripe = _stripe_bytes(layer, machine.rows)
    block = min(f.n, machine.columns) * f.k * layer.weight_bits / 8
    one_pass = x if stripe <= x_half else max(x, _taps(layer))
    return [
        Traffic(
            inputs=one_pass * (1 if stripe <= x_half else f.column_folds),
            weights=w * (1 if w <= w_half else f.row_folds),
            outputs=y,
        ),
        Traffic(
            inputs=one_pass * (1 if x <= x_half else f.column_folds),
            weights=w * (1 if block <= w_half else f.row_folds),
            outputs=y,
        ),
    ]


def _weight_stationary(layer: Layer, machine: Systolic) -> list[Traffic]:
    """Row folds cut the window, column folds the filters: weights pass once, partial sums wait for all row folds."""
    f, (x, w, y), (x_half, _, y_half) = folds(layer, machine), _tensors(layer), _halves(machine)
    one_pass, slice_bytes = _sliced(layer, machine)
    sums = machine.accumulator_bits / 8
    return [
        Traffic(
            inputs=one_pass * (1 if x <= x_half else f.column_folds),
            weights=w,
            outputs=y + _spilled(f, sums, fits=f.m * min(f.n, machine.columns) * sums <= y_half),
        ),
        Traffic(
            inputs=one_pass * (1 if slice_bytes <= x_half else f.column_folds),
            weights=w,
            outputs=y + _spilled(f, sums, fits=f.m * f.n * sums <= y_half),
        ),
    ]


def _input_stationary(layer: Layer, machine: Systolic) -> list[Traffic]:
    """Row folds cut the window, column folds the pixels: inputs pass once, weights again for every column fold."""
    f, (x, w, y), (x_half, w_half, y_half) = folds(layer, machine), _tensors(layer), _halves(machine)
    one_pass, _ = _sliced(layer, machine)
    stripe = _stripe_bytes(layer, machine.columns)
    rows_of_weights = min(f.k, machine.rows) * f.n * layer.weight_bits / 8
    sums = machine.accumulator_bits / 8
    return [
        Traffic(
            inputs=x if stripe <= x_half else max(x, _taps(layer)),
            weights=w * (1 if w <= w_half else f.column_folds),
            outputs=y + _spilled(f, sums, fits=min(f.m, machine.columns) * f.n * sums <= y_half),
        ),
        Traffic(
            inputs=one_pass,
            weights=w * (1 if rows_of_weights <= w_half else f.column_folds),
            outputs=y + _spilled(f, sums, fits=f.m * f.n * sums <= y_half),
        ),
    ]


def _tensors(layer: Layer) -> tuple[float, float, float]:
    """Bytes of inputs, weights and outputs of one group."""
    g = layer.groups
    return layer.input_bytes / g, layer.weight_bytes / g, layer.output_bytes / g


def _halves(machine: Systolic) -> tuple[float, float, float]:
    """What the memories hold while their other halves are loaded."""
    return machine.input_sram_bytes / 2, machine.weight_sram_bytes / 2, machine.output_sram_bytes / 2


def _taps(layer: Layer) -> float:
    """Bytes of the windows of one group, each written out."""
    return layer.n * layer.p * layer.q * layer.c * layer.r * layer.s * layer.input_bits / 8


def _spilled(f: Folds, bytes_per_sum: float, *, fits: bool) -> float:
    """Partial sums written and read back between row folds."""
    return 0.0 if fits else 2 * (f.row_folds - 1) * f.m * f.n * bytes_per_sum


def _stripe_bytes(layer: Layer, pixels: int) -> float:
    """Inputs of one group that `pixels` neighbouring outputs touch at most: whole rows, all channels."""
    images = min(layer.n, ceil((pixels - 1) / (layer.p * layer.q)) + 1)
    rows = layer.p if images > 1 else min(layer.p, ceil((pixels - 1) / layer.q) + 1)
    height, width = layer.input_size
    reach = (rows - 1) * layer.stride[0] + (layer.r - 1) * layer.dilation[0] + 1
    return images * layer.c * min(height, reach) * width * layer.input_bits / 8


def _sliced(layer: Layer, machine: Systolic) -> tuple[float, float]:
    """(bytes of one pass over all row folds, inputs of one row fold) where folds of R cut the window of c r s taps.

    A fold reads the channels it touches; a channel that two folds share is read twice. Where the rows of a window do
    not stay in memory every tap is read.
    """
    x, (half, _, _) = _tensors(layer)[0], _halves(machine)
    window, k = layer.r * layer.s, layer.c * layer.r * layer.s
    touched = ceil(k / machine.rows) + layer.c - 1 - (k - 1) // lcm(machine.rows, window)
    channels = min(layer.c, ceil((machine.rows - 1) / window) + 1)
    rows = min(layer.input_size[0], (layer.r - 1) * layer.dilation[0] + 1)
    lines = channels * rows * layer.input_size[1] * layer.input_bits / 8
    sliced = x * touched / layer.c
    if x <= half:
        return x, x
    return sliced if lines <= half else max(sliced, _taps(layer)), x * channels / layer.c


def _sram_bytes(layer: Layer, machine: Systolic, crossing: Traffic) -> list[tuple[int, float]]:
    """(bytes, capacity) of the three memories: what the array reads and writes, and what crosses the pins."""
    f, g = folds(layer, machine), layer.groups
    taps, kernel, results = f.m * f.k * g, f.n * f.k * g, f.m * f.n * g
    input_reads, weight_reads, sums = {
        "output_stationary": (taps * f.column_folds, kernel * f.row_folds, 0),
        "weight_stationary": (taps * f.column_folds, kernel, 2 * f.row_folds - 1),
        "input_stationary": (taps, kernel * f.column_folds, 2 * f.row_folds - 1),
    }[machine.dataflow]
    written = results * sums * machine.accumulator_bits / 8 + layer.output_bytes
    return [
        (ceil(input_reads * layer.input_bits / 8 + crossing.inputs), machine.input_sram_bytes),
        (ceil(weight_reads * layer.weight_bits / 8 + crossing.weights), machine.weight_sram_bytes),
        (ceil(written + crossing.outputs), machine.output_sram_bytes),
    ]


def _other(layer: Layer, machine: Systolic) -> Cost:
    """Pooling, addition and the like on a vector unit of one lane a column; one-operand elementwise on the fly."""
    adds = layer.ops * arithmetic.add_energy_j(max(layer.input_bits, layer.output_bits))
    if layer.operator in ON_THE_FLY:
        busy, dram, touched = 0, 0, 0
    else:
        busy = ceil(layer.ops / machine.columns)
        dram = ceil(layer.input_bytes) + ceil(layer.output_bytes)
        touched = 2 * dram
    compute_s, memory_s = busy / machine.clock_hz, dram / machine.dram_bytes_per_s
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=0,
        cycles=busy,
        latency_s=max(compute_s, memory_s),
        dram_bytes=dram,
        utilisation=None,
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j={
            "mac": adds,
            "sram": touched * memory.sram_byte_j(machine.output_sram_bytes),
            "dram": dram * memory.dram_byte_j(),
        },
        bytes_by_level={"dram": dram, "sram": touched},
    )


def area_m2(machine: Systolic) -> float:
    """Multipliers, adders and the three memories; no wires, no control."""
    element = arithmetic.mac_area_m2(8, machine.accumulator_bits)
    stored = machine.input_sram_bytes + machine.weight_sram_bytes + machine.output_sram_bytes
    return machine.rows * machine.columns * element + memory.sram_area_m2(stored)
