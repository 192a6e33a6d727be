"""Replace the one rounding (half to even) by another, to show that a test would see it.

    with monkeypatch.context() as patch:
        round_half_away_from_zero(patch)
        network.run(inputs)                     the interpreter as it would be with the other rounding

A link of the chain that rounds half away from zero gives these numbers; on `tie_rich_network()` they differ.
"""

import numpy as np
import pytest

from lamina.ir import integers
from lamina.ir.integers import Ints


def round_half_away_from_zero(patch: pytest.MonkeyPatch) -> None:
    """Every rounding in `lamina.ir.integers` rounds halves away from zero until `patch` is undone."""

    def divide(a: Ints, divisor: int) -> Ints:
        return np.asarray(np.sign(a) * ((2 * np.abs(a) + divisor) // (2 * divisor)))

    def shift(a: Ints, by: Ints | int) -> Ints:
        by = np.broadcast_to(np.asarray(by, np.int64), a.shape)
        right = np.int64(1) << np.clip(by, 0, 62)
        return np.where(by < 0, a << np.clip(-by, 0, 31), np.sign(a) * ((2 * np.abs(a) + right) // (2 * right)))

    def rint(real: np.ndarray) -> Ints:
        return np.asarray(np.sign(real) * np.floor(np.abs(np.clip(real, -(2.0**62), 2.0**62)) + 0.5), np.int64)

    patch.setattr(integers, "divide_half_even", divide)
    patch.setattr(integers, "shift_half_even", shift)
    patch.setattr(integers, "_rint", rint)
