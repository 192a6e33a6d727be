"""One layer as the TPU runs it: its window over the unified buffer, its weights as tiles, its function.

Accumulators take the stored numbers as they are: sum w x; what a zero point z adds, z sum w, is known ahead and leaves
with the bias, in Activate, which then requantises by the layer's own rule. Weights and activations of 9 to 16 bits are
cut into bytes, the upper one with the sign, and meet again, shifted, in the accumulators.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.network import Array, Operation
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.pooling import divisors
from lamina.ir.types import Fixed, Integer

Ints = NDArray[np.int64]
Function = Callable[[Ints, slice, Ints], Ints]
MOST_BITS = 16
MOST_SUM = 2**31 - 1  # an accumulator has 32 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """What the unified buffer holds: [images, height, width, channels] of one example."""

    images: int
    size: tuple[int, int]
    channels: int
    element: Integer | Fixed
    image: bool  # the layer sees [n, c, h, w]; else [..., c]

    @property
    def width(self) -> int:
        """Bytes of one number."""
        return -(-self.element.bits // 8)

    @property
    def bytes(self) -> int:
        return self.images * prod(self.size) * self.channels * self.width


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    name: str
    source: Tensor
    result: Tensor
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    corner: tuple[int, int]  # padding at the top and on the left
    fill: int  # what padding reads
    convolution: bool
    weights_GKN: Ints | None  # None: pooling
    weight_bytes: int
    maximum: bool  # of a pooling: the largest of a window, else the sum
    function: Function

    @property
    def vectors(self) -> int:
        """Rows of the matrix product, or windows."""
        return self.result.images * prod(self.result.size)


def tensor(shape: Sequence[int], element: Integer | Fixed, examples: int, *, image: bool) -> Tensor:
    """[n, c, h, w] of all examples, or [..., c] as images of one pixel."""
    if image:
        n, c, h, w = shape
        return Tensor(images=n // examples, size=(h, w), channels=c, element=element, image=True)
    images = prod(shape[:-1]) // examples
    return Tensor(images=images, size=(1, 1), channels=shape[-1], element=element, image=False)


def packed(array: Array, of: Tensor) -> NDArray[np.uint8]:
    """Stored numbers of all examples as the bytes of the unified buffer: [E, bytes]."""
    if of.image:
        array = array.transpose(0, 2, 3, 1)
    rows_EN = array.astype(np.int64).reshape(-1, of.bytes // of.width)
    each = [(rows_EN >> (8 * byte)) & 255 for byte in range(of.width)]
    return np.stack(each, axis=-1).astype(np.uint8).reshape(len(rows_EN), -1)


def unpacked(bytes_EN: NDArray[np.uint8], of: Tensor, shape: Sequence[int]) -> Ints:
    """The stored numbers of a result, in the layer's own axes."""
    each = bytes_EN.reshape(len(bytes_EN), -1, of.width).astype(np.int64)
    numbers = (each << (8 * np.arange(of.width))).sum(axis=-1)
    if of.element.low < 0:
        numbers -= (numbers >> (8 * of.width - 1)) << (8 * of.width)
    if of.image:
        n, c, h, w = shape
        return numbers.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return numbers.reshape(shape)


def stage(operation: Operation, site: Site, arrays: Sequence[Array | None], examples: int) -> Stage:
    """The stage of a conv2d, linear or pooling layer; `arrays[1:]` are its weights and bias."""
    x, y = stored(site.inputs[0]), stored(site.outputs[0])
    image = operation.operator != "linear"
    shapes = site.inputs[0].shape, site.outputs[0].shape
    if len(shapes[0]) < 2 or shapes[0][0] % examples:
        raise BadInput(f"{operation.name}: axis 0 of its input is not the examples")
    if max(x.bits, y.bits) > MOST_BITS:
        raise BadInput(f"{operation.name}: words of {max(x.bits, y.bits)} bits, the TPU's have at most {MOST_BITS}")
    at: Any = site.attributes if image else {}
    common = {
        "name": operation.name,
        "source": tensor(shapes[0], x, examples, image=image),
        "result": tensor(shapes[1], y, examples, image=image),
        "stride": at.get("stride", (1, 1)),
        "dilation": at.get("dilation", (1, 1)),
        "corner": (at["padding"][0], at["padding"][2]) if image else (0, 0),
    }
    if operation.operator in ("conv2d", "linear"):
        w = arrays[1]
        assert w is not None
        return Stage(
            **common,
            kernel=w.shape[2:] if image else (1, 1),
            fill=x.zero_point,
            convolution=image,
            weights_GKN=_matrices(operation, site, w.astype(np.int64)),
            weight_bytes=-(-stored(site.inputs[1]).bits // 8),
            maximum=False,
            function=_finish(site, w, arrays[2] if len(arrays) > 2 else None),
        )
    maximum = operation.operator == "max_pool2d"
    return Stage(
        **common,
        kernel=at["kernel"],
        fill=x.low if maximum else x.zero_point,
        convolution=False,
        weights_GKN=None,
        weight_bytes=0,
        maximum=maximum,
        function=(lambda highest, channels, vectors: highest) if maximum else _average(site),
    )


def _matrices(operation: Operation, site: Site, w: Ints) -> Ints:
    """[G, K, N]; refused where 32 bits might not hold a sum of stored numbers."""
    x = stored(site.inputs[0])
    if stored(site.inputs[1]).bits > MOST_BITS:
        raise BadInput(f"{operation.name}: weights of {stored(site.inputs[1]).bits} bits, at most {MOST_BITS} are cut")
    rows = np.abs(w.reshape(len(w), -1)).sum(axis=1)
    reach = int(rows.max()) * max(-x.low, x.high)
    if reach > MOST_SUM:
        raise BadInput(f"{operation.name}: its sums reach {reach}, more than accumulators of 32 bits hold")
    groups = site.attributes.get("groups", 1)
    return w.reshape(groups, len(w) // groups, -1).transpose(0, 2, 1)


def _finish(site: Site, w: Array, bias: Array | None) -> Function:
    """Bias, zero point and requantisation, for some of the channels."""
    x, kind, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    offset_K = -x.zero_point * w.astype(np.int64).reshape(len(w), -1).sum(axis=1)
    if bias is not None:
        offset_K = offset_K + bias.astype(np.int64)

    def finish(sums_EVN: Ints, channels: slice, vectors: Ints) -> Ints:
        own = replace(kind, scale=kind.scale[channels]) if isinstance(kind, Integer) and len(kind.scale) > 1 else kind
        return rules.requantise(sums_EVN + offset_K[channels], x, own, y, site.attributes["rounding"], axis=-1)

    return finish


def _average(site: Site) -> Function:
    """One requantisation of the exact sum; windows at the border may have a divisor of their own."""
    x, y, attributes = stored(site.inputs[0]), stored(site.outputs[0]), site.attributes
    (_, _, p, q), taps = site.outputs[0].shape, prod(site.attributes["kernel"])
    each = np.broadcast_to(divisors(site.inputs[0].shape, attributes), (p, q)).ravel()

    def finish(sums_EVN: Ints, channels: slice, vectors: Ints) -> Ints:
        result = np.empty_like(sums_EVN)
        counts = each[vectors % (p * q)]
        for divisor in np.unique(counts).tolist():
            here = counts == divisor
            sums = sums_EVN[:, here] - x.zero_point * (taps - divisor)  # padding has read zero points
            result[:, here] = rules.rescale(sums, x, y, attributes["rounding"], divisor=divisor)
        return rules.clip(result + y.zero_point, y)

    return finish
