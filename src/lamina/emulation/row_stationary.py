"""Row-stationary array, tick by tick: filters stay in rows, inputs lie on diagonals, sums climb the columns.

    DRAM ─▶ buffer ──filter network──▶ rows         each tick: every element multiplies filter word (f, c, s) of its
                   ──input network──▶ diagonals     registers with input (c, s) and adds to its sum f; one word of the
                   ──sum network────▶ bottom row    inputs comes for the next window; one bundle of sums of the window
                   ◀─output network── top row       before enters at the bottom, the others climb by one element

A pass is p x t filters of q x r channels for e output rows of n images. It begins with the filters and the first
window; then windows follow in beats that end when elements, input network and climbing sums have all finished; then
the last sums leave. Sums are added to those of earlier channels, which wait in the buffer. What lies where follows the
mapping, the chip's configuration; the buffer is checked to hold it. All passes are alike: filters, channels, rows and
images that do not exist are zeros. The count is of ticks of these loops, no cycle is computed.

Examples run in lockstep: ticks are those of one. Sums have the layer's accumulator width (the chip cuts its own to 16
bits). Bias, requantisation and other layers follow the operator table; DRAM is taken not to be waited for.

Shapes    E examples, B images of one, T x R sets of H rows x D columns of elements, P filters, Q channels, S taps
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput, CheckFailed, Unsupported
from lamina.hw.families._row_stationary_mapping import Mapping, best
from lamina.hw.families.row_stationary import RowStationary
from lamina.ir import integers as rules
from lamina.ir.layer import Layer
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import Site, stored
from lamina.ir.types import Float

OPERATORS = ("conv2d", "linear")
MOST_HELD = 2**22  # registers of all examples, and numbers of a value
MOST_EXAMPLES = 200

Ints = NDArray[Any]  # signed integers of the accumulator's width


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """How a kernel slides."""

    stride: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]  # of the result


@dataclass(slots=True)
class Counters:
    """What one example did."""

    ticks: int = 0
    filter_words: int = 0  # sent by the filter network
    input_words: int = 0
    sum_words: int = 0  # read from the buffer and written to it


def prepare(network: Network, machine: RowStationary) -> Network:
    """`network` itself; raises `BadInput` where a multiplying layer is not integer with exact products."""
    types = network.types
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        if isinstance(types[operation.inputs[0]].element, Float):
            raise BadInput(
                f"network {network.name!r} multiplies in float ({operation.name}), the array in integers: "
                "lamina quantise makes an integer network"
            )
        if operation.attributes.get("products", "exact") != "exact":
            raise BadInput(f"{operation.name} has truncated products: the array's are exact")
        widest = max(types[name].bits for name in operation.inputs[:2])
        if widest > machine.bits:
            raise BadInput(f"{operation.name} multiplies {widest} bits, the machine's words have {machine.bits}")
    return network


def lockstep(network: Network, machine: RowStationary) -> int:
    """Examples side by side: as many as memory is meant for."""
    registers = machine.rows * machine.columns * (2 * machine.input_words + 2 * machine.sum_words)
    largest = max(t.size for t in network.with_batch(1).types.values())
    return int(np.clip(MOST_HELD // max(registers, largest), 1, MOST_EXAMPLES))


def layer(
    operation: Operation, site: Site, arrays: list[Array], examples: int, machine: RowStationary
) -> tuple[Array, int]:
    """The stored result of a conv2d or linear layer for `examples` in lockstep, and the ticks of one."""
    if arrays[0].ndim < 2 or len(arrays[0]) % examples:
        raise BadInput(f"{operation.name}: axis 0 of its input is not the examples")
    nest = operator(operation.operator).nest
    assert nest is not None
    given = nest(site)
    one = Layer(name=operation.name, operator=operation.operator, **{**given, "n": given["n"] // examples})
    found = best(one, machine)
    if found is None:
        raise Unsupported(f"{operation.name} does not fit the array, its registers or its buffer")
    x, w, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    narrow = site.attributes["accumulator"] == 32 and max(t.bits for t in site.inputs[:2]) <= 16
    width: Any = np.int32 if narrow else np.int64
    values = arrays[0].astype(width) - width(x.zero_point)
    if operation.operator == "linear":
        values, kernel = values.reshape(examples, -1, values.shape[-1], 1, 1), arrays[1][:, :, None, None]
    else:
        top, bottom, left, right = site.attributes["padding"]
        values = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
        values, kernel = values.reshape(examples, -1, *values.shape[1:]), arrays[1]
    window = Window(stride=one.stride, dilation=one.dilation, size=(one.p, one.q))
    counters = Counters()
    parts = [
        convolve(inputs, filters, window, found[0], machine, counters)
        for inputs, filters in zip(
            np.split(values, one.groups, axis=2), np.split(kernel.astype(width), one.groups), strict=True
        )
    ]
    sums = np.concatenate(parts, axis=2).astype(np.int64).reshape(site.outputs[0].shape)
    axis = 1 if operation.operator == "conv2d" else -1
    if len(arrays) > 2:
        along = [1] * sums.ndim
        along[axis] = -1
        sums = sums + arrays[2].astype(np.int64).reshape(along)
    return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis), counters.ticks


def convolve(
    x_EBCHW: Ints, w_KCHS: Ints, window: Window, mapping: Mapping, machine: RowStationary, counters: Counters
) -> Ints:
    """Padded inputs with the filters of one group under `mapping`: sums [E, B, K, p, q]; adds to `counters`."""
    (images, channels), (k, _, high, wide) = x_EBCHW.shape[1:3], w_KCHS.shape
    height, width = window.size
    x = _filled(x_EBCHW, (1, mapping.n, mapping.q * mapping.r, 1, 1))
    together = mapping.p * mapping.t
    w = _filled(w_KCHS, (mapping.m, mapping.q * mapping.r, 1, 1))
    reach = (-(-height // mapping.e) * mapping.e - 1) * window.stride[0] + (high - 1) * window.dilation[0] + 1
    x = np.pad(x, ((0, 0),) * 3 + ((0, max(0, reach - x.shape[3])), (0, 0)))  # rows of a last strip that do not exist
    array = PEs(mapping=mapping, window=window, machine=machine, kernel=(high, wide), counters=counters)
    result = np.zeros((len(x), x.shape[1], len(w), -(-height // mapping.e) * mapping.e, width), x.dtype)
    lines = sorted({y * window.stride[0] + i * window.dilation[0] for y in range(mapping.e) for i in range(high)})
    for some, strip, resident in product(
        _blocks(x.shape[1], mapping.n), _blocks(height, mapping.e), _blocks(k, mapping.m)
    ):
        sums = np.zeros((len(x), mapping.n, mapping.m, mapping.e, width), x.dtype)  # in the buffer
        for first in range(0, channels, mapping.q * mapping.r):
            here = slice(first, first + mapping.q * mapping.r)
            rows = [line + strip.start * window.stride[0] for line in lines]
            inputs = x[:, some, here][:, :, :, rows].copy()  # DRAM to buffer
            _check_buffer(inputs, sums, machine)
            for group in range(0, min(k - resident.start, mapping.m), together):
                filters = w[resident.start + group : resident.start + group + together, here]
                array.run(filters, inputs, lines, sums[:, :, group : group + together], add=first > 0)
        result[:, some, resident, strip] = sums
        held = -(-min(k - resident.start, mapping.m) // together) * together
        counters.sum_words += sums[0, :, :held].size  # buffer to DRAM
    return result[:, :images, :k, :height]


def _check_buffer(inputs: Ints, sums: Ints, machine: RowStationary) -> None:
    bank = machine.glb_bytes // machine.glb_banks // machine.word_bytes
    if -(-inputs[0].size // bank) - (-sums[0].size // bank) > machine.glb_banks:
        raise CheckFailed(f"the buffer does not hold {inputs[0].size} words of inputs and {sums[0].size} of sums")


@dataclass(slots=True)
class PEs:
    """The elements and their networks."""

    mapping: Mapping
    window: Window
    machine: RowStationary
    kernel: tuple[int, int]
    counters: Counters
    filters_TRHDPQS: Ints = field(init=False)
    inputs_ETRHDQS: Ints = field(init=False)  # a sliding window in each element
    arriving_ETRHDQS: Ints = field(init=False)  # the input FIFOs: what the next window needs
    sums_ETRHDP: Ints = field(init=False)
    leaving_ETRHDP: Ints = field(init=False)  # the output FIFOs: sums of the window before

    @property
    def new_columns(self) -> int:
        """Taps of a window that the registers do not hold already."""
        step, wide = self.window.stride[1], self.kernel[1]
        return wide if self.window.dilation[1] > 1 else min(step, wide)

    def run(self, filters: Ints, inputs: Ints, lines: list[int], sums: Ints, *, add: bool) -> None:
        """One pass: filters [T P, R Q, H, S], inputs [E, n, R Q, lines, W]; `sums` [E, n, T P, D, q] are updated."""
        m, (high, wide) = self.mapping, self.kernel
        sets = (m.t, m.r, high, m.e)
        self.filters_TRHDPQS = np.zeros((*sets, m.p, m.q, wide), filters.dtype)
        self.inputs_ETRHDQS = np.zeros((len(inputs), *sets, m.q, wide), inputs.dtype)
        self.arriving_ETRHDQS = np.zeros_like(self.inputs_ETRHDQS)
        self.sums_ETRHDP = np.zeros((len(inputs), *sets, m.p), inputs.dtype)
        self.leaving_ETRHDP = np.zeros_like(self.sums_ETRHDP)
        places = list(product(range(m.n), range(self.window.size[1])))  # image and column of every window
        self._beat([self._load(filters), self._feed(inputs, lines, places[0])])
        self._take(places[0])
        for number in range(len(places)):
            work = [self._multiply()]
            if number + 1 < len(places):
                work.append(self._feed(inputs, lines, places[number + 1]))
            if number:
                work.append(self._climb(sums, places[number - 1], add=add))
            self._beat(work)
            self.leaving_ETRHDP[...] = self.sums_ETRHDP
            self.sums_ETRHDP[...] = 0
            if number + 1 < len(places):
                self._take(places[number + 1])
        self._beat([self._climb(sums, places[-1], add=add)])

    def _beat(self, work: Iterable[Iterator[None]]) -> None:
        """Let all units run side by side until the last has finished."""
        units = list(work)
        while units := [unit for unit in units if next(unit, self) is None]:
            self.counters.ticks += 1

    def _load(self, filters: Ints) -> Iterator[None]:
        """The filter network: a bundle of words to all elements of a row of a set each tick."""
        m, bundle = self.mapping, self.machine.filter_bus_words
        split = filters.reshape(m.t, m.p, m.r, m.q, *self.kernel)
        registers = self.filters_TRHDPQS.reshape(*self.filters_TRHDPQS.shape[:4], -1)
        for t, r, i in product(range(m.t), range(m.r), range(self.kernel[0])):
            row = split[t, :, r, :, i].reshape(-1)
            for start in range(0, len(row), bundle):
                registers[t, r, i, :, start : start + bundle] = row[start : start + bundle]
                self.counters.filter_words += len(row[start : start + bundle])
                yield

    def _feed(self, inputs: Ints, lines: list[int], place: tuple[int, int]) -> Iterator[None]:
        """The input network: words to all elements on their diagonal, in every set that works on their channel."""
        m, (high, wide) = self.mapping, self.kernel
        image, column = place
        taps = range(wide - (wide if column == 0 else self.new_columns), wide)
        sent = 0
        for r, q, (number, line), s in product(range(m.r), range(m.q), enumerate(lines), taps):
            word = inputs[:, image, r * m.q + q, number, column * self.window.stride[1] + s * self.window.dilation[1]]
            for i in range(high):
                j, off = divmod(line - i * self.window.dilation[0], self.window.stride[0])
                if off == 0 and 0 <= j < m.e:
                    self.arriving_ETRHDQS[:, :, r, i, j, q, s] = word[:, None]
            self.counters.input_words += 1
            sent += 1
            if sent % self.machine.input_bus_words == 0:
                yield
        if sent % self.machine.input_bus_words:
            yield

    def _take(self, place: tuple[int, int]) -> None:
        """Slide the windows: what is still needed moves down, what arrived fills up."""
        kept = 0 if place[1] == 0 else self.kernel[1] - self.new_columns
        if kept:
            self.inputs_ETRHDQS[..., :kept] = self.inputs_ETRHDQS[..., -kept:].copy()
        self.inputs_ETRHDQS[..., kept:] = self.arriving_ETRHDQS[..., kept:]

    def _multiply(self) -> Iterator[None]:
        """Every element: one product a tick, through its filters, channels and taps."""
        for p, q, s in product(range(self.mapping.p), range(self.mapping.q), range(self.kernel[1])):
            self.sums_ETRHDP[..., p] += self.filters_TRHDPQS[..., p, q, s] * self.inputs_ETRHDQS[..., q, s]
            yield

    def _climb(self, sums: Ints, place: tuple[int, int], *, add: bool) -> Iterator[None]:
        """The sums of a window: bundles enter at the bottom one a tick, climb an element a tick, leave at the top."""
        m, bundle, (image, column) = self.mapping, self.machine.sum_bus_words, place
        chain = list(product(range(m.r), range(self.kernel[0])))
        waiting = list(product(range(m.t), range(m.e), range(0, m.p, bundle)))[::-1]
        climbing: list[tuple[tuple[int, int, int], int, Ints]] = []  # which, elements passed, value
        while waiting or climbing:
            if waiting:
                t, j, start = waiting.pop()
                width = min(bundle, m.p - start)
                entering = np.zeros((len(sums), width), sums.dtype)
                if add:
                    entering = sums[:, image, t * m.p + start : t * m.p + start + width, j, column].copy()
                    self.counters.sum_words += width
                climbing.append(((t, j, start), 0, entering))
            still = []
            for (t, j, start), passed, value in climbing:
                r, i = chain[passed]
                value += self.leaving_ETRHDP[:, t, r, i, j, start : start + value.shape[1]]
                if passed + 1 < len(chain):
                    still.append(((t, j, start), passed + 1, value))
                else:
                    sums[:, image, t * m.p + start : t * m.p + start + value.shape[1], j, column] = value
                    self.counters.sum_words += value.shape[1]
            climbing = still
            yield


def _filled(values: Ints, multiples: tuple[int, ...]) -> Ints:
    """`values` with zeros at the ends of its axes, up to multiples."""
    return np.pad(values, [(0, -size % part) for size, part in zip(values.shape, multiples, strict=True)])


def _blocks(size: int, part: int) -> list[slice]:
    return [slice(at, at + part) for at in range(0, size, part)]
