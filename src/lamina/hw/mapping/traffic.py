"""What crosses each memory's ports, and the energy of it, for a batch of candidates.

Of each operand, each level moves data four ways: in from the level outside, out to it, out to what lies inside, in
from it. A stream is `periods` times `mean` elements of `bits`, each period `cycles` long.

    inputs, weights   fetched inwards whenever a loop that moves them runs; the idle loops just above a tile are free
    outputs           written outwards as often; and read back as often while they are partial sums (the first time too)

    words = ceil(amount bits / word) word / width        energy = periods instances words (read_j or write_j)

Errors    halos are fetched again with each tile; what several units need at once is read once, also where their windows
          overlap (ZigZag multiplies the tiles there); compression and idle energy are left out
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamina.hw.mapping.problem import Array
from lamina.hw.mapping.structure import OPERANDS, Level, Operand
from lamina.hw.mapping.tiles import Batch

Way = Literal["from_outside", "to_outside", "to_inside", "from_inside"]
WRITES = ("from_outside", "from_inside")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One direction of one operand at one level; arrays have a place for each candidate."""

    operand: Operand
    place: int  # in the operand's chain
    level: int  # in the machine
    way: Way
    mean: Array  # elements a period and instance, idle units spread evenly
    full: Array  # of the busiest instance
    bits: Array  # of one element; 0 where nothing moves
    cycles: Array  # of one period
    periods: Array  # 0 where nothing moves
    instances: float

    @property
    def write(self) -> bool:
        return self.way in WRITES


def streams(batch: Batch) -> list[Stream]:
    """All streams, operand by operand, innermost level first."""
    return [stream for operand in OPERANDS for stream in _of_operand(batch, operand)]


def _of_operand(batch: Batch, operand: Operand) -> list[Stream]:
    levels, stays, total = batch.chains[operand], batch.stays[operand], batch.total
    inner = np.ones_like(total) if operand == "outputs" else batch.at(batch.steps, batch.still[operand])
    cycles = [inner, *(batch.at(batch.steps, stays[:, place]) for place in range(len(levels)))]
    found = []

    def stream(place: int, way: Way, inner: int, edge: int, moves: Array | None) -> Stream:
        bits, periods = batch.width(operand, edge), total // cycles[edge]
        return Stream(
            operand=operand,
            place=place,
            level=levels[place],
            way=way,
            mean=batch.staying(operand, inner, place, full=False),
            full=batch.staying(operand, inner, place, full=True),
            bits=np.broadcast_to(bits, total.shape) if moves is None else np.where(moves, bits, 0),
            cycles=cycles[edge],
            periods=periods if moves is None else np.where(moves, periods, 0),
            instances=batch.unrolling.units(operand, place),
        )

    for place in range(len(levels)):
        outermost = place == len(levels) - 1
        if operand == "outputs":
            found.append(stream(place, "from_inside", place, place, None))
            found.append(stream(place, "to_inside", place, place, batch.sums(place)))
            if not outermost:
                found.append(stream(place, "to_outside", place + 1, place + 1, None))
                found.append(stream(place, "from_outside", place + 1, place + 1, batch.sums(place + 1)))
        else:
            found.append(stream(place, "to_inside", place, place, None))
            if not outermost:
                found.append(stream(place, "from_outside", place + 1, place + 1, None))
    return found


def words(stream: Stream, level: Level) -> Array:
    """Accesses of the port's full width, all instances, all periods; parts of a width count as parts."""
    width = level.width(write=stream.write)
    word = level.word_bits or width
    once = np.ceil(stream.mean * stream.bits / word) * (word / width)
    return once * stream.periods * stream.instances


def energy_by_level_j(batch: Batch, found: list[Stream]) -> list[Array]:
    """[levels of the machine] joules, each for all candidates."""
    energy = [np.zeros(len(batch.total)) for _ in batch.levels]
    for stream in found:
        level = batch.levels[stream.level]
        energy[stream.level] = energy[stream.level] + words(stream, level) * level.access_j(write=stream.write)
    return energy


def bits_by_level(batch: Batch, found: list[Stream]) -> list[Array]:
    """[levels of the machine] bits that are read and written, each for all candidates."""
    moved = [np.zeros(len(batch.total)) for _ in batch.levels]
    for s in found:
        moved[s.level] = moved[s.level] + s.mean * s.bits * s.periods * s.instances
    return moved
