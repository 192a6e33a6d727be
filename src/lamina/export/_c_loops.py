"""Nested loops over shapes: how every template that broadcasts, moves or reduces walks through memory.

    Walk     an operand: where its first number lies, and how far it moves along each axis (0 where it is repeated)
    nest     one loop for each axis; neighbouring axes that all walks pass alike become one

Strides are computed here, once, so that C only adds. Axes of size 1 vanish.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from lamina.export._c_text import indent


@dataclass(frozen=True, slots=True)
class Walk:
    strides: tuple[int, ...]
    start: int = 0


def contiguous(shape: Sequence[int]) -> Walk:
    """The walk through an array in C order."""
    return Walk(tuple(prod(shape[axis + 1 :]) for axis in range(len(shape))))


def repeated(of: Sequence[int], to: Sequence[int]) -> Walk:
    """The walk through an operand of shape `of` that is broadcast to `to`."""
    own = contiguous(of).strides
    steps = [0] * (len(to) - len(of)) + [step if size > 1 else 0 for size, step in zip(of, own, strict=True)]
    return Walk(tuple(steps))


def merged(shape: Sequence[int], walks: Sequence[Walk]) -> tuple[list[int], list[list[int]]]:
    """Counts of the loops, outermost first, and every walk's steps for each."""
    loops: list[tuple[int, tuple[int, ...]]] = []
    for axis in reversed(range(len(shape))):
        count, steps = shape[axis], tuple(walk.strides[axis] for walk in walks)
        if count == 1:
            continue
        if loops and all(step == loops[-1][0] * inner for step, inner in zip(steps, loops[-1][1], strict=True)):
            loops[-1] = (loops[-1][0] * count, loops[-1][1])
        else:
            loops.append((count, steps))
    loops.reverse()
    return [count for count, _ in loops], [[steps[at] for _, steps in loops] for at in range(len(walks))]


def nest(shape: Sequence[int], walks: Sequence[Walk], statement: Callable[..., str], *, name: str = "i") -> str:
    """The loops over `shape` around `statement(place of each walk)`; loop variables are `i0`, `i1` ..."""
    counts, steps = merged(shape, walks)
    names = [f"{name}{at}" for at in range(len(counts))]
    places = [place(names, own, walk.start) for walk, own in zip(walks, steps, strict=True)]
    return around(names, counts, statement(*places))


def around(names: Sequence[str], counts: Sequence[int], text: str) -> str:
    """`text` inside one loop for each name, the first outermost."""
    for name, count in zip(reversed(names), reversed(counts), strict=True):
        text = f"for (int {name} = 0; {name} < {count}; ++{name}) {{\n{indent(text)}\n}}"
    return text


def place(names: Sequence[str], steps: Sequence[int], start: int = 0) -> str:
    """`start + i0 * step ...` as C."""
    terms = [name if step == 1 else f"{name} * {step}" for name, step in zip(names, steps, strict=True) if step]
    terms = [str(start), *terms] if start or not terms else terms
    return " + ".join(terms)
