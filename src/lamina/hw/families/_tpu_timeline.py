"""Weight tiles on their way through a TPU, tile by tile; left out: instruction fetch, DRAM refresh.

Times are cycles; tile t is loaded, shifted in beside the tile in use, and then multiplies its vectors:

    loaded(t)  = max(loaded(t - 1), shifted(t - F)) + L             L: one tile from weight memory; F: FIFO slots
    shifted(t) = max(loaded(t), shifted(t - 1), began(t - 1)) + R   R: rows; t - 1 began: its place beside is free
    began(t)   = max(shifted(t), began(t - 1) + S(t - 1), barrier)  S: cycles of its vectors; barrier: layer before

A barrier is D cycles after a layer's last vector entered: its results have left the array and were activated. Loads go
on across barriers, so a layer finds up to F + 1 tiles waiting. Once every time grows by the same number from tile to
tile it does so for ever (the equations are max-plus linear), and the rest of the layer is one multiplication.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one layer asks of the matrix unit, or for how long it keeps the units behind it busy."""

    tiles: int = 0
    streamed: int = 0  # cycles that one tile multiplies: S
    other: int = 0  # cycles of a layer without multiplications
    useful: int = 0  # active cycles that the layer would need if it filled the array


@dataclass(frozen=True, kw_only=True, slots=True)
class Counters:
    """Cycles by what the matrix unit does in them, as the paper's Table 3 splits them."""

    active: int = 0  # it multiplies
    shift: int = 0  # it waits while a tile is shifted in
    stall: int = 0  # it waits for a tile from weight memory
    raw: int = 0  # results of this layer leave the array and are activated: the next layer reads them
    other: int = 0  # pooling, sums and moves
    host: int = 0  # inputs and outputs cross the link to the host
    useful: int = 0  # of the active cycles, those that an array full of useful weights would have needed, rounded up

    @property
    def non_matrix(self) -> int:
        """Cycles in which the matrix unit waits for no weights: results, other units and the host."""
        return self.raw + self.other + self.host

    @property
    def total(self) -> int:
        """All cycles."""
        return self.active + self.shift + self.stall + self.non_matrix

    def share(self, name: str) -> float:
        """Counter `name` as a share of all cycles, in [0, 1]."""
        return float(getattr(self, name)) / self.total

    def __add__(self, more: "Counters") -> "Counters":
        return Counters(
            active=self.active + more.active,
            shift=self.shift + more.shift,
            stall=self.stall + more.stall,
            raw=self.raw + more.raw,
            other=self.other + more.other,
            host=self.host + more.host,
            useful=self.useful + more.useful,
        )


def timeline(works: Sequence[Work], *, load: int, shift: int, slots: int, drain: int) -> list[Counters]:
    """The counters of each layer, run one after another from an empty FIFO; all arguments in cycles but `slots`."""
    loaded = shifted = began = ended = barrier = 0
    freed = deque([0] * slots, maxlen=slots)  # when the slots of the last tiles became free
    found = []
    for work in works:
        if not work.tiles:
            found.append(Counters(other=work.other))
            barrier += work.other
            continue
        shifting = stalled = 0
        left, steady, steps = work.tiles, 0, (0, 0, 0)
        while left:
            before = (loaded, shifted, began)
            loaded = max(loaded, freed[0]) + load
            from_here = max(loaded, shifted, began)
            shifted = from_here + shift
            freed.append(shifted)
            free = max(ended, barrier)
            began = max(shifted, free)
            ended = began + work.streamed
            covered = max(0, shifted - max(free, from_here))
            waited = began - free
            shifting, stalled, left = shifting + covered, stalled + waited - covered, left - 1
            last, steps = steps, (loaded - before[0], shifted - before[1], began - before[2])
            steady = steady + 1 if steps == last and len(set(steps)) == 1 else 0
            if steady > slots and left:
                ahead = steps[0] * left
                loaded, shifted, began, ended = loaded + ahead, shifted + ahead, began + ahead, ended + ahead
                freed = deque((time + ahead for time in freed), maxlen=slots)
                shifting, stalled, left = shifting + covered * left, stalled + (waited - covered) * left, 0
        barrier = ended + drain
        active = work.tiles * work.streamed
        found.append(Counters(active=active, shift=shifting, stall=stalled, raw=drain, useful=work.useful))
    return found
