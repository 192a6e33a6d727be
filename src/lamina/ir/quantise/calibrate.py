"""The float network run on calibration inputs: how the numbers of every value are spread, streamed.

Each value of the network and of the bodies of its scans is counted into one `Spread`; nothing else is kept but the
first few inputs, on which the report compares both networks. A result that is NaN is refused: it has no range.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.network import Array, Network
from lamina.ir.quantise.scopes import Key, observe
from lamina.ir.quantise.spread import Spread

KEPT = 4  # inputs for the report


def calibrated(
    network: Network, calibration: Iterable[Mapping[str, Array]]
) -> tuple[dict[Key, Spread], list[Mapping[str, Array]]]:
    """The spread of every float value, and the first inputs; `BadInput` where there is none or one does not fit."""
    spreads: dict[Key, Spread] = {}
    kept: list[Mapping[str, Array]] = []

    def see(key: Key, array: Array) -> None:
        if array.dtype.kind != "f":
            return
        if np.isnan(array).any():
            raise BadInput(
                f"the calibration inputs make {'/'.join(key)!r} NaN: give inputs like those it was trained on"
            )
        spreads.setdefault(key, Spread()).add(array)

    for inputs in calibration:
        if len(kept) < KEPT:
            kept.append({name: np.array(array) for name, array in inputs.items()})
        observe(network, inputs, see)
    if not kept:
        raise BadInput("no calibration input: give a few hundred real ones")
    return spreads, kept
