"""The matrix unit: R x C multipliers, each with the weight in use, the next one, a passing activation and a sum.

    x    enters at the left, row r one tick after row r - 1, and moves right
    sum  starts as 0 at the top, takes w x, moves down and leaves at the bottom, column c one tick after column c - 1
    w    the next tile's row j enters at the top, column c one tick after column c - 1, and marches down to element
         row j, where it waits; it takes effect when the first vector of its block passes: the wave carries the mark

A tile's last weights arrive while its first vector is on its way to them; and the tile after it may start to march in
the tick in which that vector enters, since every element has taken its weight over by the time the next one comes.

`Registers` moves every value by one element a tick. `Wavefront` multiplies whole vectors with the tile that was in
effect when they entered and lets their sums out R + C - 2 ticks later, which is when the last of them leaves: the same
numbers at the same ticks, for large arrays. Both are driven by `tick`, which returns the tag and the sums of the vector
that has just left, or None.

Shapes    E examples; vectors [E, R], rows of a tile [C], registers [E, R, C]; int64, exact
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
LARGEST = 1024  # elements of an array that is simulated register by register


@dataclass(frozen=True, kw_only=True, slots=True)
class Entering:
    """A vector on its way in."""

    vector_ER: Ints
    tag: int  # unique among those inside
    first: bool  # it brings its block's weights into effect


class MatrixUnit(Protocol):
    def tick(self, entering: Entering | None, row: tuple[int, Ints] | None) -> tuple[int, Ints] | None:
        """One cycle: a vector may enter at the left, row `(j, weights [C])` of the next tile at the top."""


def matrix_unit(rows: int, columns: int, examples: int) -> MatrixUnit:
    """The unit for an array of that size: register by register where that is affordable."""
    kind = Registers if rows * columns <= LARGEST else Wavefront
    return kind(rows=rows, columns=columns, examples=examples)


@dataclass(kw_only=True)
class Registers:
    rows: int
    columns: int
    examples: int
    _left: deque[Entering | None] = field(init=False)  # the last R vectors: row r takes the one of r ticks ago
    _top: deque[tuple[int, Ints] | None] = field(init=False)  # the last C rows of weights, by column
    _partial: dict[int, Ints] = field(default_factory=dict)  # sums of a vector whose last column has not left yet
    _quiet: int = 0  # ticks since something entered

    def __post_init__(self) -> None:
        r, c, e = self.rows, self.columns, self.examples
        self._left, self._top = deque([None] * r, maxlen=r), deque([None] * c, maxlen=c)
        self._x_ERC, self._sums_ERC = np.zeros((e, r, c), np.int64), np.zeros((e, r, c), np.int64)
        self._tags_RC = np.full((r, c), -1)  # whose activation an element holds; -1: nobody's
        self._marks_RC = np.zeros((r, c), bool)  # it is the first of its block
        self._used_RC, self._next_RC = np.zeros((r, c), np.int64), np.zeros((r, c), np.int64)
        self._marching_RC = np.zeros((r, c), np.int64)
        self._bound_RC = np.full((r, c), -1)  # the element row that a marching weight is for

    def tick(self, entering: Entering | None, row: tuple[int, Ints] | None) -> tuple[int, Ints] | None:
        """One cycle; see `MatrixUnit`."""
        self._quiet = 0 if entering is not None or row is not None else self._quiet + 1
        if self._quiet > 2 * self.rows + self.columns:
            return None  # everything has left or stands in its place: nothing would change
        self._left.appendleft(entering)
        self._top.appendleft(row)
        self._move_right()
        self._used_RC[self._marks_RC] = self._next_RC[self._marks_RC]
        self._march_down()
        self._sums_ERC[:, 1:] = self._sums_ERC[:, :-1]
        self._sums_ERC[:, 0] = 0
        self._sums_ERC += self._used_RC * self._x_ERC
        return self._leave()

    def _move_right(self) -> None:
        for registers in (self._x_ERC, self._tags_RC, self._marks_RC):
            registers[..., 1:] = registers[..., :-1]
        for r, held in enumerate(self._left):
            self._x_ERC[:, r, 0] = 0 if held is None else held.vector_ER[:, r]
            self._tags_RC[r, 0] = -1 if held is None else held.tag
            self._marks_RC[r, 0] = held is not None and held.first

    def _march_down(self) -> None:
        for registers in (self._marching_RC, self._bound_RC):
            registers[1:] = registers[:-1]
        for c, held in enumerate(self._top):
            self._bound_RC[0, c] = -1 if held is None else held[0]
            self._marching_RC[0, c] = 0 if held is None else held[1][c]
        arrived = self._bound_RC == np.arange(self.rows)[:, None]
        self._next_RC[arrived] = self._marching_RC[arrived]

    def _leave(self) -> tuple[int, Ints] | None:
        left = None
        for c, tag in enumerate(self._tags_RC[-1].tolist()):
            if tag >= 0:
                sums_EC = self._partial.setdefault(tag, np.zeros((self.examples, self.columns), np.int64))
                sums_EC[:, c] = self._sums_ERC[:, -1, c]
                if c == self.columns - 1:
                    left = tag, self._partial.pop(tag)
        return left


@dataclass(kw_only=True)
class Block:
    """Vectors that meet one tile; those that have entered are multiplied together when the first of them leaves."""

    weights_RC: NDArray[np.floating[Any]]
    waiting: list[Ints] = field(default_factory=list)
    done: deque[Ints] = field(default_factory=deque)

    def leave(self) -> Ints:
        """The sums [E, C] of the next vector in order."""
        if not self.done:
            vectors = np.stack(self.waiting).astype(self.weights_RC.dtype)  # [vectors, E, R]
            sums = vectors.reshape(-1, vectors.shape[2]) @ self.weights_RC
            self.done.extend(sums.astype(np.int64).reshape(*vectors.shape[:2], -1))
            self.waiting.clear()
        return self.done.popleft()


@dataclass(kw_only=True)
class Wavefront:
    rows: int
    columns: int
    examples: int
    _inside: deque[tuple[int, Block] | None] = field(init=False)

    def __post_init__(self) -> None:
        self._inside = deque([None] * (self.rows + self.columns - 2))
        self._block, self._next = Block(weights_RC=self._empty()), self._empty()

    def _empty(self) -> NDArray[np.floating[Any]]:
        """A tile; in floats that hold sums of products of bytes exactly."""
        kind = np.float32 if self.rows * 255 * 255 < 2**24 else np.float64
        return np.zeros((self.rows, self.columns), kind)

    def tick(self, entering: Entering | None, row: tuple[int, Ints] | None) -> tuple[int, Ints] | None:
        """One cycle; see `MatrixUnit`."""
        if entering is not None:
            if entering.first:
                self._block, self._next = Block(weights_RC=self._next), self._empty()
            self._block.waiting.append(entering.vector_ER)
        if row is not None:
            self._next[row[0]] = row[1]
        self._inside.append(None if entering is None else (entering.tag, self._block))
        leaving = self._inside.popleft()
        return None if leaving is None else (leaving[0], leaving[1].leave())
