"""DianNao's neural functional unit, tick by tick, in its fixed point.

    NFU-1   Ti x Tn multipliers; the product loses its fraction bits as it is made (truncated multipliers)
    NFU-2   Tn adder trees and partial sums; a shifter and a maximum for pooling
    NFU-3   the piecewise-linear function, on results as they leave

One tick reads Ti inputs from NBin and Ti x Tn synapses from SB. Loop order of the paper: convolution y, x, n in blocks
of Tn, ky, kx, i in blocks of Ti, sums in NFU-2; classifier: inputs in chunks that NBin holds, n in blocks of Tn, i in
blocks of Ti, partial sums kept in NBout between chunks; pooling y, x, i in blocks of Ti, ky, kx. Adders are taken to be
wide enough never to overflow, so that the order of additions does not matter (assumed: the paper does not say).

Examples run in lockstep: every tick works on one block for all of them, and the ticks are those of one example.

Shapes    E examples, C channels, K outputs
Paper     Chen et al., "DianNao", ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.hw.families.nfu import Nfu
from lamina.ir import integers as rules
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators._table import Site
from lamina.ir.operators.multiply import fraction_bits
from lamina.ir.types import Fixed, Float

NEEDS = "a fixed-point network: a float network is converted to the machine's format"
OPERATORS = ("conv2d", "linear", "max_pool2d", "average_pool2d")

Ints = NDArray[np.int64]


def accepts(network: Network) -> bool:
    """Whether the network is in fixed point."""
    return any(isinstance(t.element, Fixed) for t in network.inputs.values()) or any(
        isinstance(t.element, Fixed) for o in network.operations for t in o.outputs.values()
    )


@dataclass(slots=True)
class Unit:
    """The unit at work: its sizes, the shift of its multipliers, its clock and NBout's partial sums."""

    machine: Nfu
    shift: int = 0
    ticks: int = 0
    nbout: dict[tuple[int, ...], Ints] = field(default_factory=dict)

    def multiply(self, partial_EN: Ints, inputs_EI: Ints, synapses_NI: Ints) -> Ints:
        """One tick: partial sums plus the products of up to Ti inputs and Tn x Ti synapses."""
        assert inputs_EI.shape[1] <= self.machine.inputs
        assert len(synapses_NI) <= self.machine.outputs
        self.ticks += 1
        products = (inputs_EI[:, None, :] * synapses_NI[None]) >> self.shift
        return np.asarray(partial_EN + products.sum(axis=2))


def layer(operation: Operation, site: Site, arrays: list[Array], machine: Nfu) -> tuple[Array, int]:
    """The stored result of a layer for examples in lockstep, and the ticks of one example."""
    unit = Unit(machine=machine)
    wide = [a.astype(np.int64) for a in arrays]
    step = {"conv2d": _convolution, "linear": _classifier}.get(operation.operator, _pooling)
    stored = step(unit, site, wide)
    return stored.astype(site.outputs[0].element.storage), unit.ticks


def _finish(unit: Unit, site: Site, sums: Ints, bias: Ints | None, axis: int) -> Ints:
    """Bias, shift, saturation: the layer's own rule on what NFU-2 has summed."""
    x, w, y = (t.element for t in (site.inputs[0], site.inputs[1], site.outputs[0]))
    if isinstance(x, Float) or isinstance(w, Float) or isinstance(y, Float):
        raise BadInput("the unit computes in fixed point")
    if bias is not None:
        along = [1] * sums.ndim
        along[axis] = -1
        sums = sums + bias.reshape(along)
    return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis, shifted=unit.shift)


def _prepare(unit: Unit, site: Site) -> None:
    w = site.inputs[1].element
    assert not isinstance(w, Float)
    unit.shift = fraction_bits(w) if site.attributes["products"] == "truncated" else 0


