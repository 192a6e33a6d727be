"""What each operator asks of ShiDianNao: numbers laid out as the chip takes them, instructions in order, results back.

Shapes    n images of E examples, B = n / E of one example; x [n, c, h, w], results [n, k, p, q]
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.output_mesh._chip import Chip
from lamina.emulation.output_mesh._control import Operation, Windows, decode
from lamina.ir import integers as rules
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.pooling import divisors

Ints = NDArray[Any]


def _convolution(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    """One instruction for each image and group; maps with one output neuron are a classifier's."""
    x_BCHWE = _images(arrays[0] - stored(site.inputs[0]).zero_point, site, chip, 0)
    groups, (dy, dx) = site.attributes["groups"], site.attributes["dilation"]
    kernels = np.split(arrays[1], groups)
    _, c, r, s = arrays[1].shape
    places = [(channel, ky * dy, kx * dx) for channel, ky, kx in product(range(c), range(r), range(s))]
    found = []
    for (image, group), word in zip(product(range(len(x_BCHWE)), range(groups)), words, strict=True):
        maps_CHWE, kernel_KCRS = x_BCHWE[image, group * c : (group + 1) * c], kernels[group]
        if decode(word).operation is Operation.CLASSIFY:
            sums_KE = chip.classify(word, maps_CHWE, places, kernel_KCRS.reshape(len(kernel_KCRS), -1))
            found.append(sums_KE[:, None, None])
        else:
            found.append(chip.convolve(word, maps_CHWE, kernel_KCRS))
    sums_BKPQE = np.stack(found).reshape(len(x_BCHWE), -1, *found[0].shape[1:])
    return _finish(_stacked(sums_BKPQE), chip, site, arrays, axis=1)


def _classifier(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    """One instruction for each vector of an example."""
    c = arrays[1].shape[1]
    x_VCE = np.moveaxis((arrays[0] - stored(site.inputs[0]).zero_point).reshape(chip.examples, -1, c), 0, -1)
    places = [(0, 0, number) for number in range(c)]
    sums_VKE = np.stack(
        [
            chip.classify(word, x_CE[None, None], places, arrays[1])
            for word, x_CE in zip(words, x_VCE, strict=True)
        ]
    )  # fmt: skip
    return _finish(np.moveaxis(sums_VKE, -1, 0).reshape(site.outputs[0].shape), chip, site, arrays, axis=-1)


def _finish(sums: Ints, chip: Chip, site: Site, arrays: list[Ints], axis: int) -> Ints:
    """Bias, shift and saturation by the layer's own rule."""
    if len(arrays) > 2:
        along = [1] * sums.ndim
        along[axis] = -1
        sums = sums + arrays[2].reshape(along)
    x, w, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    return rules.requantise(sums, x, w, y, site.attributes["rounding"], axis=axis, shifted=chip.shift)


def _maximum(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    def work(state: Windows, sums: Ints, neurons: Ints) -> None:
        np.maximum(sums, neurons, out=sums)

    low = stored(site.inputs[0]).low
    x_BCHWE = _images(arrays[0], site, chip, low)
    return _stacked(np.stack([chip.windows(word, maps, low, work) for word, maps in zip(words, x_BCHWE, strict=True)]))


def _average(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    """Exact sums of the windows by the mesh, then the ALU divides them, one after another."""
    x, y, rounding = stored(site.inputs[0]), stored(site.outputs[0]), site.attributes["rounding"]

    def work(state: Windows, sums: Ints, neurons: Ints) -> None:
        np.add(sums, neurons, out=sums)

    x_BCHWE = _images(arrays[0] - x.zero_point, site, chip, 0)
    sums_BKPQE = np.stack([chip.windows(word, maps, 0, work) for word, maps in zip(words, x_BCHWE, strict=True)])
    counts = np.broadcast_to(divisors(site.inputs[0].shape, site.attributes)[..., None], (*sums_BKPQE.shape[:-1], 1))
    counts_V1 = counts.reshape(-1, 1)

    def divide(sums_VE: Ints, block: slice) -> Ints:
        found = np.empty_like(sums_VE)
        for number, divisor in enumerate(counts_V1[block, 0].tolist()):
            whole = sums_VE[number] + x.zero_point * divisor
            found[number] = rules.rescale(whole, x, y, rounding, divisor=divisor)
        return rules.clip(found + y.zero_point, y)

    divided_VE = chip.alu(sums_BKPQE.reshape(-1, chip.examples), divide)
    return _stacked(divided_VE.reshape(sums_BKPQE.shape))


def _add(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    y, shape = stored(site.outputs[0]), site.outputs[0].shape
    operands = [
        rules.rescale(np.broadcast_to(a, shape), stored(t), y, site.attributes["rounding"])
        for a, t in zip(arrays, site.inputs, strict=True)
    ]
    (word,) = words
    sums_VE = chip.combine(word, [a.reshape(chip.examples, -1).T for a in operands])
    return rules.clip(sums_VE.T.reshape(shape) + y.zero_point, y)


def _relu(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    zero = stored(site.inputs[0]).zero_point
    return _function(chip, words, arrays[0], lambda x, _: np.maximum(x, zero))


def _segments(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    """Comparators choose the segment, one multiplier and one adder do the rest."""
    x, starts, slopes, intercepts = arrays
    bits, y = chip.machine.fraction_bits, stored(site.outputs[0])

    def interpolate(x_VE: Ints, block: slice) -> Ints:
        segment = np.zeros(x_VE.shape, np.int64)
        for start in starts[1:]:
            segment += x_VE >= start
        return rules.clip(((slopes[segment] * x_VE) >> bits) + intercepts[segment], y)

    return _function(chip, words, x, interpolate)


def _lookup(chip: Chip, words: list[int], site: Site, arrays: list[Ints]) -> Ints:
    low, table = stored(site.inputs[0]).low, arrays[1]
    return _function(chip, words, arrays[0], lambda x, _: np.asarray(table[x - low]))


def _function(chip: Chip, words: list[int], x: Ints, function: Callable[[Ints, slice], Ints]) -> Ints:
    (word,) = words
    x_VE = np.ascontiguousarray(x.reshape(chip.examples, -1).T)
    assert decode(word)["numbers"] == len(x_VE)
    return chip.alu(x_VE, function).T.reshape(x.shape)


STEPS: dict[str, Callable[[Chip, list[int], Site, list[Ints]], Ints]] = {
    "conv2d": _convolution,
    "linear": _classifier,
    "max_pool2d": _maximum,
    "average_pool2d": _average,
    "add": _add,
    "relu": _relu,
    "piecewise_linear": _segments,
    "lookup": _lookup,
}


def _images(x: Ints, site: Site, chip: Chip, fill: int) -> Ints:
    """x [n, c, h, w] padded, examples last: [B, c, h, w, E]."""
    top, bottom, left, right = site.attributes["padding"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return np.ascontiguousarray(np.moveaxis(padded.reshape(chip.examples, -1, *padded.shape[1:]), 0, -1))


def _stacked(y_BKPQE: Ints) -> Ints:
    """Back to [n, k, p, q]."""
    y = np.moveaxis(y_BKPQE, -1, 0)
    return y.reshape(-1, *y.shape[2:])
