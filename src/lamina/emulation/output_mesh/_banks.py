"""ShiDianNao's neuron buffer: 2 Py banks of Px neurons a row, six ways of reading them, one of writing.

A map lies in blocks of Py x Px neurons; the rows of a block are in Py banks, blocks next to one another along x in the
two halves of the banks in turn. So Py x Px neurons that start at a block come out in one tick, and so does a column.

    a  b     a block: Py banks of the lower (a) or upper (b) half     c    one row of one bank
    d        one neuron                                               e    rows and columns at a step
    f        one neuron of each of Py banks: a column

Mode e is taken to need one tick, although several of its rows may lie in one bank: the paper gives it no more.

Shapes    E examples (the last axis), C maps, H x W neurons a map; store [2 Py, addresses, Px, E]
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]


@dataclass(slots=True)
class NeuronBuffer:
    rows: int  # Py
    columns: int  # Px
    reads: Counter[str] = field(default_factory=Counter)  # mode -> ticks
    neurons: int = 0  # delivered in all
    store: Ints = field(init=False)
    across: int = 0  # blocks of a map along x
    size: int = 0  # addresses of a map in one bank

    def write(self, maps_CHWE: Ints) -> None:
        """The maps of one image, block by block; what is left of a block holds zeros."""
        c, h, w, e = maps_CHWE.shape
        down, self.across = -(-h // self.rows), -(-w // self.columns)
        halves = -(-self.across // 2)
        self.size = down * halves
        padded = np.zeros((c, down * self.rows, 2 * halves * self.columns, e), maps_CHWE.dtype)
        padded[:, :h, :w] = maps_CHWE
        blocks = padded.reshape(c, down, self.rows, halves, 2, self.columns, e)
        self.store = np.ascontiguousarray(
            blocks.transpose(4, 2, 0, 1, 3, 5, 6).reshape(2 * self.rows, c * self.size, self.columns, e)
        )

    def _place(self, channel: int, y: Any, x: Any) -> tuple[Any, Any, Any]:
        """Bank, address and lane of a neuron."""
        block = x // self.columns
        halves = -(-self.across // 2)
        bank = y % self.rows + self.rows * (block % 2)
        return bank, channel * self.size + y // self.rows * halves + block // 2, x % self.columns

    def _count(self, mode: str, neurons: int) -> None:
        self.reads[mode] += 1
        self.neurons += neurons

    def block(self, channel: int, y: int, x: int, height: int, width: int) -> Ints:
        """Modes a and b: the block that starts at (y, x), of which the mesh takes [height, width, E]."""
        bank, address, lane = self._place(channel, y, x)
        assert lane == 0
        assert y % self.rows == 0
        self._count("b" if bank >= self.rows else "a", height * width)
        return self.store[bank : bank + height, address, :width]

    def row(self, channel: int, y: int, x: int, width: int) -> Ints:
        """Mode c: [1, width, E] of the row of a block."""
        bank, address, lane = self._place(channel, y, x)
        assert lane == 0
        self._count("c", width)
        return self.store[bank : bank + 1, address, :width]

    def one(self, channel: int, y: int, x: int) -> Ints:
        """Mode d: [1, 1, E]."""
        bank, address, lane = self._place(channel, y, x)
        self._count("d", 1)
        return self.store[bank : bank + 1, address, lane : lane + 1]

    def column(self, channel: int, y: int, x: int, height: int) -> Ints:
        """Mode f: [height, 1, E] of Py banks."""
        bank, address, lane = self._place(channel, y, x)
        assert y % self.rows == 0
        self._count("f", height)
        return self.store[bank : bank + height, address, lane : lane + 1]

    def stepped(self, channel: int, y: Ints, x: Ints) -> Ints:
        """Mode e: [len(y), len(x), E] of those rows and columns."""
        bank, address, lane = self._place(channel, y[:, None], x[None, :])
        self._count("e", len(y) * len(x))
        return np.asarray(self.store[bank, address, lane])
