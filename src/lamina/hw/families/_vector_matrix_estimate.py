"""How long a layer takes on a vector and a matrix unit, by formulas; left out: partly filled queues, ends of loops.

    linear     load x, load W; product, or a row each of the longer of 11 instruction cycles and its beats; store y
    windows    load x, load W; p q windows, each the longer of
                   instructions   11 R + 16 (a patch of R rows, a product, two pointers, a loop; 11: 5 + 6 of a branch);
                                  of groups, or dilated, R S copies in two loops: R (11 S + 9)
                   engines        the copies, then the product that needs them
               a maximum is R S comparisons, each waiting for the one before, in two loops: R (10 S + 9); store y;
               an average is a product with a matrix, or as a maximum where that is large
    others     pieces that fit: load, steps (as `LOGIC` says; relu 2; exp and its kin 3 in series), store

DRAM: what does not fit the vector scratchpad passes in strips of output rows, whose border rows are read again, or
patch by patch; a matrix that does not fit passes in tiles. Image or matrix is read again for each of the other's parts,
whichever moves less.
"""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from lamina.hw.families._vector_matrix_code import KEPT, product_lag, transfer_cycles
from lamina.hw.kinds import POOLING
from lamina.ir.layer import Layer

if TYPE_CHECKING:
    from lamina.hw.families.vector_matrix import VectorMatrix

