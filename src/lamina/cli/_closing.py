"""--shape and --value: what a file leaves open, closed on the command line.

--shape x=1,3,320,320      an input's shape, batch included
--value sr=16000           an input that becomes a constant; several numbers with commas: axes=1,2
"""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.core.errors import BadInput

if TYPE_CHECKING:
    from lamina.api.sources import Shapes, Values

Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Shape of an input the file leaves open; repeatable.", metavar="NAME=1,3,320,320"),
]
Value = Annotated[
    list[str] | None,
    typer.Option("--value", help="Numbers of an input, once and for all; repeatable.", metavar="NAME=16000"),
]


def shapes(pairs: list[str] | None) -> "Shapes":
    """Input names to shapes; raises `BadInput`."""
    found: dict[str, tuple[int, ...]] = {}
    for pair in pairs or ():
        name, sizes = _split(pair, "--shape", "x=1,3,320,320")
        if not all(re.fullmatch(r"[1-9][0-9]{0,11}", size) for size in sizes):
            raise BadInput(f"--shape {pair!r}: sizes are positive integers, as in --shape x=1,3,320,320")
        found[name] = tuple(map(int, sizes))
    return found


def values(pairs: list[str] | None) -> "Values":
    """Input names to arrays: integers where all numbers are whole, a scalar where there is one; raises `BadInput`."""
    found: Values = {}
    for pair in pairs or ():
        import numpy as np

        name, words = _split(pair, "--value", "sr=16000")
        try:
            numbers = [int(w) if re.fullmatch(r"-?[0-9]{1,18}", w) else float(w) for w in words]
        except ValueError:
            raise BadInput(f"--value {pair!r}: numbers are needed, as in --value sr=16000") from None
        found = {**found, name: np.asarray(numbers[0] if len(numbers) == 1 else numbers)}
    return found


def _split(pair: str, option: str, example: str) -> tuple[str, list[str]]:
    name, equals, rest = pair.rpartition("=")
    if not equals or not name or not rest:
        raise BadInput(f"{option} {pair!r}: NAME=NUMBERS is needed, as in {option} {example}")
    return name, rest.split(",")
