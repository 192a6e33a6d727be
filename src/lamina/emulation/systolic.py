"""Systolic array, register by register: every tick moves each value by one processing element.

    weight_stationary   w stays; x enters at the left, row r one tick later than row r - 1, and moves right;
                        partial sums enter as 0 at the top, take p += w x, move down and leave at the bottom, skewed
    input_stationary    the same with the operands' roles exchanged: inputs stay, weights stream
    output_stationary   x moves right, w moves down, both skewed, s += w x stays until the last product is in

A layer is the matrix product that `hw.families.systolic` describes, cut into the same folds; preloading shifts the
stationary operand down by one row a tick. The count is of ticks of these loops; like SCALE-Sim it is the index of the
last one, and output_stationary ends without draining. Folds that hardware runs one after another are simulated side by
side, `block` at a time, each counting its own ticks; examples run in lockstep: cycles are those of one example.

Registers have the layer's accumulator width (32 bits where the checker proved that 32 do not overflow, else 64). Pooling,
tables and the like are done by a vector unit: the operator table's integer meaning, whose cycles are not emulated.

Shapes    E examples, F folds, R rows, C columns, T streamed; registers [E, F, R, C]
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.hw.families.systolic import Systolic
from lamina.ir import integers as rules
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators._table import Site
from lamina.ir.operators.multiply import windows
from lamina.ir.types import Float, Integer

NEEDS = "an integer network: lamina quantise makes one"
OPERATORS = ("conv2d", "linear")
BLOCK_ELEMENTS = 2**17  # registers simulated side by side: about what the second-level cache holds

Ints = NDArray[Any]  # signed integers of the accumulator's width


@dataclass(slots=True)
class Clock:
    """Counts ticks; `folds` of them happen at once in the simulation and one after another in hardware."""

    ticks: int = 0

    def tick(self, folds: int) -> None:
        self.ticks += folds


def accepts(network: Network) -> bool:
    """Whether every multiplying layer is integer with exact products."""
    types = network.types
    return all(
        isinstance(types[o.inputs[0]].element, Integer) and o.attributes.get("products", "exact") == "exact"
        for o in network.operations
        if o.operator in ("conv2d", "linear")
    )


def layer(operation: Operation, site: Site, arrays: list[Array], machine: Systolic) -> tuple[Array, int]:
    """The stored result of a conv2d or linear layer for examples in lockstep, and the cycles of one example."""
    x, w, y = site.inputs[0].element, site.inputs[1].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(w, Float) or isinstance(y, Float):
        raise BadInput(f"{operation.name}: the array multiplies integers")
    rows_EGMK, columns_GKN = _matrices(operation, site, arrays, x.zero_point)
    clock = Clock()
    groups = rows_EGMK.shape[1]
    sums = [multiply(rows_EGMK[:, g], columns_GKN[g], machine, clock) for g in range(groups)]
    result = _shaped(np.stack(sums, axis=1).astype(np.int64), operation, site)
    axis = 1 if operation.operator == "conv2d" else -1
    if len(arrays) > 2:
        along = [1] * result.ndim
        along[axis] = -1
        result = result + arrays[2].astype(np.int64).reshape(along)
    stored = rules.requantise(result, x, w, y, site.attributes["rounding"], axis=axis)
    return stored.astype(y.storage), clock.ticks - 1


def _matrices(operation: Operation, site: Site, arrays: list[Array], zero: int) -> tuple[Ints, Ints]:
    """The matrix product of each example and group: [E, G, M, K] and [G, K, N]."""
    width: Any = np.int32 if site.attributes["accumulator"] == 32 else np.int64
    x, w = arrays[0].astype(width) - width(zero), arrays[1].astype(width)
    if operation.operator == "linear":
        return x.reshape(len(x), 1, -1, x.shape[-1]), w.T[None]
    groups = site.attributes["groups"]
    view = windows(x, w.shape[2:], site.attributes, 0)  # [e, c, p, q, r, s]
    e, c, p, q, r, s = view.shape
    grouped = view.reshape(e, groups, c // groups, p, q, r, s).transpose(0, 1, 3, 4, 2, 5, 6)
    columns = w.reshape(groups, w.shape[0] // groups, -1).transpose(0, 2, 1)
    return grouped.reshape(e, groups, p * q, -1), columns


def _shaped(sums_EGMN: Ints, operation: Operation, site: Site) -> Ints:
    shape = site.outputs[0].shape
    if operation.operator == "linear":
        return sums_EGMN.reshape(len(sums_EGMN), *shape[1:])
    e, g, _, n = sums_EGMN.shape
    return sums_EGMN.transpose(0, 1, 3, 2).reshape(e, g * n, *shape[2:])


def multiply(rows_EMK: Ints, columns_KN: Ints, machine: Systolic, clock: Clock, block: int | None = None) -> Ints:
    """Each example's [M, K] times [K, N], through the array: [E, M, N]; `clock` counts one example's ticks."""
    e = len(rows_EMK)
    if machine.dataflow == "output_stationary":
        return _output_stationary(rows_EMK, columns_KN, machine, clock, block)
    shared = np.broadcast_to(columns_KN, (e, *columns_KN.shape))
    if machine.dataflow == "weight_stationary":
        return _stationary(shared, rows_EMK, machine, clock, block)
    swapped = np.broadcast_to(columns_KN.T, (e, *columns_KN.T.shape))
    return _stationary(rows_EMK.transpose(0, 2, 1), swapped, machine, clock, block).transpose(0, 2, 1)


def _stationary(kept_EKS: Ints, streamed_ETK: Ints, machine: Systolic, clock: Clock, block: int | None) -> Ints:
    """streamed @ kept [E, T, S]: tiles of `kept` stay, `streamed` is pumped past them."""
    rows, columns = machine.rows, machine.columns
    e, t = streamed_ETK.shape[:2]
    kept_EFRC = _tiles(kept_EKS, rows, columns)  # [E, row folds, column folds, R, C]
    edge_EFRT = _tiles(streamed_ETK.transpose(0, 2, 1), rows, t)[:, :, 0]  # [E, row folds, R, T]
    row_folds, column_folds = kept_EFRC.shape[1:3]
    result = np.zeros((e, t, column_folds * columns), kept_EKS.dtype)
    folds = [(i, j) for i in range(row_folds) for j in range(column_folds)]
    step = block or max(1, BLOCK_ELEMENTS // (e * rows * columns))
    for start in range(0, len(folds), step):
        some = folds[start : start + step]
        tiles = np.stack([kept_EFRC[:, i, j] for i, j in some], axis=1)
        entering = np.stack([edge_EFRT[:, i] for i, _ in some], axis=1)
        leaving = _pump(_preload(tiles, clock), entering, clock)
        for number, (_, j) in enumerate(some):
            result[:, :, j * columns : (j + 1) * columns] += leaving[:, number]
    return result[:, :, : kept_EKS.shape[2]]


def _tiles(matrix_EKS: Ints, rows: int, columns: int) -> Ints:
    """[E, row folds, column folds, rows, columns] of the matrices, zero where a fold is not filled."""
    e, k, s = matrix_EKS.shape
    row_folds, column_folds = ceil(k / rows), ceil(s / columns)
    padded = np.zeros((e, row_folds * rows, column_folds * columns), matrix_EKS.dtype)
    padded[:, :k, :s] = matrix_EKS
    return padded.reshape(e, row_folds, rows, column_folds, columns).transpose(0, 1, 3, 2, 4)


def _preload(tiles_EFRC: Ints, clock: Clock) -> Ints:
    """Shift the stationary operand in from the top, last row first: R ticks."""
    registers = np.zeros_like(tiles_EFRC)
    rows, folds = tiles_EFRC.shape[2], tiles_EFRC.shape[1]
    for tick in range(rows):
        registers[:, :, 1:] = registers[:, :, :-1].copy()
        registers[:, :, 0] = tiles_EFRC[:, :, rows - 1 - tick]
        clock.tick(folds)
    return registers


def _pump(kept_EFRC: Ints, edge_EFRT: Ints, clock: Clock) -> Ints:
    """Stream T vectors past the stationary operand; what leaves the bottom, put straight: [E, F, T, C]."""
    e, folds, rows, columns = kept_EFRC.shape
    streamed = edge_EFRT.shape[3]
    skewed = _skewed(edge_EFRT)
    passing, sums = np.zeros_like(kept_EFRC), np.zeros_like(kept_EFRC)
    next_passing, next_sums, product = np.zeros_like(kept_EFRC), np.zeros_like(kept_EFRC), np.zeros_like(kept_EFRC)
    leaving = np.zeros((e, folds, streamed, columns), kept_EFRC.dtype)
    column = np.arange(columns)
    remaining = streamed * columns  # results that have not left yet
    tick = 0
    while remaining:
        next_passing[..., 1:] = passing[..., :-1]
        next_passing[..., 0] = skewed[..., tick] if tick < skewed.shape[3] else 0
        next_sums[:, :, 1:] = sums[:, :, :-1]
        next_sums[:, :, 0] = 0
        np.multiply(next_passing, kept_EFRC, out=product)
        np.add(next_sums, product, out=next_sums)
        passing, next_passing, sums, next_sums = next_passing, passing, next_sums, sums
        clock.tick(folds)
        which = tick - (rows - 1) - column  # the vector whose sum leaves each column now
        valid = (which >= 0) & (which < streamed)
        leaving[:, :, which[valid], column[valid]] = sums[:, :, -1, valid]
        remaining -= int(valid.sum())
        tick += 1
    return leaving


def _skewed(edge_EFRT: Ints) -> Ints:
    """Row r delayed by r ticks: [E, F, R, T + R - 1]."""
    e, folds, rows, streamed = edge_EFRT.shape
    skewed = np.zeros((e, folds, rows, streamed + rows - 1), edge_EFRT.dtype)
    for row in range(rows):
        skewed[:, :, row, row : row + streamed] = edge_EFRT[:, :, row]
    return skewed


def _output_stationary(rows_EMK: Ints, columns_KN: Ints, machine: Systolic, clock: Clock, block: int | None) -> Ints:
    """Tiles of the result stay; both operands are pumped through, skewed."""
    rows, columns = machine.rows, machine.columns
    (e, m, k), n = rows_EMK.shape, columns_KN.shape[1]
    left = _tiles(rows_EMK, rows, k)[:, :, 0]  # [E, row folds, R, K]
    top = _tiles(columns_KN.T[None], columns, k)[:, :, 0]  # [1, column folds, C, K]
    row_folds, column_folds = left.shape[1], top.shape[1]
    result = np.zeros((e, row_folds * rows, column_folds * columns), rows_EMK.dtype)
    folds = [(i, j) for i in range(row_folds) for j in range(column_folds)]
    step = block or max(1, BLOCK_ELEMENTS // (e * rows * columns))
    for start in range(0, len(folds), step):
        some = folds[start : start + step]
        from_left = np.stack([left[:, i] for i, _ in some], axis=1)
        from_top = np.stack([top[:, j] for _, j in some], axis=1)
        sums = _accumulate(from_left, from_top, k, clock)
        for number, (i, j) in enumerate(some):
            result[:, i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = sums[:, number]
    return result[:, :m, :n]


def _accumulate(left_EFRK: Ints, top_EFCK: Ints, depth: int, clock: Clock) -> Ints:
    """Products summed where they are; ends when the farthest element has taken its last one."""
    e, folds, rows = left_EFRK.shape[:3]
    columns = top_EFCK.shape[2]
    from_left, from_top = _skewed(left_EFRK), _skewed(top_EFCK)
    shape = (e, folds, rows, columns)
    right, down, next_right = (np.zeros(shape, left_EFRK.dtype) for _ in range(3))
    next_down, product, sums = (np.zeros(shape, left_EFRK.dtype) for _ in range(3))
    arrived = np.zeros((rows, columns), np.int64)  # how far the first value has come: a token beside the data
    taken = np.zeros((rows, columns), np.int64)  # products that each element has summed
    tick = 0
    while taken[-1, -1] < depth:
        next_right[..., 1:] = right[..., :-1]
        next_right[..., 0] = from_left[..., tick] if tick < from_left.shape[3] else 0
        next_down[:, :, 1:] = down[:, :, :-1]
        next_down[:, :, 0] = from_top[..., tick] if tick < from_top.shape[3] else 0
        np.multiply(next_right, next_down, out=product)
        np.add(sums, product, out=sums)
        right, next_right, down, next_down = next_right, right, next_down, down
        arrived = _token(arrived)
        taken += arrived
        clock.tick(folds)
        tick += 1
    return sums


def _token(arrived: Ints) -> Ints:
    """The wavefront moves on: an element is reached when its left or its upper neighbour was."""
    reached = arrived.copy()
    reached[0, 0] = 1
    reached[1:] |= arrived[:-1]
    reached[:, 1:] |= arrived[:, :-1]
    return reached
