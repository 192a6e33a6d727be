"""What a compiler writes for one layer on a vector and a matrix unit; left out: layers that the compiler refuses.

    linear       load x; [tiles:] load W;                    y = MMV W, x                          store y
    conv2d       load x; border; [tiles:] load W; for p, q:  copy R rows to a patch; y = MMV W, patch      store y
    max_pool2d   load x; border;                  for p, q:  y = first place; for r, s: y = VGTM y, x      store y
    relu         load x;                                     z = x - x; y = VGTM x, z              store y

Maps lie channels last, an average is a product with a matrix of 1/(R S), groups are a loop inside a window, rows of a
linear layer a loop around the product. An image or result that does not fit stays in main memory: a window fetches what
it reads and stores what it made, a border is made there, a ReLU passes in pieces. A matrix that does not fit passes in
the largest tiles of rows that leave no rest. Temporary vectors share the top of the scratchpad: what makes one waits
for the last reader of the one before ("passed": of the copies that made a border in main memory).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.hw.families._vector_matrix_code import Found, Home, NoRoom, Room, Writer, copy, flattened
from lamina.hw.families._vector_matrix_time import Loop, Op
from lamina.ir.layer import Layer

if TYPE_CHECKING:
    from lamina.hw.families.vector_matrix import VectorMatrix

WINDOWS = ("conv2d", "max_pool2d", "average_pool2d")


def program(layer: Layer, machine: "VectorMatrix") -> tuple[Op | Loop, ...] | None:
    """The instructions of `layer` for one example; None where the compiler refuses it, or none is written here."""
    writer, room = Writer(machine), Room(machine.vector_elements)
    try:
        if layer.operator == "linear" and not layer.has_bias:
            _linear(writer, room, layer)
        elif layer.operator in WINDOWS and not layer.has_bias and layer.n == 1:
            _windows(writer, room, layer)
        elif layer.operator == "relu":
            _relu(writer, room, layer.outputs)
        else:
            return None
    except NoRoom:
        return None
    return flattened(writer.block)


def _fetched(w: Writer, room: Room, size: int) -> Home:
    """The input: loaded, if there is room for it."""
    address = room.take(size)
    if address is None:
        return Home("memory")
    w.io(size, (address, size), sets=("x",))
    return Home("vector", address)


def _result(room: Room, size: int) -> Home:
    address = room.take(size)
    return Home("memory") if address is None else Home("vector", address)


def _out(w: Writer, result: Home, size: int) -> None:
    """The output is stored, where it does not lie in main memory already."""
    if result.near:
        w.io(size, (result.address, size), waits=("y",))


def _relu(w: Writer, room: Room, size: int) -> None:
    source = _fetched(w, room, size)
    result = _result(room, size)
    vectors = (not result.near) + (not source.near)
    most = room.largest // vectors if vectors else size
    if most == 0:
        raise NoRoom
    if most >= size:
        _piece(w, room, source, result, size)
    else:
        into, at = w.pointer(result.address), w.pointer(source.address)
        moving = Home(source.space, at), Home(result.space, into)
        with w.loop(size // most, ((into, most), (at, most))):
            _piece(w, room, *moving, most)
        if size % most:
            _piece(w, room, *moving, size % most)
    _out(w, result, size)


def _piece(w: Writer, room: Room, source: Home, result: Home, size: int) -> None:
    free = list(room.gaps)
    a = source.address
    if not source.near:
        a = room.temporary(size)
        w.load(a, size, source, waits=("read",), sets=("x",))
    y = result.address if result.near else room.temporary(size)
    w.vector(size, (y, size, a, a), waits=("x", "stored"), sets=("y", "read"))
    w.vector(size, (y, size, a, y), waits=("x", "y"), sets=("y", "read"))
    if not result.near:
        w.store(result, size, y, waits=("y",), sets=("stored",))
    room.gaps = free


def _linear(w: Writer, room: Room, layer: Layer) -> None:
    n, k, c = layer.n, layer.k, layer.c
    source = _fetched(w, room, n * c)
    x = source.address
    if not source.near:
        x = room.temporary(n * c)
        w.load(x, n * c, source, sets=("x",))
    result = _result(room, n * k)
    y = result.address if result.near else room.temporary(n * k)
    with _tiles(w, k, c, y) as (size, pointer):
        into = y if pointer is None else pointer
        if n == 1:
            w.product(size, c, (into, size, 0, x, c), waits=("x", "w"), sets=("y", "used"))
        else:
            to, vector = w.pointer(into), w.pointer(x)
            with w.loop(n, ((to, k), (vector, c))):
                w.product(size, c, (to, size, 0, vector, c), waits=("x", "w"), sets=("y", "used"))
    if not result.near:
        w.store(result, n * k, y, waits=("y",))
    _out(w, result, n * k)


@contextmanager
def _tiles(w: Writer, k: int, c: int, outputs: int) -> Iterator[tuple[int, int | None]]:
    """The matrix whole, or a loop over tiles: (rows at a time, pointer to their outputs)."""
    capacity = w.machine.matrix_elements
    if k * c <= capacity:
        w.io(k * c, (0, k * c), sets=("w",))
        yield k, None
        return
    size = next((d for d in range(min(k, capacity // c), 0, -1) if k % d == 0), 0)
    if size == 0:
        raise NoRoom
    weights, pointer = w.pointer(), w.pointer(outputs)
    with w.loop(k // size, ((weights, 1), (pointer, 1))):
        w.io(size * c, (0, size * c, weights), waits=("w", "used"), sets=("w",))
        yield size, pointer


@dataclass(frozen=True, slots=True)
class Image:
    """The padded image [high, wide, channels] and the window in it."""

    home: Home
    channels: int
    wide: int
    found: Found | None  # of the copies that made the border
    ready: str  # the region that a read of it waits for

    def steps(self, y: int, x: int) -> tuple[int, int]:
        """Elements of y rows, of x places."""
        return y * self.wide * self.channels, x * self.channels


def _windows(w: Writer, room: Room, layer: Layer) -> None:
    channels, k = layer.groups * layer.c, layer.groups * layer.k
    h, v = layer.input_size
    source = _fetched(w, room, channels * h * v)
    image = _image(w, room, layer, source, channels)
    size = k * layer.p * layer.q
    result = _result(room, size)
    if layer.operator == "max_pool2d":
        _maximum(w, room, layer, image, result)
    else:
        _slide(w, room, layer, image, result)
    _out(w, result, size)


def _image(w: Writer, room: Room, layer: Layer, source: Home, channels: int) -> Image:
    """The image inside a border of zeros, or of the lowest number for a maximum (VSV, VAS; main memory is filled)."""
    h, v = layer.input_size
    top, bottom, left, right = layer.padding
    wide = left + v + right
    if not any(layer.padding):
        return Image(source, channels, wide, None, "x")
    padded = (top + h + bottom) * wide * channels
    home = Home("memory")
    if room.largest // 2 >= padded:
        home = Home("vector", room.temporary(padded))
        at = home.address
        w.vector(padded, (at, padded, at, at), sets=("border",))
        if layer.operator == "max_pool2d":
            w.vector(padded, (at, padded, at), waits=("border",), sets=("border",))
    inside = Home(home.space, home.address + (top * wide + left) * channels)
    strides = (wide * channels, channels, 1), (v * channels, channels, 1)
    copy(w, room, inside, source, (h, v, channels), *strides, waits=("x", "border"), makes_row=True)
    return Image(home, channels, wide, _copied(layer, channels), "border")


def _copied(layer: Layer, channels: int) -> Found:
    """Which of the copies that made the padded image has to be over for a read of it."""
    h, v = layer.input_size
    top, _, left, right = layer.padding
    pitch, run = (left + v + right) * channels, v * channels
    if pitch == run or h == 1:
        h, run = 1, h * run  # one copy
    starts = [(top + i) * pitch + left * channels for i in range(h)]
    return lambda at, size: max((i for i, s in enumerate(starts) if s < at + size and at < s + run), default=-1)


@contextmanager
def _places(w: Writer, layer: Layer, image: Image, into: int, by: int) -> Iterator[tuple[int, int]]:
    """Loops over windows; (pointer to the window, pointer to its result, which moves on by `by`)."""
    down, right = image.steps(*layer.stride)
    place, out = w.pointer(image.home.address), w.pointer(into)
    with w.loop(layer.p, ((place, down - layer.q * right),)), w.loop(layer.q, ((place, right), (out, by))):
        yield place, out


def _slide(w: Writer, room: Room, layer: Layer, image: Image, result: Home) -> None:
    """One window: its rows to the patch, then the product; groups are a loop."""
    pooled = layer.operator == "average_pool2d"
    groups, c = (1, image.channels) if pooled else (layer.groups, layer.c)
    k, inner = layer.groups * layer.k, c * layer.r * layer.s
    patch = room.temporary(inner)
    outer = (layer.p > 1) + (layer.q > 1) + (groups > 1)
    with ExitStack() as stack:
        size, pointer = stack.enter_context(_tiles(w, k, inner, result.address))
        if groups > 1 and size < k:
            raise NoRoom
        sums = None if result.near else room.temporary(size)
        into = result.address if pointer is None else pointer
        place, out = stack.enter_context(_places(w, layer, image, into, k))
        target = out if sums is None else sums
        rows, first, to = 0, place, target
        if groups > 1:
            rows, first, to = w.pointer(), w.pointer(place), w.pointer(target)
        with w.loop(groups, ((rows, 1), (first, 1), (to, 1)) if groups > 1 else ()):
            copy(
                w,
                room,
                Home("vector", patch),
                Home(image.home.space, first),
                (layer.r, layer.s, c),
                (layer.s * c, c, 1),
                (*image.steps(*layer.dilation), 1),
                waits=(image.ready, "used", "passed"),
                sets=("patch",),
                found=image.found,
                outer=outer + (pointer is not None),
            )
            operands = to, size // groups, rows, patch, inner
            w.product(size // groups, inner, operands, waits=("w", "patch", "stored"), sets=("y", "used"))
        if sums is not None:
            w.store(Home("memory", out), size, sums, waits=("y",), sets=("stored",))


def _maximum(w: Writer, room: Room, layer: Layer, image: Image, result: Home) -> None:
    """One window: its first place, then the larger of it and each place."""
    channels = image.channels
    best = None if result.near else room.temporary(channels)
    fetched = None if image.home.near else room.temporary(channels)
    down, right = image.steps(*layer.dilation)
    with _places(w, layer, image, result.address, channels) as (place, out):
        target = out if best is None else best
        copy(
            w,
            room,
            Home("vector", target),
            Home(image.home.space, place),
            (channels,),
            (1,),
            (1,),
            waits=(image.ready, "stored", *(() if best is None else ("passed",))),
            sets=("cell", "y"),
            found=image.found,
            outer=(layer.p > 1) + (layer.q > 1),
        )
        tap = w.pointer(place)
        with w.loop(layer.r, ((tap, down - layer.s * right),)), w.loop(layer.s, ((tap, right),)):
            if fetched is not None:
                w.load(fetched, channels, Home("memory", tap), waits=("read", "passed"), sets=("fetched",))
            operands = target, channels, target, tap if fetched is None else fetched
            w.vector(channels, operands, waits=("x", "cell", "fetched"), sets=("cell", "y", "read"))
        if best is not None:
            w.store(Home("memory", out), channels, best, waits=("cell",), sets=("stored",))