def _convolution(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    _prepare(unit, site)
    x, w = arrays[0], arrays[1]
    groups = site.attributes["groups"]
    padded = _padded(x, site, 0)
    e = len(x)
    _, k, height, width = site.outputs[0].shape
    (sy, sx), (dy, dx) = site.attributes["stride"], site.attributes["dilation"]
    sums = np.zeros((e, k, height, width), np.int64)
    per_group, channels = k // groups, w.shape[1]
    for g in range(groups):
        for y in range(height):
            for z in range(width):
                for n in _blocks(per_group, unit.machine.outputs, g * per_group):
                    partial = np.zeros((e, n.stop - n.start), np.int64)
                    for ky in range(w.shape[2]):
                        for kx in range(w.shape[3]):
                            for i in _blocks(channels, unit.machine.inputs, 0):
                                source = slice(i.start + g * channels, i.stop + g * channels)
                                taken = padded[:, source, y * sy + ky * dy, z * sx + kx * dx]
                                partial = unit.multiply(partial, taken, w[n, i, ky, kx])
                    sums[:, n, y, z] = partial
    return _finish(unit, site, sums, arrays[2] if len(arrays) > 2 else None, axis=1)


def _classifier(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    _prepare(unit, site)
    x, w = arrays[0], arrays[1]
    flat = x.reshape(-1, x.shape[-1])
    vectors = len(flat) // len(x)  # of one example
    rows = x.reshape(len(x), vectors, x.shape[-1])
    k, c = w.shape
    held = max(unit.machine.inputs, unit.machine.nbin_bytes * 8 // unit.machine.bits)
    held -= held % unit.machine.inputs
    sums = np.zeros((len(x), vectors, k), np.int64)
    for vector in range(vectors):
        unit.nbout.clear()
        for chunk in _blocks(c, held, 0):
            for n in _blocks(k, unit.machine.outputs, 0):
                partial = unit.nbout.get((n.start,), np.zeros((len(x), n.stop - n.start), np.int64))
                for i in _blocks(chunk.stop - chunk.start, unit.machine.inputs, chunk.start):
                    partial = unit.multiply(partial, rows[:, vector, i], w[n, i])
                unit.nbout[(n.start,)] = partial
        for (start,), partial in unit.nbout.items():
            sums[:, vector, start : start + partial.shape[1]] = partial
    shaped = sums.reshape(*x.shape[:-1], k)
    return _finish(unit, site, shaped, arrays[2] if len(arrays) > 2 else None, axis=-1)


def _pooling(unit: Unit, site: Site, arrays: list[Ints]) -> Ints:
    """Maximum or sum of each window, Ti channels a tick; the average's division is one rescaling at the end."""
    element, result = site.inputs[0].element, site.outputs[0].element
    if isinstance(element, Float) or isinstance(result, Float):
        raise BadInput("the unit computes in fixed point")
    largest = "rounding" not in site.attributes
    x = arrays[0]
    padded = _padded(x, site, element.low if largest else 0)
    (ky, kx), (sy, sx) = site.attributes["kernel"], site.attributes["stride"]
    dy, dx = site.attributes["dilation"]
    _, channels, height, width = site.outputs[0].shape
    out = np.zeros((len(x), channels, height, width), np.int64)
    for y in range(height):
        for z in range(width):
            for i in _blocks(channels, unit.machine.inputs, 0):
                partial = np.full((len(x), i.stop - i.start), element.low if largest else 0, np.int64)
                for r in range(ky):
                    for s in range(kx):
                        taken = padded[:, i, y * sy + r * dy, z * sx + s * dx]
                        partial = np.maximum(partial, taken) if largest else partial + taken
                        unit.ticks += 1
                out[:, i, y, z] = partial
    if largest:
        return out
    scaled = rules.rescale(out, element, result, site.attributes["rounding"], divisor=ky * kx)
    return rules.clip(scaled + result.zero_point, result)


def _padded(x: Ints, site: Site, fill: int) -> Ints:
    top, bottom, left, right = site.attributes["padding"]
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def _blocks(size: int, block: int, start: int) -> list[slice]:
    """[start, start + size) in blocks; the last may be smaller."""
    return [slice(start + at, start + min(at + block, size)) for at in range(0, size, block)]
