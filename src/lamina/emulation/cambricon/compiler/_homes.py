"""Where numbers lie: the scratchpads' free room, and the image of main memory; left out: defragmentation.

    Home      a space (vector scratchpad or main memory) and the first number's address, or a register with it
    Room      free room of a scratchpad: values from the bottom up, temporary ones from the top down, first fit
    Image     main memory: constants (each once), then inputs, outputs and values that the scratchpad has no room for

A quarter of the vector scratchpad is kept for temporary vectors, so that any network finds a place to compute.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon.compiler._code import Address
from lamina.ir.network import Array


@dataclass(frozen=True, slots=True)
class Home:
    space: Literal["vector", "memory"]
    address: Address

    def at(self, offset: int) -> "Home":
        """The place `offset` elements further on; of a known address."""
        assert isinstance(self.address, int)
        return Home(self.space, self.address + offset)


@dataclass(kw_only=True, slots=True)
class Room:
    """Free room of a scratchpad of `capacity` elements."""

    capacity: int
    kept: int = 0  # elements at the top that only temporary vectors may use
    gaps: list[tuple[int, int]] = field(default_factory=list)  # start, end; rising

    def __post_init__(self) -> None:
        self.gaps = [(0, self.capacity)]

    def take(self, size: int) -> int | None:
        """The lowest address with room for `size`, none where there is none below the part that is kept."""
        for start, end in self.gaps:
            if min(end, self.capacity - self.kept) - start >= size:
                self._cut(start, start + size)
                return start
        return None

    def give(self, address: int, size: int) -> None:
        """Room that is free again; neighbours grow together."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self.gaps, (address, address + size)]):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        self.gaps = merged

    @contextmanager
    def temporary(self, size: int, what: str) -> Iterator[int]:
        """The highest address with room for `size`, until the block ends; raises `Unsupported` naming `what`."""
        gap = next((g for g in reversed(self.gaps) if g[1] - g[0] >= size), None)
        if gap is None:
            raise Unsupported(
                f"Cambricon cannot run {what!r}: it needs {size:,} elements of a scratchpad at once, "
                f"{self.largest:,} are free"
            )
        self._cut(gap[1] - size, gap[1])
        yield gap[1] - size
        self.give(gap[1] - size, size)

    @property
    def largest(self) -> int:
        """The largest vector that fits now."""
        return max((end - start for start, end in self.gaps), default=0)

    def _cut(self, low: int, high: int) -> None:
        parts = [(s, e) for s, e in self.gaps if not s <= low < e]
        start, end = next((s, e) for s, e in self.gaps if s <= low < e)
        self.gaps = sorted(g for g in [*parts, (start, low), (high, end)] if g[0] < g[1])


@dataclass(kw_only=True, slots=True)
class Image:
    """Main memory before the program runs."""

    parts: list[Array] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    size: int = 0

    def constant(self, data: Array) -> int:
        """The address of `data` (int16), stored once however often it is asked for."""
        key = np.ascontiguousarray(data, np.int16).tobytes()
        if key not in self.known:
            self.known[key] = self.size
            self._append(np.frombuffer(key, np.int16))
        return self.known[key]

    def reserve(self, size: int, fill: int = 0) -> int:
        """The address of `size` elements of `fill`."""
        address = self.size
        self._append(np.full(size, fill, np.int16))
        return address

    def array(self) -> Array:
        return np.concatenate([np.zeros(0, np.int16), *self.parts])

    def _append(self, part: Array) -> None:
        self.parts.append(part)
        self.size += len(part)
