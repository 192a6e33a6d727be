"""Functions of one number as Cambricon computes them, a few vector instructions each; left out: corrections.

    sigmoid   e = VEXP x        d = VAS e, 1       y = VDV e, d          the paper's own three instructions
    tanh      t = VAV x, x      e = VEXP t         n = VAS e, -1         d = VAS e, 1        y = VDV n, d
    exp, log  y = VEXP x        y = VLOG x

Each function has two faces made from the one sequence: the instructions, and the table of its 65,536 results, with
which the network of `ir` says `lookup`. A lookup is compiled when its table is one of these: no name decides anything.
What saturates, saturates: in Q6.10 e^x ends at 31.999, so that sigmoid jumps from 0.970 to 1 at 3.466 and tanh ends at
0.969.
"""

from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.cambricon import arithmetic as do

Ints = NDArray[Any]
Step = tuple[
    str, str, str, str | float | None
]  # instruction, result, operand, second operand: a vector or a real scalar

FUNCTIONS = MappingProxyType(
    {
        "sigmoid": (("VEXP", "e", "x", None), ("VAS", "d", "e", 1.0), ("VDV", "y", "e", "d")),
        "tanh": (
            ("VAV", "t", "x", "x"),
            ("VEXP", "e", "t", None),
            ("VAS", "n", "e", -1.0),
            ("VAS", "d", "e", 1.0),
            ("VDV", "y", "n", "d"),
        ),
        "exp": (("VEXP", "y", "x", None),),
        "log": (("VLOG", "y", "x", None),),
    }
)

_MEANING: dict[str, Callable[[Ints, Any, int], Ints]] = {
    "VEXP": lambda a, b, f: do.exp(a, f),
    "VLOG": lambda a, b, f: do.log(a, f),
    "VAS": lambda a, b, f: do.saturate(a + b),
    "VAV": lambda a, b, f: do.saturate(a + b),
    "VDV": lambda a, b, f: do.quotient(a, b, f),
}


@lru_cache(maxsize=32)
def table(function: str, fraction_bits: int) -> Ints:
    """The results of `function` for every stored number from the lowest on: int16 [65536], read-only."""
    values: dict[str, Ints] = {"x": np.arange(do.LOW, do.HIGH + 1, dtype=np.int64)}
    for name, result, a, b in FUNCTIONS[function]:
        second = values[b] if isinstance(b, str) else scalar(b, fraction_bits)
        values[result] = _MEANING[name](values[a], second, fraction_bits)
    found = values["y"].astype(np.int16)
    found.setflags(write=False)
    return found


def scalar(real: float | None, fraction_bits: int) -> int:
    """A real scalar of a sequence as a stored number; none is 0."""
    return round((real or 0.0) * 2**fraction_bits)


def recognised(entries: Ints, fraction_bits: int) -> str | None:
    """The function whose table `entries` is, or none."""
    return next((name for name in FUNCTIONS if np.array_equal(table(name, fraction_bits), entries)), None)
