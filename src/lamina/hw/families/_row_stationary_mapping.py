"""The row-stationary mapping of a layer and its counts; left out: filters kept across strips, ragged last passes.

A set of R x e elements computes e rows of one output channel from one input channel: filter rows stay in its rows,
input rows lie on its diagonals, sums climb its columns. A pass runs r x t sets, each element p filters of q channels,
for n images; the psums of m output channels wait in the buffer until all channels have been added:

    sets              cut in ceil(e / columns) segments; floor(rows / (R segments)) above, floor(columns / e) beside
    register files    q S <= inputs    p q S <= weights    p <= sums
    global buffer     banks(n q r planes of the strip's rows) + banks(n m planes of e rows) <= banks
    strips X = ceil(E / e)    rounds over the inputs ceil(K / m)    groups of images ceil(N / n)

The control of a pass is set once for a layer, so every pass is alike and the last ones are filled up with zeros. The
mapping with the least energy wins: elements, buffer, DRAM (weights X ceil(N / n) times, inputs once a round) on dense
data, and the clock for as long as the passes take; ties go to the smallest. Inputs count with their padding, which lies
in the buffer too. So that a larger buffer never moves more DRAM words the buffer is grown in thought: a mapping that
needs more of it is taken over one that needs less only if it moves no more.

Shapes    a `Mapping` holds seven counts, or seven arrays of candidates of one length
Paper     Chen et al., JSSC 2017, section IV and table II, https://doi.org/10.1109/JSSC.2016.2616357
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.ir.layer import Layer

if TYPE_CHECKING:
    from lamina.hw.families.row_stationary import RowStationary


_HALVES = tuple(2**k for k in range(20))
_THIRDS = tuple(sorted({*_HALVES, *(3 * 2**k for k in range(19))}))  # 1, 2, 3, 4, 6, 8, 12 ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What the search may know of a layer: one group of a convolution; a fully connected layer is 1 x 1 of 1 x 1."""

    images: int
    filters: int
    channels: int
    height: int  # of the result
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    plane: tuple[int, int]  # of one input channel, padded

    def rows(self, e: int) -> int:
        """Input rows, each counted once, that `e` neighbouring output rows touch."""
        (step, _), (gap, _), high = self.stride, self.dilation, self.kernel[0]
        return len({y * step + i * gap for y in range(e) for i in range(high)})

    @property
    def new_columns(self) -> int:
        """Columns of a window that the one before it did not hold."""
        wide = self.kernel[1]
        return min(self.stride[1], wide) if self.dilation[1] == 1 else wide


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapping:
    m: Any  # output channels whose psums are in the buffer
    n: Any  # images of a pass
    e: Any  # output rows of a strip
    p: Any  # filters of an element
    q: Any  # channels of an element
    r: Any  # sets that work on different channels
    t: Any  # sets that work on different filters


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What one group of a layer does under a mapping; words are the machine's."""

    active: Any  # elements at work
    passes: Any
    ticks: Any  # of one pass
    macs: Any  # of the elements at work, zeros that fill up passes included
    filter_words: Any  # of one pass, by the filter network
    input_words: Any  # of all passes, buffer to array
    sum_words: Any  # read and written by the array, and the results once to go out
    received: Any  # words that elements take in: filters and inputs
    hops: Any  # sums handed to the element above
    dram_inputs: Any  # words, padding included
    dram_weights: Any


def shape_of(layer: Layer) -> Shape:
    """The shape of one group of a multiplying layer."""
    top, bottom, left, right = layer.padding
    height, width = layer.input_size
    return Shape(
        images=layer.n,
        filters=layer.k,
        channels=layer.c,
        height=layer.p,
        width=layer.q,
        kernel=(layer.r, layer.s),
        stride=layer.stride,
        dilation=layer.dilation,
        plane=(height + top + bottom, width + left + right),
    )


