"""Core i7-5930K on EIE's nine fully connected layers, dense, one vector and 64 at a time (MKL)."""

from lamina.recipes._reproduced._eie_baselines import rows
from lamina.recipes._reproduction import Reproduction

PRINTED_US = {
    1: (7516.2, 6187.1, 1134.9, 35022.8, 5372.8, 774.2, 605.0, 1361.4, 470.5),
    64: (318.4, 188.9, 45.8, 1056.0, 188.3, 45.7, 28.7, 69.0, 28.8),
}


def figures() -> list[Reproduction]:
    """Eighteen times."""
    return rows(
        "i7_5930k", "H1", PRINTED_US,
        "the roofline is a bound: MKL got 16 to 36 % of the bandwidth on one vector, 23 to 35 % of the roof on 64",
    )  # fmt: skip
