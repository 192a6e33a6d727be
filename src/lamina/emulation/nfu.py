"""DianNao's neural functional unit, tick by tick, in its fixed point.

    NBin ──▶ NFU-1 ──▶ NFU-2 ──▶ NFU-3 ──▶ NBout       NFU-1  Ti x Tn multipliers that drop the product's fraction bits
    SB ────────┘         ▲─────────────────┘           NFU-2  Tn adder trees, partial sums; maximum, sum for pooling
                                                       NFU-3  piecewise-linear function of results as they leave

A tick reads one row of Ti inputs from NBin and one of Ti x Tn synapses from SB. Loops of the paper, inside to outside:
convolution ii, kx, ky, nn, x, y, nnn; classifier ii, nn, iii, nnn; pooling kx, ky, ii, x, y (ii, nn: blocks of Ti, Tn;
iii: what NBin holds; nnn: what SB or NBout holds). A sum stays in NFU-2 while its loops run; a classifier's partial
sums wait in NBout between two chunks of inputs. NFU-3 is a later stage of the pipeline and takes no tick of its own.

Buffers are circular: a row that is not there is loaded over the oldest. Loads are counted and stall nothing: DMA is
taken to keep up. Assumed, the paper does not say: adders, and rows of NBout that hold partial sums, are wide enough
never to overflow, so the order of additions cannot matter; bias and saturation come last. Examples run in lockstep:
ticks are those of one. Other layers (quantise, softmax) are the host's.

Shapes    E examples (the last axis here), I <= Ti inputs, N <= Tn outputs
Paper     Chen et al., "DianNao", ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.hw.families.nfu import Nfu
from lamina.ir import integers as rules
from lamina.ir.fixed import to_fixed
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.multiply import fraction_bits
from lamina.ir.types import Fixed, Float

OPERATORS = ("conv2d", "linear", "max_pool2d", "average_pool2d", "add", "relu", "piecewise_linear")
MOST_BITS = 32  # products are computed in 64
MOST_HELD = 2**25  # numbers of a value of all examples
MOST_EXAMPLES = 250

Ints = NDArray[Any]
Key = tuple[int, ...]


def prepare(network: Network, machine: Nfu) -> Network:
    """`network` in the machine's fixed point: a float one is converted; another arithmetic raises `BadInput`."""
    element = Fixed(integer_bits=machine.bits - machine.fraction_bits, fraction_bits=machine.fraction_bits)
    if machine.bits > MOST_BITS:
        raise BadInput(f"nfu: bits is {machine.bits}, at most {MOST_BITS} are emulated")
    types = network.types
    if all(isinstance(t.element, Float) for t in types.values()):
        return to_fixed(network, element, segments=machine.segments)
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        uses = {types[name].element for name in (*operation.inputs[:2], operation.name)}
        if uses != {element}:
            raise BadInput(
                f"network {network.name!r} computes {operation.name} in {' and '.join(sorted(map(str, uses)))}, "
                f"the machine in {element}: give it the float network"
            )
        for key, own in (("rounding", "truncate"), ("products", "truncated")):
            if operation.attributes.get(key, own) != own:
                raise BadInput(f"{operation.name}: {key} is {operation.attributes[key]!r}, the machine's is {own!r}")
        if operation.operator == "piecewise_linear" and types[operation.inputs[1]].size > machine.segments:
            raise BadInput(f"{operation.name}: more segments than the machine's {machine.segments}")
    return network


