"""What a compiler writes for one layer on a vector and a matrix unit; left out: layers that do not fit the scratchpads.

    linear       load x; load W;                      y = MMV W, x                        store y
    conv2d       load x; border; load W; for p, q:    copy R rows to a patch; y = MMV W, patch      store y
    max_pool2d   load x; border;         for p, q:    y = first place; for r, s: y = VGTM y, x      store y
    relu         load x;                              z = x - x; y = VGTM x, z            store y

Maps lie channels last, an average is a product with a matrix of 1/(R S), groups are a loop inside a window, linear rows
a loop around. A number that an instruction needs in a register costs one SMOVE before it, once; before a loop all
numbers of the nest are loaded, smallest first. A loop costs SMOVE before, SADD for each pointer that moves, SADD and CB
behind.
Only the order of instructions, which registers they need and which regions they wait for are written down here: that is
what takes time (`_vector_matrix_time`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

from lamina.hw.families._vector_matrix_time import Loop, Op, Row
from lamina.ir.layer import Layer

if TYPE_CHECKING:
    from lamina.hw.families.vector_matrix import VectorMatrix

Found = Callable[[int, int], int]  # offset and length in the padded image -> the last copied row there, -1: none
KEPT = 4  # a quarter of the vector scratchpad is for temporary vectors alone


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction with plain numbers among its operands; they get registers when the text is written."""

    op: Op
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nest:
    counter: int
    count: int
    body: list["Instruction | Nest"]

    @property
    def numbers(self) -> set[int]:
        return {n for item in self.body for n in item.numbers}


@dataclass(slots=True)
class Writer:
    """The program while it is written; registers of pointers are negative, those of numbers the numbers."""

    machine: "VectorMatrix"
    block: list[Instruction | Nest] = field(default_factory=list)
    pointers: int = 0

    def pointer(self, at: int | None = None) -> int:
        """A new pointer, set to a number, or to another pointer `at` (negative); the SMOVE that does it."""
        self.pointers -= 1
        source = () if at is None or at >= 0 else (at,)
        self.block.append(Instruction(Op(None, reads=source, writes=self.pointers)))
        return self.pointers

    def emit(self, engine: str, beats: int, lag: int, operands: Sequence[int], **more: object) -> None:
        """An instruction of an engine; operands are pointers, or numbers that need a register."""
        op = Op(engine, beats, lag, reads=tuple(operands), **more)  # type: ignore[arg-type]
        self.block.append(Instruction(op, tuple(o for o in operands if o >= 0)))

    @contextmanager
    def loop(self, count: int, moves: Sequence[tuple[int, int]] = ()) -> Iterator[None]:
        """`count` turns; after each, every pointer of `moves` moves on by its step, if it has one."""
        steps = [Instruction(Op(None, reads=(p,), writes=p)) for p, by in moves if by]
        if count == 1:
            yield
            self.block += steps
            return
        self.pointers -= 1
        counter, outer = self.pointers, self.block
        self.block = []
        yield
        body, self.block = self.block + steps, outer
        self.block.append(Nest(counter, count, body))

    def vector(self, size: int, operands: Sequence[int], **more: object) -> None:
        m = self.machine
        self.emit("vector", ceil(size / m.lanes), m.banks - 1, operands, **more)

    def io(self, size: int, operands: Sequence[int], **more: object) -> None:
        m = self.machine
        self.emit("io", transfer_cycles(size, m), m.dram_latency_cycles, operands, **more)

    def product(self, size: int, inner: int, operands: Sequence[int], **more: object) -> None:
        m = self.machine
        self.emit("matrix", ceil(size / m.blocks) * ceil(inner / m.block_lanes), product_lag(m), operands, **more)


def product_lag(machine: "VectorMatrix") -> int:
    """From the last beat of a product to its last result: bank skew, H-tree down and up, adder tree."""
    return machine.banks - 1 + 2 * levels(machine.blocks) + levels(machine.block_lanes)


def levels(leaves: int) -> int:
    """Levels of a binary tree."""
    return ceil(log2(leaves))


def transfer_cycles(size: int, machine: "VectorMatrix") -> int:
    """Cycles of `size` elements through the channel to main memory."""
    return ceil(2 * size / (machine.dram_bytes_per_s / machine.clock_hz))


def flattened(items: Sequence[Instruction | Nest]) -> tuple[Op | Loop, ...]:
    """The instructions with the SMOVEs that their numbers need, and with the ends of loops."""
    return tuple(_written(items, set()))


def _written(items: Sequence[Instruction | Nest], held: set[int]) -> Iterator[Op | Loop]:
    for item in items:
        for number in sorted(set(item.numbers) - held):
            held.add(number)
            yield Op(None, writes=number)
        if isinstance(item, Instruction):
            yield item.op
            continue
        counter = item.counter
        yield Op(None, writes=counter)
        end = (Op(None, reads=(counter,), writes=counter), Op(None, reads=(counter,), branch=True))
        yield Loop(item.count, (*_written(item.body, held), *end))


