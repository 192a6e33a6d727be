"""Systolic array, register by register: every tick moves each value by one processing element.

    weight_stationary   w stays; x enters at the left, row r one tick after row r - 1, and moves right; partial sums
                        enter as 0 at the top, take p += w x, move down and leave at the bottom
    input_stationary    the same with the operands' roles exchanged: inputs stay, weights stream
    output_stationary   x moves right, w moves down, both skewed; s += w x stays until its last product is in

A layer is the matrix product [M, K] [K, N] of its windows, cut into folds of R x C as SCALE-Sim does. The stationary
operand is first shifted in from the top, one row a tick. Beside each value travels its number, so that the edges know
what arrives and when the work is over: no cycle is computed, ticks of these loops are counted. Reported is what
SCALE-Sim reports, the index of the last tick; output_stationary ends without draining its sums.

Folds that hardware runs one after another are simulated side by side, each counting its own ticks, and examples run in
lockstep: cycles are those of one example. Registers have the layer's accumulator width, and a layer that needs more
than the machine's `accumulator_bits` is refused. A vector unit, whose cycles are not emulated, adds the bias and
requantises by the layer's own rule; it does pooling, tables and the like by the operator table's integer meaning.

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
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.multiply import windows
from lamina.ir.types import Float

OPERATORS = ("conv2d", "linear")
BLOCK_ELEMENTS = 2**18  # registers simulated side by side: more leave the caches
MOST_ELEMENTS = 2**24  # of an array
MOST_HELD = 2**26  # numbers of the windows of a layer
MOST_EXAMPLES = 50

Ints = NDArray[Any]  # signed integers of the accumulator's width


@dataclass(slots=True)
class Clock:
    """Counts ticks; `folds` of them happen at once in the simulation and one after another in hardware."""

    ticks: int = 0

    def tick(self, folds: int) -> None:
        self.ticks += folds


def prepare(network: Network, machine: Systolic) -> Network:
    """`network` itself; raises `BadInput` where a multiplying layer is not integer with exact products."""
    if machine.rows * machine.columns > MOST_ELEMENTS:
        raise BadInput(f"an array of {machine.rows} x {machine.columns}: at most 2^24 elements are emulated")
    types = network.types
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        if isinstance(types[operation.inputs[0]].element, Float):
            raise BadInput(
                f"network {network.name!r} multiplies in float ({operation.name}), the systolic array in integers: "
                "lamina quantise makes an integer network"
            )
        if operation.attributes.get("products", "exact") != "exact":
            raise BadInput(f"{operation.name} has truncated products: the systolic array's are exact")
    return network


def lockstep(network: Network, machine: Systolic) -> int:
    """Examples side by side: as many as memory is meant for."""
    sizes = [layer.macs // layer.k for layer in network.with_batch(1).layers() if layer.macs]  # numbers of its windows
    return int(np.clip(MOST_HELD // max(machine.rows * machine.columns, *sizes, 1), 1, MOST_EXAMPLES))


def layer(operation: Operation, site: Site, arrays: list[Array], examples: int, machine: Systolic) -> tuple[Array, int]:
    """The stored result of a conv2d or linear layer for `examples` in lockstep, and the cycles of one."""
    x, w, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    if arrays[0].ndim < 2 or len(arrays[0]) % examples:
        raise BadInput(f"{operation.name}: axis 0 of its input is not the examples")
    reach = rules.accumulator_bound(arrays[1], None, x)
    if reach >= 2 ** (machine.accumulator_bits - 1):
        raise BadInput(
            f"{operation.name}: its sums reach {reach}, more than accumulator_bits={machine.accumulator_bits} hold"
        )
    rows_EGMK, columns_GKN = _matrices(operation, site, arrays, examples)
    clock = Clock()
    groups = [
        multiply(rows_EGMK[:, g], columns_GKN[g], machine, clock).astype(np.int64) for g in range(len(columns_GKN))
    ]
    sums = _shaped(np.stack(groups, axis=1), operation, site)
    axis = 1 if operation.operator == "conv2d" else -1
    if len(arrays) > 2:
        along = [1] * sums.ndim
        along[axis] = -1
        sums = sums + arrays[2].astype(np.int64).reshape(along)
    return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis), clock.ticks - 1


def _matrices(operation: Operation, site: Site, arrays: list[Array], examples: int) -> tuple[Ints, Ints]:
    """The matrix product of each example and group: [E, G, M, K] and [G, K, N]."""
    element = stored(site.inputs[0])
    narrow = site.attributes["accumulator"] == 32 and max(t.bits for t in site.inputs[:2]) <= 16
    width: Any = np.int32 if narrow else np.int64
    x, w = arrays[0].astype(width) - width(element.zero_point), arrays[1].astype(width)
    if operation.operator == "linear":
        return x.reshape(examples, 1, -1, x.shape[-1]), w.T[None]
    groups = site.attributes["groups"]
    view = windows(x, w.shape[2:], site.attributes, 0)
    images, c, p, q, r, s = view.shape
    grouped = view.reshape(examples, images // examples, groups, c // groups, p, q, r, s)
    rows = grouped.transpose(0, 2, 1, 4, 5, 3, 6, 7).reshape(examples, groups, images // examples * p * q, -1)
    return rows, w.reshape(groups, w.shape[0] // groups, -1).transpose(0, 2, 1)


def _shaped(sums_EGMN: Ints, operation: Operation, site: Site) -> Ints:
    """The layer's own axes: [..., k] or [n, k, p, q]."""
    shape = site.outputs[0].shape
    if operation.operator == "linear":
        return sums_EGMN.reshape(shape)
    e, g, _, n = sums_EGMN.shape
    split = sums_EGMN.reshape(e, g, shape[0] // e, *shape[2:], n)  # [e, g, images, p, q, n]
    return split.transpose(0, 2, 1, 5, 3, 4).reshape(shape)


def multiply(rows_EMK: Ints, columns_KN: Ints, machine: Systolic, clock: Clock, block: int | None = None) -> Ints:
    """Each example's [M, K] times [K, N], through the array: [E, M, N]; `clock` counts one example's ticks.

    `block` folds are simulated side by side, which changes neither numbers nor ticks.
    """
    e = len(rows_EMK)
    if block is None:
        block = max(1, BLOCK_ELEMENTS // (e * machine.rows * machine.columns))
    if machine.dataflow == "output_stationary":
        return _output_stationary(rows_EMK, columns_KN, machine, clock, block)
    shared = np.broadcast_to(columns_KN, (e, *columns_KN.shape))
    if machine.dataflow == "weight_stationary":
        return _stationary(shared, rows_EMK, machine, clock, block)
    return _stationary(rows_EMK.swapaxes(1, 2), shared.swapaxes(1, 2), machine, clock, block).swapaxes(1, 2)


def _stationary(kept_EKS: Ints, streamed_ETK: Ints, machine: Systolic, clock: Clock, block: int) -> Ints:
    """streamed @ kept [E, T, S]: tiles of `kept` stay, `streamed` is pumped past them, folds of one column add up."""
    rows, columns = machine.rows, machine.columns
    e, t = streamed_ETK.shape[:2]
    tiles = _tiles(kept_EKS, rows, columns)  # [E, row folds, column folds, R, C]
    edge = _tiles(streamed_ETK.swapaxes(1, 2), rows, t)[:, :, 0]  # [E, row folds, R, T]
    folds = [(i, j) for i in range(tiles.shape[1]) for j in range(tiles.shape[2])]
    result = np.zeros((e, t, tiles.shape[2] * columns), kept_EKS.dtype)
    for start in range(0, len(folds), block):
        some = folds[start : start + block]
        kept_EFRC = _preload(np.stack([tiles[:, i, j] for i, j in some], axis=1), clock)
        leaving = _pump(kept_EFRC, np.stack([edge[:, i] for i, _ in some], axis=1), clock)
        for number, (_, j) in enumerate(some):
            result[:, :, j * columns : (j + 1) * columns] += leaving[:, number]
    return result[:, :, : kept_EKS.shape[2]]


def _tiles(matrix_EKS: Ints, rows: int, columns: int) -> Ints:
    """[E, row folds, column folds, rows, columns] of the matrices, zero where a fold is not filled."""
    e, k, s = matrix_EKS.shape
    row_folds, column_folds = ceil(k / rows), ceil(s / columns)
    padded = np.zeros((e, row_folds * rows, column_folds * columns), matrix_EKS.dtype)
    padded[:, :k, :s] = matrix_EKS
    return padded.reshape(e, row_folds, rows, column_folds, columns).swapaxes(2, 3)


def _preload(tiles_EFRC: Ints, clock: Clock) -> Ints:
    """Shift the stationary operand in from the top, last row first, until the first row stands in its place."""
    registers = np.zeros_like(tiles_EFRC)
    for row in tiles_EFRC.swapaxes(0, 2)[::-1]:  # [F, E, C], from the last row to the first
        registers[:, :, 1:] = registers[:, :, :-1]
        registers[:, :, 0] = row.swapaxes(0, 1)
        clock.tick(tiles_EFRC.shape[1])
    return registers


def _pump(kept_EFRC: Ints, edge_EFRT: Ints, clock: Clock) -> Ints:
    """Stream T vectors past the stationary operand; what leaves the bottom, put straight: [E, F, T, C]."""
    e, folds, _, columns = kept_EFRC.shape
    streamed = edge_EFRT.shape[3]
    passing, sums, next_passing, next_sums, product = (np.zeros_like(kept_EFRC) for _ in range(5))
    numbers = np.full(kept_EFRC.shape[2:], -1)  # of the vector whose element each register holds; -1: none
    leaving = np.zeros((e, folds, streamed, columns), kept_EFRC.dtype)
    column = np.arange(columns)
    waiting = streamed * columns  # sums that have not left yet
    tick = 0
    while waiting:
        next_passing[..., 1:] = passing[..., :-1]
        numbers[:, 1:] = numbers[:, :-1]
        numbers[:, 0] = _enter(edge_EFRT, tick, next_passing[..., 0])
        np.multiply(next_passing, kept_EFRC, out=product)
        next_sums[:, :, 0] = product[:, :, 0]
        np.add(sums[:, :, :-1], product[:, :, 1:], out=next_sums[:, :, 1:])
        passing, next_passing, sums, next_sums = next_passing, passing, next_sums, sums
        clock.tick(folds)
        tick += 1
        here = numbers[-1] >= 0  # columns whose bottom element has just finished a sum
        leaving[:, :, numbers[-1, here], column[here]] = sums[:, :, -1, here]
        waiting -= int(here.sum())
    return leaving


def _enter(edge_EFRT: Ints, tick: int, into_EFR: Ints) -> NDArray[np.int64]:
    """Write what enters each row at `tick`, row r delayed by r ticks; the number of each value, -1 beside a zero."""
    rows, streamed = edge_EFRT.shape[2:]
    row = np.arange(rows)
    number = tick - row
    number[(number < 0) | (number >= streamed)] = -1
    into_EFR[...] = np.where(number < 0, 0, edge_EFRT[:, :, row, number])
    return number


def _output_stationary(rows_EMK: Ints, columns_KN: Ints, machine: Systolic, clock: Clock, block: int) -> Ints:
    """Tiles of the result stay; both operands are pumped through, skewed."""
    rows, columns = machine.rows, machine.columns
    (e, m, k), n = rows_EMK.shape, columns_KN.shape[1]
    left = _tiles(rows_EMK, rows, k)[:, :, 0]  # [E, row folds, R, K]
    top = _tiles(columns_KN.T[None], columns, k)[:, :, 0]  # [1, column folds, C, K]
    folds = [(i, j) for i in range(left.shape[1]) for j in range(top.shape[1])]
    result = np.zeros((e, left.shape[1] * rows, top.shape[1] * columns), rows_EMK.dtype)
    for start in range(0, len(folds), block):
        some = folds[start : start + block]
        from_left = np.stack([left[:, i] for i, _ in some], axis=1)
        sums = _accumulate(from_left, np.stack([top[:, j] for _, j in some], axis=1), clock)
        for number, (i, j) in enumerate(some):
            result[:, i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = sums[:, number]
    return result[:, :m, :n]


def _accumulate(left_EFRK: Ints, top_EFCK: Ints, clock: Clock) -> Ints:
    """Products summed where they are, [E, F, R, C]; over when every element has taken its last one."""
    e, folds, rows, depth = left_EFRK.shape
    columns = top_EFCK.shape[2]
    shape = (e, folds, rows, columns)
    right, down, next_right, next_down, product, sums = (np.zeros(shape, left_EFRK.dtype) for _ in range(6))
    numbers = np.full((rows, columns), -1)  # of the value each element takes from its left; -1: none
    taken = np.zeros((rows, columns), np.int64)  # products that each element has summed
    from_top = np.zeros((*top_EFCK.shape[:3],), left_EFRK.dtype)
    tick = 0
    while taken.min() < depth:
        next_right[..., 1:] = right[..., :-1]
        next_down[:, :, 1:] = down[:, :, :-1]
        numbers[:, 1:] = numbers[:, :-1]
        numbers[:, 0] = _enter(left_EFRK, tick, next_right[..., 0])
        _enter(top_EFCK, tick, from_top)
        next_down[:, :, 0] = from_top
        np.multiply(next_right, next_down, out=product)
        np.add(sums, product, out=sums)
        right, next_right, down, next_down = next_right, right, next_down, down
        taken += numbers >= 0
        clock.tick(folds)
        tick += 1
    return sums