def lockstep(network: Network, machine: Nfu) -> int:
    """Examples side by side: as many as memory is meant for."""
    largest = max(t.size for t in network.with_batch(1).types.values())
    return int(np.clip(MOST_HELD // largest, 1, MOST_EXAMPLES))


@dataclass(slots=True)
class Buffer:
    """A circular buffer of `rows` rows."""

    rows: int
    held: dict[Key, Ints] = field(default_factory=dict)
    loads: int = 0  # rows that came by DMA

    def read(self, key: Key, memory: Ints) -> Ints:
        """Row `key`; where it is not here it is copied from `memory` first, over the oldest row."""
        row = self.held.get(key)
        if row is None:
            if len(self.held) >= self.rows:
                del self.held[next(iter(self.held))]
            row = self.held[key] = memory.copy()
            self.loads += 1
        return row

    def write(self, key: Key, row: Ints) -> None:
        """Keep a row that the unit made; there must be room for it."""
        self.held[key] = row
        assert len(self.held) <= self.rows


@dataclass(slots=True)
class Unit:
    """The machine at work on one layer."""

    machine: Nfu
    examples: int
    shift: int = 0  # bits that the multipliers drop
    ticks: int = 0
    scratch: Ints = field(init=False)  # the outputs of the Ti x Tn multipliers
    nbin: Buffer = field(init=False)
    sb: Buffer = field(init=False)
    nbout: Buffer = field(init=False)

    def __post_init__(self) -> None:
        m = self.machine
        self.nbin = Buffer(rows=_rows("nbin_bytes", m.nbin_bytes, m.inputs, m.bits))
        self.sb = Buffer(rows=_rows("sb_bytes", m.sb_bytes, m.inputs * m.outputs, m.bits))
        self.nbout = Buffer(rows=_rows("nbout_bytes", m.nbout_bytes, m.outputs, m.bits))
        largest = 2 ** (2 * m.bits - 2)  # of a product; a tree adds Ti of them
        fits = largest < 2**31 and m.inputs * (largest >> self.shift) < 2**31
        self.scratch = np.empty((m.inputs, m.outputs, self.examples), np.int32 if fits else np.int64)

    def multiply(self, partial_NE: Ints, inputs_IE: Ints, synapses_IN: Ints) -> None:
        """One tick: NFU-1's products, each truncated, through NFU-2's trees onto the partial sums."""
        used = self.scratch[: synapses_IN.shape[0], : synapses_IN.shape[1]]
        np.multiply(inputs_IE[:, None], synapses_IN[:, :, None], out=used)
        np.right_shift(used, self.shift, out=used)
        partial_NE += np.add.reduce(used, axis=0, dtype=used.dtype)
        self.ticks += 1


def _rows(name: str, size: int, width: int, bits: int) -> int:
    rows = size * 8 // (width * bits)
    if not rows:
        raise BadInput(f"nfu: {name} is {size}, one row of {width} x {bits} bits does not fit")
    return rows


def layer(operation: Operation, site: Site, arrays: list[Array], examples: int, machine: Nfu) -> tuple[Array, int]:
    """The stored result of a layer for `examples` in lockstep, and the ticks of one."""
    if len(site.outputs[0].shape) < 2 or site.outputs[0].shape[0] % examples:
        raise BadInput(f"{operation.name}: axis 0 of its result is not the examples")
    unit = Unit(
        machine=machine,
        examples=examples,
        shift=fraction_bits(stored(site.inputs[1])) if operation.operator in ("conv2d", "linear") else 0,
    )
    return _STEPS[operation.operator](unit, site, [a.astype(np.int64) for a in arrays]), unit.ticks


def _convolution(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """Blocks of outputs whose synapses SB holds stay there while the windows pass; each sum in NFU-2 to its end."""
    m, kernel_KCRS = unit.machine, arrays[1].astype(unit.scratch.dtype)
    _, c, r, s = kernel_KCRS.shape
    x_BCHWE = _images(arrays[0], site, unit, 0).astype(unit.scratch.dtype)
    _, k, p, q = site.outputs[0].shape
    sums_BKPQE = np.zeros((len(x_BCHWE), k, p, q, unit.examples), np.int64)
    (sy, sx), (dy, dx) = site.attributes["stride"], site.attributes["dilation"]
    groups = site.attributes["groups"]
    blocks_i = list(_blocks(0, c, m.inputs))
    together = max(1, unit.sb.rows // (len(blocks_i) * r * s)) * m.outputs
    for image, group in product(range(len(x_BCHWE)), range(groups)):
        for nnn in _blocks(group * (k // groups), (group + 1) * (k // groups), together):
            for y, x, nn in product(range(p), range(q), _blocks(nnn.start, nnn.stop, m.outputs)):
                partial_NE = sums_BKPQE[image, nn, y, x]
                for ky, kx, ii in product(range(r), range(s), blocks_i):
                    at = (ii.start + group * c, y * sy + ky * dy, x * sx + kx * dx)
                    inputs = x_BCHWE[image, at[0] : at[0] + ii.stop - ii.start, at[1], at[2]]
                    unit.multiply(
                        partial_NE,
                        unit.nbin.read((image, *at), inputs),
                        unit.sb.read((nn.start, ky, kx, ii.start), kernel_KCRS[nn, ii, ky, kx].T),
                    )
    return _finish(_stacked(sums_BKPQE), unit, site, arrays, axis=1)


def _classifier(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """Inputs in chunks that NBin holds, outputs in blocks whose partial sums NBout holds between two chunks."""
    m = unit.machine
    synapses_CK = arrays[1].T.astype(unit.scratch.dtype)
    c, k = synapses_CK.shape
    x_VCE = np.moveaxis(arrays[0].reshape(unit.examples, -1, c), 0, -1).astype(unit.scratch.dtype)
    sums_VKE = np.zeros((len(x_VCE), k, unit.examples), np.int64)
    for vector, inputs_CE in enumerate(x_VCE):
        for nnn in _blocks(0, k, unit.nbout.rows * m.outputs):
            unit.nbout.held.clear()
            for iii in _blocks(0, c, unit.nbin.rows * m.inputs):
                for nn in _blocks(nnn.start, nnn.stop, m.outputs):
                    partial_NE = np.zeros((nn.stop - nn.start, unit.examples), np.int64)  # RESET
                    if iii.start:
                        partial_NE = unit.nbout.held.pop((nn.start,))
                    for ii in _blocks(iii.start, iii.stop, m.inputs):
                        unit.multiply(
                            partial_NE,
                            unit.nbin.read((vector, ii.start), inputs_CE[ii]),
                            unit.sb.read((nn.start, ii.start), synapses_CK[ii, nn]),
                        )
                    unit.nbout.write((nn.start,), partial_NE)
            for (start,), partial_NE in unit.nbout.held.items():
                sums_VKE[vector, start : start + len(partial_NE)] = partial_NE
    shaped = np.moveaxis(sums_VKE, -1, 0).reshape(site.outputs[0].shape)
    return _finish(shaped, unit, site, arrays, axis=-1)


def _finish(sums: Ints, unit: Unit, site: Site, arrays: list[Ints], axis: int) -> Ints:
    """Bias, shift and saturation by the layer's own rule."""
    if len(arrays) > 2:
        along = [1] * sums.ndim
        along[axis] = -1
        sums = sums + arrays[2].reshape(along)
    x, w, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis, shifted=unit.shift)


def _maximum(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    return _pool(unit, site, arrays[0], stored(site.inputs[0]).low, np.maximum)


def _average(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """Exact sums of the windows, then the layer's own division."""
    x, y, kernel = stored(site.inputs[0]), stored(site.outputs[0]), site.attributes["kernel"]
    sums = _pool(unit, site, arrays[0], 0, np.add)
    return rules.clip(rules.rescale(sums, x, y, site.attributes["rounding"], divisor=kernel[0] * kernel[1]), y)


def _pool(unit: Unit, site: Site, x: Ints, empty: int, gather: Callable[..., Ints]) -> Ints:
    """NFU-2 alone: Ti channels of one position of a window each tick; padding is `empty`."""
    x_BCHWE = _images(x, site, unit, empty)
    _, c, p, q = site.outputs[0].shape
    result_BCPQE = np.full((len(x_BCHWE), c, p, q, unit.examples), empty, np.int64)
    (r, s), (sy, sx) = site.attributes["kernel"], site.attributes["stride"]
    dy, dx = site.attributes["dilation"]
    channels = list(_blocks(0, c, unit.machine.inputs))
    for image, y, z, ii in product(range(len(x_BCHWE)), range(p), range(q), channels):
        partial_IE = result_BCPQE[image, ii, y, z]
        for ky, kx in product(range(r), range(s)):
            at = (y * sy + ky * dy, z * sx + kx * dx)
            row = unit.nbin.read((image, ii.start, *at), x_BCHWE[image, ii, at[0], at[1]])
            gather(partial_IE, row, out=partial_IE)
            unit.ticks += 1
    return _stacked(result_BCPQE)


def _add(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """NFU-2's adders alone: Tn sums each tick."""
    shape, rounding = site.outputs[0].shape, site.attributes["rounding"]
    y = stored(site.outputs[0])
    a_EV, b_EV = (np.broadcast_to(a, shape).reshape(unit.examples, -1) for a in arrays)
    sums_EV = np.zeros(a_EV.shape, np.int64)
    for nn in _blocks(0, a_EV.shape[1], unit.machine.outputs):
        left = rules.rescale(a_EV[:, nn], stored(site.inputs[0]), y, rounding)
        sums_EV[:, nn] = rules.clip(left + rules.rescale(b_EV[:, nn], stored(site.inputs[1]), y, rounding), y)
        unit.ticks += 1
    return sums_EV.reshape(shape)


def _relu(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    return np.maximum(arrays[0], 0)


def _segments(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """NFU-3: comparators choose the segment, one multiplier and one adder do the rest."""
    x, starts, slopes, intercepts = arrays
    segment = np.zeros(x.shape, np.int64)
    for start in starts[1:]:
        segment += x >= start
    bits = unit.machine.fraction_bits
    return rules.clip(((slopes[segment] * x) >> bits) + intercepts[segment], stored(site.outputs[0]))


_STEPS: dict[str, Callable[[Unit, Site, list[Ints]], Ints]] = {
    "conv2d": _convolution,
    "linear": _classifier,
    "max_pool2d": _maximum,
    "average_pool2d": _average,
    "add": _add,
    "relu": _relu,
    "piecewise_linear": _segments,
}


def _images(x: Ints, site: Site, unit: Unit, fill: int) -> Ints:
    """x [n, c, h, w] padded, examples last: [images of an example, c, h, w, E]."""
    top, bottom, left, right = site.attributes["padding"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return np.ascontiguousarray(np.moveaxis(padded.reshape(unit.examples, -1, *padded.shape[1:]), 0, -1))


def _stacked(y_BKPQE: Ints) -> Ints:
    """Back to [n, k, p, q]."""
    y = np.moveaxis(y_BKPQE, -1, 0)
    return y.reshape(-1, *y.shape[2:])


def _blocks(start: int, stop: int, size: int) -> Iterator[slice]:
    """[start, stop) in blocks; the last may be smaller."""
    return (slice(at, min(at + size, stop)) for at in range(start, stop, size))
