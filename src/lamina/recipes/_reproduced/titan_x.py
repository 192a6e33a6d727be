"""Titan X on EIE's nine fully connected layers, dense, one vector and 64 at a time (cuBLAS)."""

from lamina.recipes._reproduced._eie_baselines import rows
from lamina.recipes._reproduction import Reproduction

PRINTED_US = {
    1: (541.5, 243.0, 80.5, 1467.8, 243.0, 80.5, 65.0, 90.1, 51.9),
    64: (19.8, 8.9, 5.9, 53.6, 8.9, 5.9, 3.2, 2.3, 2.5),
}


def figures() -> list[Reproduction]:
    """Eighteen times."""
    return rows(
        "titan_x", "H2", PRINTED_US,
        "the roofline is a bound: cuBLAS got 45 to 83 % of the bandwidth on one vector, 23 to 75 % of the roof on 64",
    )  # fmt: skip