BRANCH = 6  # cycles of a loop's turn beyond its instructions: the counter's write back, then the fetch behind it
TURN = 5 + BRANCH  # move, two pointers, counter, branch
WINDOW = 16  # further instructions and waits of one window
ROW = 10  # and of a row of windows
ARRIVAL = 10  # the cycle in which the first load starts
SECOND = 4  # and how much later the second can
LARGEST_AVERAGE = 384 * 1024  # elements of a matrix of averages, the scratchpad of the paper; above, sums of vectors
END = 2  # write back and commit behind the last store
SERIES = frozenset({"sigmoid", "tanh", "softmax", "log_softmax", "exp", "log", "divide", "silu", "softplus", "lookup"})
# comparisons and truth values -> vector instructions; the first are instructions themselves
LOGIC = {
    "greater": 1, "less": 1, "equal": 1, "logical_and": 1, "logical_or": 1, "logical_not": 1, "uniform": 1,
    "greater_or_equal": 2, "less_or_equal": 2, "logical_xor": 2, "negate": 2, "absolute": 3, "where": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    cycles: int
    dram_elements: int
    matrix_beats: int
    vector_elements: int  # read and written by the vector unit
    io_cycles: int


def work(layer: Layer, machine: "VectorMatrix") -> Work:
    """What `layer` asks of `machine`."""
    if layer.macs and layer.r * layer.s * layer.p * layer.q == 1:
        return _linear(layer, machine)
    if layer.macs or layer.operator in POOLING:
        return _windows(layer, machine)
    return _elements(layer, machine)


def _room(machine: "VectorMatrix") -> int:
    return machine.vector_elements - machine.vector_elements // KEPT


def _linear(layer: Layer, m: "VectorMatrix") -> Work:
    rows, matrix = layer.n * layer.groups, layer.k * layer.c
    beats = ceil(layer.k / m.blocks) * ceil(layer.c / m.block_lanes)
    tiles = ceil(matrix / m.matrix_elements)
    chunks = ceil(layer.n * (layer.c + layer.k) / _room(m))
    inputs, weights = layer.n * layer.c, matrix
    moved = min(inputs * tiles + weights, inputs + weights * chunks)
    groups, outputs = layer.groups, layer.n * layer.k
    per_tile = product_lag(m) + max(TURN, beats) * (layer.n - 1) + ceil(beats / tiles)
    first = max(transfer_cycles(inputs, m), SECOND)
    load = ARRIVAL - 1 + first + m.dram_latency_cycles + transfer_cycles(ceil(weights / tiles), m)
    again = (tiles - 1) * (m.dram_latency_cycles + transfer_cycles(ceil((moved - inputs) / tiles), m))
    store = m.dram_latency_cycles + transfer_cycles(outputs, m) + END
    once = load + again + tiles * per_tile + store
    elements = groups * (moved + outputs)
    return Work(groups * once, elements, rows * beats, 0, transfer_cycles(elements, m))


def _windows(layer: Layer, m: "VectorMatrix") -> Work:
    channels, k = layer.groups * layer.c, layer.groups * layer.k
    h, w = layer.input_size
    inner = layer.c * layer.r * layer.s
    pooled = layer.operator in POOLING
    averaged = layer.operator == "average_pool2d" and channels * inner * layer.groups <= LARGEST_AVERAGE
    matrix = layer.weights if not pooled else channels * inner * layer.groups if averaged else 0
    windows = layer.n * layer.p * layer.q
    tiles = max(1, ceil(matrix / m.matrix_elements))
    image = _image_elements(layer, channels, k, h, w, m)
    strips = max(1, ceil(layer.n * (channels * h * w + k * layer.p * layer.q) / _room(m)))
    moved = min(image * tiles + matrix, image + matrix * strips)
    outputs = k * windows
    skew = m.banks - 1
    if pooled and not averaged:
        beats = 0
        steps = layer.r * layer.s
        front = layer.r * ((4 + BRANCH) * layer.s + 9) + WINDOW + 1
        back = (steps + 1) * (ceil(channels / m.lanes) + skew)
        touched = 3 * channels * steps
    else:
        groups, c = (1, channels) if pooled else (layer.groups, layer.c)
        beats = groups * ceil(k / groups / m.blocks) * ceil(c * layer.r * layer.s / m.block_lanes)
        together = groups == 1 and layer.dilation[1] == 1  # a row of a patch lies in one piece
        copies = groups * layer.r * (ceil(c * layer.s / m.lanes) if together else layer.s * ceil(c / m.lanes))
        turns = (TURN * layer.r if layer.r > 1 else 1) if together else layer.r * (TURN * layer.s + 9)
        front = groups * (turns + (WINDOW if groups > 1 else 0)) + WINDOW
        back = copies + groups * (skew + product_lag(m)) + beats
        touched = 2 * groups * c * layer.r * layer.s
    border = any(layer.padding) * (TURN * h + ceil(channels * (h + 2) * (w + 2) / m.lanes)) * layer.n
    load = ARRIVAL - 1 + m.dram_latency_cycles + transfer_cycles(moved, m) + border
    parts = max(tiles, strips)
    store = m.dram_latency_cycles * (2 * parts - 1) + transfer_cycles(outputs, m) + END
    rows = layer.n * layer.p * ROW
    total = load + windows * max(front * tiles, back) + rows + store
    elements = moved + outputs
    return Work(total, elements, windows * beats, windows * touched, transfer_cycles(elements, m))


def _image_elements(layer: Layer, channels: int, k: int, h: int, w: int, m: "VectorMatrix") -> int:
    """Input elements fetched once over all windows: whole, in strips of rows, or patch by patch."""
    whole = layer.n * channels * h * w
    room = _room(m)
    if channels * h * w + k * layer.p * layer.q <= room:
        return whole
    patches = layer.n * layer.p * layer.q * channels * layer.r * layer.s
    reach = (layer.r - 1) * layer.dilation[0] + 1
    spare = room - max(0, reach - layer.stride[0]) * w * channels
    row = layer.stride[0] * w * channels + k * layer.q
    if spare < row:
        return max(whole, patches)
    strips = ceil(layer.p / (spare // row))
    return max(whole, min(patches, whole + layer.n * (strips - 1) * max(0, reach - layer.stride[0]) * w * channels))


def _elements(layer: Layer, m: "VectorMatrix") -> Work:
    inputs, outputs = layer.inputs, layer.outputs
    size = max(inputs // layer.operands, outputs)
    steps = LOGIC.get(layer.operator) or max(1, ceil(layer.ops / size))
    steps = 3 if layer.operator in SERIES else 2 if layer.operator == "relu" else steps
    lag = m.banks - 1 + (m.series_cycles if layer.operator in SERIES else 0)
    pieces = ceil((inputs + outputs) / _room(m))
    beats = steps * ceil(size / m.lanes)
    load = transfer_cycles(inputs + layer.biases, m) + m.dram_latency_cycles
    store = transfer_cycles(outputs, m) + m.dram_latency_cycles * (2 * pieces - 1)
    total = ARRIVAL - 1 + load + beats + pieces * steps * lag + store + END
    return Work(total, inputs + outputs, 0, 3 * steps * size, transfer_cycles(inputs + outputs, m))
