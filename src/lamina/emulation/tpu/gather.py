"""Addresses in the unified buffer: which bytes a vector of a convolution, a tap of a pooling, a row of results is.

A tensor lies in the buffer with its channels innermost, [image, y, x, channel], densely, each number in whole bytes,
the low one first, from the start of a row of R bytes. Row k of the matrix product is weight (channel, ky, kx),
flattened in this order; vector v is output position (image, y, x). A place outside the image reads as the layer's
fill, a row behind the last weight as zero: both are marked by negative addresses.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.tpu.isa import Register

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
OUTSIDE_IMAGE, OUTSIDE_SUM = -1, -2


@dataclass(frozen=True, slots=True)
class Gather:
    """An instruction's view of the unified buffer: `base` in bytes, and what the registers held when it was issued."""

    base: int
    registers: tuple[int, ...]

    def vectors(self, count: int, rows: int) -> Ints:
        """Addresses [count, rows] of the numbers that enter the array: one row of the tile for each of R."""
        r = self.registers
        k = r[Register.FIRST_ROW] + np.arange(rows)
        window = r[Register.KERNEL_HEIGHT] * r[Register.KERNEL_WIDTH]
        channel, tap = np.divmod(k, window)
        found = self._at(r[Register.FIRST_VECTOR] + np.arange(count)[:, None], channel, tap)
        return np.where(k < r[Register.SUMMED], found, OUTSIDE_SUM)

    def taps(self, count: int, columns: int) -> Ints:
        """Addresses [count, blocks of C channels, taps, C] that pooling reads, one row of C a tick."""
        r = self.registers
        taps = np.arange(r[Register.KERNEL_HEIGHT] * r[Register.KERNEL_WIDTH])[:, None]
        blocks = -(-r[Register.CHANNELS] // columns)
        channel = np.arange(blocks * columns).reshape(blocks, 1, columns)
        vectors = r[Register.FIRST_VECTOR] + np.arange(count)[:, None, None, None]
        found = self._at(vectors, np.minimum(channel, r[Register.CHANNELS] - 1), taps)
        return np.where(channel < r[Register.CHANNELS], found, OUTSIDE_SUM)

    def _at(self, vector: Ints, channel: Ints, tap: Ints) -> Ints:
        """The address of input (image, y, x, channel) that `tap` of the window at `vector` falls on."""
        r = self.registers
        height, width = r[Register.HEIGHT], r[Register.WIDTH]
        rest, q = np.divmod(vector, r[Register.OUTPUT_WIDTH])
        image, p = np.divmod(rest, r[Register.OUTPUT_HEIGHT])
        ky, kx = np.divmod(tap, r[Register.KERNEL_WIDTH])
        y = p * r[Register.STRIDE_Y] + ky * r[Register.DILATION_Y] - r[Register.PADDING_TOP]
        x = q * r[Register.STRIDE_X] + kx * r[Register.DILATION_X] - r[Register.PADDING_LEFT]
        number = ((image * height + y) * width + x) * r[Register.CHANNELS] + r[Register.FIRST_CHANNEL] + channel
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return np.where(inside, self.base + number * r[Register.INPUT_BYTES], OUTSIDE_IMAGE)

    def byte(self, buffer_EN: Bytes, addresses: Ints, byte: int) -> Ints:
        """Byte `byte` of the numbers at `addresses`: [E, ...], with its sign where it is the last of signed numbers."""
        r = self.registers
        found = buffer_EN.take(np.maximum(addresses, 0) + byte, axis=1).astype(np.int64)
        signed = r[Register.INPUT_SIGNED] and byte == r[Register.INPUT_BYTES] - 1
        if signed:
            found -= (found > 127) * 256
        outside = addresses < 0
        if outside.any():
            fill = (r[Register.FILL] >> (8 * byte)) & 255
            fill -= 256 if signed and fill > 127 else 0
            found[:, outside] = np.where(addresses[outside] == OUTSIDE_IMAGE, fill, 0)
        return found

    def numbers(self, buffer_EN: Bytes, addresses: Ints) -> Ints:
        """The whole numbers at `addresses`: [E, ...]."""
        each = range(self.registers[Register.INPUT_BYTES])
        return np.asarray(sum(self.byte(buffer_EN, addresses, byte) << (8 * byte) for byte in each))


def write(buffer_EN: Bytes, base: int, registers: tuple[int, ...], rows_EVN: Ints) -> None:
    """Store results [E, vectors, columns] where the registers say, each number's low byte first."""
    r, width = registers, registers[Register.OUTPUT_BYTES]
    vectors = r[Register.FIRST_VECTOR] + np.arange(rows_EVN.shape[1])[:, None]
    number = vectors * r[Register.OUTPUT_CHANNELS] + r[Register.FIRST_COLUMN] + np.arange(rows_EVN.shape[2])
    for byte in range(width):
        buffer_EN[:, base + number * width + byte] = (rows_EVN >> (8 * byte)) & 255
