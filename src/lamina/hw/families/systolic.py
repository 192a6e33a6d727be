"""Systolic array; left out: bank conflicts, overlap between layers, the final drain, idle energy, control.

A layer is a matrix product O[M, N] = I[M, K] W[K, N], M = n p q pixels, N = k filters, K = c r s (a group at a time),
cut into folds of R rows x C columns; one operand stays in the elements and the others are pumped past it, skewed:

    dataflow            spatial rows S_R, columns S_C    streamed T    cycles of a fold P
    output_stationary   M, N                             K              R + C + T - 2
    weight_stationary   K, N                             M             2R + C + T - 2
    input_stationary    K, M                             N             2R + C + T - 2

    folds F = ceil(S_R / R) ceil(S_C / C)        cycles = F P - 1, as SCALE-Sim counts: the index of the last one

Every fold pays for the whole array. DRAM: three double-buffered memories; an operand that does not fit into half of its
own is read again for every fold that needs it, partial sums that do not fit are spilled. Compute and DRAM overlap
ideally: latency = max(cycles / clock, DRAM bytes / bandwidth). One-operand elementwise layers act on the fly.

Source    SCALE-Sim 3.0.0, its code (the paper's formula has one R more for output_stationary): Samajdar et al.,
          ISPASS 2020, https://doi.org/10.1109/ISPASS48437.2020.00016
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, get_args

from lamina.core.errors import BadInput
from lamina.hw.components import arithmetic, memory
from lamina.hw.cost import Cost
from lamina.ir.layer import Layer

Dataflow = Literal["output_stationary", "weight_stationary", "input_stationary"]
ON_THE_FLY = frozenset({"relu", "tanh", "sigmoid", "lookup", "piecewise_linear", "quantise", "dequantise"})
OPERATORS = ON_THE_FLY | {"conv2d", "linear", "max_pool2d", "average_pool2d", "add", "softmax", "log_softmax"}
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
    return [_multiplying(layer, machine) if layer.macs else _other(layer, machine) for layer in layers]


def _multiplying(layer: Layer, machine: Systolic) -> Cost:
    busy = cycles(layer, machine)
    dram = _dram_bytes(layer, machine)
    reads = _sram_bytes(layer, machine)
    energy = {
        "mac": layer.macs * arithmetic.mac_energy_j(max(layer.weight_bits, layer.input_bits), machine.accumulator_bits),
        "sram": sum(size * memory.sram_byte_j(capacity) for size, capacity in reads),
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
        bytes_by_level={"dram": dram, "sram": float(sum(size for size, _ in reads))},
    )


def _dram_bytes(layer: Layer, machine: Systolic) -> float:
    """Bytes over the pins: compulsory traffic times the passes that each operand's memory makes necessary."""
    f = folds(layer, machine)
    inputs, weights, outputs = layer.input_bytes, layer.weight_bytes + layer.biases * 4, layer.output_bytes
    one_pass = _one_input_pass(layer, machine)
    partial = f.m * min(f.n, machine.columns) * machine.accumulator_bits / 8  # of one column of folds
    if machine.dataflow == "input_stationary":
        partial = min(f.m, machine.columns) * f.n * machine.accumulator_bits / 8
    input_passes = weight_passes = spills = 1
    if machine.dataflow == "output_stationary":
        input_passes, weight_passes = f.column_folds, f.row_folds
    elif machine.dataflow == "weight_stationary":
        input_passes, spills = f.column_folds, f.row_folds
    else:
        weight_passes, spills = f.column_folds, f.row_folds
    if inputs / layer.groups <= machine.input_sram_bytes / 2:
        input_passes, one_pass = 1, min(one_pass, inputs)
    if weights / layer.groups <= machine.weight_sram_bytes / 2:
        weight_passes = 1
    if partial <= machine.output_sram_bytes / 2:
        spills = 1
    spilled = 2 * (spills - 1) * layer.outputs * machine.accumulator_bits / 8
    return one_pass * input_passes + weights * weight_passes + outputs + spilled


def _one_input_pass(layer: Layer, machine: Systolic) -> float:
    """Bytes of reading every window once: each input once where the rows of a window stay in memory, else each tap."""
    width = layer.input_size[1]
    line = layer.c * layer.r * width * layer.input_bits / 8
    taps = layer.n * layer.groups * layer.p * layer.q * layer.c * layer.r * layer.s * layer.input_bits / 8
    return min(layer.input_bytes, taps) if line <= machine.input_sram_bytes / 2 else max(layer.input_bytes, taps)


def _sram_bytes(layer: Layer, machine: Systolic) -> list[tuple[float, float]]:
    """(bytes, capacity) of the three memories, at the edges of the array and at the DRAM side."""
    f, g = folds(layer, machine), layer.groups
    taps, kernel, results = f.m * f.k * g, f.n * f.k * g, f.m * f.n * g
    input_reads, weight_reads, sums = {
        "output_stationary": (taps * f.column_folds, kernel * f.row_folds, 0),
        "weight_stationary": (taps * f.column_folds, kernel, 2 * f.row_folds - 1),
        "input_stationary": (taps, kernel * f.column_folds, 2 * f.row_folds - 1),
    }[machine.dataflow]
    accumulated = results * sums * machine.accumulator_bits / 8
    return [
        (input_reads * layer.input_bits / 8 + layer.input_bytes, machine.input_sram_bytes),
        (weight_reads * layer.weight_bits / 8 + layer.weight_bytes, machine.weight_sram_bytes),
        (accumulated + 2 * layer.output_bytes, machine.output_sram_bytes),
    ]


def _other(layer: Layer, machine: Systolic) -> Cost:
    """Pooling, addition and the like on a vector unit of one lane a column; one-operand elementwise on the fly."""
    adds = layer.ops * arithmetic.add_energy_j(max(layer.input_bits, layer.output_bits))
    if layer.operator in ON_THE_FLY:
        busy, dram, touched = 0, 0.0, 0.0
    else:
        busy = ceil(layer.ops / machine.columns)
        dram = layer.input_bytes + layer.output_bytes
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