def program(layer: Layer, machine: "VectorMatrix") -> tuple[Op | Loop, ...] | None:
    """The instructions of `layer` for one example; None where it does not fit, or no such layer is written here."""
    writer = Writer(machine)
    if layer.operator == "linear" and not layer.has_bias:
        fits = _linear(writer, layer)
    elif layer.operator in ("conv2d", "max_pool2d", "average_pool2d") and not layer.has_bias and layer.n == 1:
        fits = _windows(writer, layer)
    elif layer.operator == "relu":
        fits = _relu(writer, layer.outputs)
    else:
        fits = False
    return flattened(writer.block) if fits else None


def _room(machine: "VectorMatrix", *sizes: int) -> bool:
    return sum(sizes) <= machine.vector_elements - machine.vector_elements // KEPT


def _relu(w: Writer, size: int) -> bool:
    if not _room(w.machine, size, size):
        return False
    w.io(size, (0, size), sets=("x",))
    w.vector(size, (size, size, 0, 0), waits=("x",), sets=("y",))
    w.vector(size, (size, size, 0, size), waits=("y",), sets=("y",))
    w.io(size, (size, size), waits=("y",))
    return True


def _linear(w: Writer, layer: Layer) -> bool:
    n, k, c = layer.n, layer.k, layer.c
    if not _room(w.machine, n * c, n * k) or c > w.machine.matrix_elements:
        return False
    w.io(n * c, (0, n * c), sets=("x",))
    with _tiles(w, k, c, n * c) as (size, pointer):
        into = n * c if pointer is None else pointer
        if n == 1:
            w.product(size, c, (into, size, 0, 0, c), waits=("x", "w"), sets=("y", "used"))
        else:
            to, vector = w.pointer(into), w.pointer(0)
            with w.loop(n, ((to, k), (vector, c))):
                w.product(size, c, (to, size, 0, vector, c), waits=("x", "w"), sets=("y", "used"))
    w.io(n * k, (n * c, n * k), waits=("y",))
    return True