def counts(shape: Shape, machine: "RowStationary", mapping: Mapping, rows: Any) -> Counts:
    """The counts of `mapping`; `rows` are the input rows of its strip."""
    m, n, e, p, q, r, t = (getattr(mapping, name) for name in "mnepqrt")
    high, wide = shape.kernel
    strips, image_groups = _ceil(shape.height, e), _ceil(shape.images, n)
    filter_groups, channel_groups = _ceil(shape.filters, p * t), _ceil(shape.channels, q * r)
    rounds = _ceil(filter_groups * p * t, m)
    passes = strips * image_groups * filter_groups * channel_groups
    active = high * e * r * t
    columns = wide + (shape.width - 1) * shape.new_columns
    filter_words = p * q * wide * high * r * t
    planes = np.maximum(strips * rows, shape.plane[0]) * shape.plane[1] * shape.channels * shape.images
    return Counts(
        active=active,
        passes=passes,
        ticks=pass_ticks(shape, machine, mapping, rows),
        macs=passes * n * shape.width * active * p * q * wide,
        filter_words=filter_words,
        input_words=passes * n * rows * columns * q * r,
        sum_words=2 * passes * n * shape.width * p * t * e,
        received=passes * active * q * (p * wide + n * columns),
        hops=passes * n * shape.width * e * t * p * (high * r - 1),
        dram_inputs=planes * rounds,
        dram_weights=shape.filters * shape.channels * high * wide * strips * image_groups,
    )


def pass_ticks(shape: Shape, machine: "RowStationary", mapping: Mapping, rows: Any) -> Any:
    """Ticks of a pass: a three-stage pipeline over its W = n F windows, filled while the filters come in.

    While window w is computed the input network brings what window w + 1 lacks, and the sums of window w - 1 climb
    their columns; the slowest of the three sets the beat.
    """
    n, e, p, q, r, t = (getattr(mapping, name) for name in "nepqrt")
    high, wide = shape.kernel
    filters = high * r * t * _ceil(p * q * wide, machine.filter_bus_words)
    first = _ceil(rows * q * r * wide, machine.input_bus_words)
    later = _ceil(rows * q * r * shape.new_columns, machine.input_bus_words)
    compute = p * q * wide
    sums = t * e * _ceil(p, machine.sum_bus_words) + high * r - 1
    windows = n * shape.width
    following = first if shape.width == 1 else later  # what window 1 lacks
    jumps = n - 1 - (1 if shape.width == 1 else 0)  # windows after it that begin an image
    rest = windows - 2 - jumps
    pipeline = (
        np.maximum(compute, following)
        + jumps * np.maximum(np.maximum(compute, first), sums)
        + rest * np.maximum(np.maximum(compute, later), sums)
        + np.maximum(compute, sums)
    )
    return np.maximum(filters, first) + np.where(windows == 1, compute, pipeline) + sums


def best(layer: Layer, machine: "RowStationary") -> tuple[Mapping, Counts] | None:
    """The mapping of one group of `layer` and its counts; None where no pass fits the machine."""
    return _best(shape_of(layer), machine)


@lru_cache(maxsize=4096)
def _best(shape: Shape, machine: "RowStationary") -> tuple[Mapping, Counts] | None:
    found = _candidates(shape, machine)
    if found is None:
        return None
    mapping, rows = found
    counted = counts(shape, machine, mapping, rows)
    words = counted.dram_inputs + counted.dram_weights
    energy = pass_energy_j(counted, machine) + words * machine.dram_j
    needed = _bank_words(shape, machine, mapping, rows)
    keys = (needed, energy, mapping.p * mapping.t, mapping.q * mapping.r)
    left = np.arange(len(rows))
    while len(left):
        first = left
        for key in keys:
            values = key[first]
            first = first[values == values.min()]
        at = first[0]
        left = left[(energy[left] < energy[at]) & (words[left] <= words[at])]
    one = Mapping(**{name: int(getattr(mapping, name)[at]) for name in "mnepqrt"})
    exact = counts(shape, machine, one, int(rows[at]))
    return one, Counts(**{name: int(getattr(exact, name)) for name in Counts.__slots__})


