"""How weights are best stored, by a look at their numbers: what every reader asks of a constant."""

import numpy as np


def coding(data: np.ndarray) -> tuple[bool, int | None]:
    """How weights are best stored: sparse when half of them are zero, by code book when few values repeat often.

    An index is worth it only where it is shorter than the number itself.
    """
    if data.ndim < 2:
        return False, None
    sparse = bool(np.count_nonzero(data) <= data.size / 2)
    few = 256
    if len(np.unique(data.reshape(-1)[: 64 * few])) > few + 1:  # a look at a part spares sorting millions
        return sparse, None
    values = np.unique(data)
    distinct = len(values[values != 0] if sparse else values)
    repeats = distinct and np.count_nonzero(data) >= 4 * distinct
    bits = max(1, int(distinct - 1).bit_length())
    return sparse, (bits if distinct <= few and repeats and bits < 8 * data.itemsize else None)