@contextmanager
def _tiles(w: Writer, k: int, c: int, outputs: int) -> Iterator[tuple[int, int | None]]:
    """The matrix whole, or a loop over the largest tiles of rows that leave no rest."""
    room = w.machine.matrix_elements
    if k * c <= room:
        w.io(k * c, (0, k * c), sets=("w",))
        yield k, None
        return
    size = next(d for d in range(min(k, room // c), 0, -1) if k % d == 0)
    weights, pointer = w.pointer(), w.pointer(outputs)
    with w.loop(k // size, ((weights, 1), (pointer, 1))):
        w.io(size * c, (0, size * c, weights), waits=("w", "used"), sets=("w",))
        yield size, pointer


def _windows(w: Writer, layer: Layer) -> bool:
    m, channels = w.machine, layer.groups * layer.c
    k = layer.groups * layer.k
    h, v = layer.input_size
    top, bottom, left, right = layer.padding
    high, wide = h + top + bottom, v + left + right
    inner = layer.c * layer.r * layer.s if layer.has_weights else channels * layer.r * layer.s
    pooled = layer.operator == "max_pool2d"
    border = (high, wide) != (h, v)
    size, padded, out = channels * h * v, channels * high * wide, k * layer.p * layer.q
    if not _room(m, size, out) or (not pooled and k * inner > m.matrix_elements):
        return False
    top_free = m.vector_elements
    w.io(size, (0, size), sets=("x",))
    image = 0
    found: Found | None = None
    if border:
        if (m.vector_elements - size) // 2 < padded or not size + out <= min(
            m.vector_elements - padded, m.vector_elements - m.vector_elements // KEPT
        ):
            return False
        top_free = image = m.vector_elements - padded
        _border(w, layer, image, channels, wide)
        found = _copied(layer, channels)
    reads = "border" if border else "x"
    at = layer.stride[0] * wide * channels, layer.stride[1] * channels
    taps = layer.dilation[0] * wide * channels, layer.dilation[1] * channels
    if not pooled:
        patch = top_free - inner
        if patch < size + out:
            return False
        w.io(k * inner, (0, k * inner), sets=("w",))
    place, result = w.pointer(image), w.pointer(size)
    with (
        w.loop(layer.p, ((place, at[0] - layer.q * at[1]),)),
        w.loop(layer.q, ((place, at[1]), (result, k))),
    ):
        if pooled:
            _maximum(w, layer, channels, place, result, taps, reads, found)
        else:
            _product(w, layer, (k, inner), place, result, patch, taps, reads, found)
    w.io(out, (size, out), waits=("y",))
    return True


def _border(w: Writer, layer: Layer, image: int, channels: int, wide: int) -> None:
    """The image copied inside a border: VSV makes zeros, VAS the lowest number for a maximum."""
    h, v = layer.input_size
    padded = (h + layer.padding[0] + layer.padding[1]) * wide * channels
    w.vector(padded, (image, padded, image, image), sets=("border",))
    if layer.operator == "max_pool2d":
        w.vector(padded, (image, padded, image), waits=("border",), sets=("border",))
    inside = image + (layer.padding[0] * wide + layer.padding[2]) * channels
    sizes, to, source = (h, v, channels), (wide * channels, channels, 1), (v * channels, channels, 1)
    _copy(w, inside, 0, sizes, to, source, waits=("x", "border"), makes_row=True)


def _copied(layer: Layer, channels: int) -> Found:
    """Which of the copies that made the padded image has to be over for a read of it."""
    h, v = layer.input_size
    top, _, left, right = layer.padding
    pitch, run = (left + v + right) * channels, v * channels
    if pitch == run or h == 1:
        h, run = 1, h * run  # one copy
    starts = [(top + i) * pitch + left * channels for i in range(h)]
    return lambda at, size: max((i for i, s in enumerate(starts) if s < at + size and at < s + run), default=-1)


def _copy(
    w: Writer,
    to: int,
    source: int,
    sizes: Sequence[int],
    to_strides: Sequence[int],
    from_strides: Sequence[int],
    *,
    found: Found | None = None,
    outer: int = 0,
    **more: object,
) -> None:
    """VMOVEs in loops over all but the innermost run, axes that continue one another made one.

    `found` tells the copied row that the first of all windows waits for; `outer` loops are around one window.
    """
    axes: list[tuple[int, int, int]] = []
    for size, t, f in zip(sizes, to_strides, from_strides, strict=True):
        if size > 1:
            joined = bool(axes) and axes[-1][1:] == (size * t, size * f)
            axes.append((axes.pop()[0] * size if joined else size, t, f))
    run = axes.pop()[0] if axes and axes[-1][1:] == (1, 1) else 1
    if axes:
        to, source = w.pointer(to), w.pointer(source)
    row: Row | None = None
    if found is not None:

        def row(turns: Sequence[int], found: Found = found) -> int:
            if any(turns[:outer]):
                return -1
            return found(sum(turn * f for turn, (_, _, f) in zip(turns[outer:], axes, strict=True)), run)

    with _nest(w, axes, to, source):
        w.vector(run, (to, run, source), row=row, **more)


@contextmanager
def _nest(w: Writer, axes: Sequence[tuple[int, int, int]], to: int, source: int) -> Iterator[None]:
    if not axes:
        yield
        return
    (size, t, f), inner = axes[0], axes[1] if len(axes) > 1 else (0, 0, 0)
    steps = ((to, t - inner[0] * inner[1]), (source, f - inner[0] * inner[2]))
    with w.loop(size, steps), _nest(w, axes[1:], to, source):
        yield


def _product(
    w: Writer,
    layer: Layer,
    shape: tuple[int, int],
    place: int,
    result: int,
    patch: int,
    taps: tuple[int, int],
    reads: str,
    found: Found | None,
) -> None:
    """One window: its rows to the patch, then the product; groups are a loop."""
    (k, inner), groups = shape, layer.groups if layer.has_weights else 1
    c = layer.c if layer.has_weights else layer.groups
    rows, first, to = 0, place, result
    if groups > 1:
        rows, first, to = w.pointer(0), w.pointer(place), w.pointer(result)
    with w.loop(groups, ((rows, 1), (first, 1), (to, 1)) if groups > 1 else ()):
        _copy(
            w,
            patch,
            first,
            (layer.r, layer.s, c),
            (layer.s * c, c, 1),
            (*taps, 1),
            found=found,
            outer=(layer.p > 1) + (layer.q > 1) + (groups > 1),
            waits=(reads, "used"),
            sets=("patch",),
        )
        w.product(k // groups, inner, (to, k // groups, rows, patch, inner), waits=("w", "patch"), sets=("y", "used"))


def _maximum(
    w: Writer,
    layer: Layer,
    channels: int,
    place: int,
    result: int,
    taps: tuple[int, int],
    reads: str,
    found: Found | None,
) -> None:
    """One window: its first place, then the larger of it and each place."""
    outer = (layer.p > 1) + (layer.q > 1)
    _copy(w, result, place, (channels,), (1,), (1,), found=found, outer=outer, waits=(reads,), sets=("cell", "y"))
    tap = w.pointer(place)
    down, right = taps
    with w.loop(layer.r, ((tap, down - layer.s * right),)), w.loop(layer.s, ((tap, right),)):
        w.vector(channels, (result, channels, result, tap), waits=("x", "cell"), sets=("cell", "y"))