def pass_energy_j(counted: Counts, machine: "RowStationary") -> Any:
    """Joules of all passes on dense data, clock included, without DRAM."""
    buffered = counted.input_words + counted.sum_words + counted.passes * counted.filter_words
    return (
        counted.macs * (machine.mac_j + 4 * machine.register_j)
        + counted.received * (machine.register_j + machine.hop_j)
        + counted.hops * machine.hop_j
        + buffered * machine.buffer_j
        + counted.passes * counted.ticks * (machine.clock_w / machine.clock_hz)
    )


def _bank_words(shape: Shape, machine: "RowStationary", mapping: Mapping, rows: Any) -> Any:
    """The smallest bank, in words, with which a mapping fits the machine's number of banks."""
    inputs = mapping.n * mapping.q * mapping.r * rows * shape.plane[1]
    sums = mapping.n * mapping.m * mapping.e * shape.width
    low, high = _ceil(inputs + sums, machine.glb_banks), inputs + sums
    if machine.glb_banks > 2:
        high = _ceil(inputs + sums, machine.glb_banks - 2)
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        fits = _ceil(inputs, middle) + _ceil(sums, middle) <= machine.glb_banks
        low, high = np.where(fits, low, np.minimum(middle + 1, high)), np.where(fits, middle, high)
    return low


def _candidates(shape: Shape, machine: "RowStationary") -> tuple[Mapping, Any] | None:
    """The mappings that are tried and fit, as arrays of float64, with the input rows of their strips."""
    high, wide = shape.kernel
    sets = [
        (e, touched, r, t, n)
        for e in _cuts(shape.height)
        for above, beside in [_places(high, e, machine)]
        if above
        for touched in [shape.rows(e)]
        for r in _cuts(min(above, shape.channels), _HALVES)
        for t in _cuts(min(above // r * beside, shape.filters), _HALVES)
        for n in _cuts(shape.images)
    ]
    elements = [
        (p, q)
        for q in _few(min(shape.channels, machine.input_words // wide))
        for p in _cuts(shape.filters)
        if p <= machine.sum_words and p * q * wide <= machine.filter_words
    ]
    bank = machine.glb_bytes // machine.glb_banks // machine.word_bytes  # words
    if not sets or not elements or not bank:
        return None
    e, rows, r, t, n = (np.repeat(column, len(elements)) for column in np.array(sets, np.float64).T)
    p, q = (np.tile(column, len(sets)) for column in np.array(elements, np.float64).T)
    free = machine.glb_banks - _ceil(n * q * r * rows * shape.plane[1], bank)
    held = np.floor(np.maximum(free, 0) * bank / (n * e * shape.width * p * t))  # filter groups whose psums fit
    fits = held > 0
    if not fits.any():
        return None
    e, rows, r, t, n, p, q, held = (x[fits] for x in (e, rows, r, t, n, p, q, held))
    groups = _ceil(shape.filters, p * t)
    m = _ceil(groups, _ceil(groups, held)) * p * t
    return Mapping(m=m, n=n, e=e, p=p, q=q, r=r, t=t), rows


def _places(high: int, e: int, machine: "RowStationary") -> tuple[int, int]:
    """How many sets of high x e stand above one another, and beside one another."""
    return machine.rows // (high * ceil(e / machine.columns)), max(machine.columns // e, 1)


@lru_cache(maxsize=4096)
def _cuts(size: int, parts: Sequence[int] = _THIRDS) -> list[int]:
    """The sizes of parts when `size` is cut into `parts` nearly equal ones, down to 1."""
    return sorted({ceil(size / count) for count in parts if count < size} | {1})


def _few(most: int) -> list[int]:
    """1 to 4, and the cuts of `most`."""
    return sorted({*range(1, min(most, 4) + 1), *_cuts(most)})


def _ceil(a: Any, b: Any) -> Any:
    """ceil(a / b), exact: of Python's integers, or of float64 arrays of integers below 2^50."""
    return np.ceil(a / b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else -(-a // b)
