"""Neighbouring channels computed at once: what a conv2d or linear layer holds in one C variable.

    float                  8 with AVX, 4 with SSE2 or NEON, through the vector types of GCC and Clang
    int32 from int8        the same
    anything else          1: plain C99, also where LAMINA_SCALAR is defined

The code that uses lanes is the same in every case: a vector times a number, plus a vector, is written as in plain C.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.export._c_text import ctype


@dataclass(frozen=True, kw_only=True, slots=True)
class Lanes:
    type: str  # C type of the lanes
    count: str  # of lanes, a C constant
    most: int  # lanes on any target
    loader: str  # C function that reads them, empty for one lane
    helpers: tuple[str, ...] = ()

    def load(self, pointer: str) -> str:
        return f"{self.loader}({pointer})" if self.loader else f"*({pointer})"


def lanes(acc: str, weights: Any, prefix: str) -> Lanes:
    """The lanes of sums of C type `acc` over weights of a NumPy dtype."""
    if acc == "float":
        return Lanes(type=f"{prefix}_floats", count=f"{prefix}_LANES", most=8, loader=f"{prefix}_load_floats",
                     helpers=("lanes", "floats", "load_floats"))  # fmt: skip
    if acc == "int32_t" and ctype(np.dtype(weights)) == "int8_t":
        return Lanes(type=f"{prefix}_ints", count=f"{prefix}_LANES", most=8, loader=f"{prefix}_load_ints",
                     helpers=("lanes", "ints", "load_ints"))  # fmt: skip
    return Lanes(type=acc, count="1", most=1, loader="")
