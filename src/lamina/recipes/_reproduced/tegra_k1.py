"""Tegra K1 on EIE's nine fully connected layers, dense, one vector and 64 at a time (cuBLAS)."""

from lamina.recipes._reproduced._eie_baselines import rows
from lamina.recipes._reproduction import Reproduction

PRINTED_US = {
    1: (12437.2, 5765.0, 2252.1, 35427.0, 5544.3, 2243.1, 1316.0, 2565.5, 956.9),
    64: (1663.6, 2056.8, 298.0, 2001.4, 2050.7, 483.9, 87.8, 956.3, 95.2),
}


def figures() -> list[Reproduction]:
    """Eighteen times."""
    return rows(
        "tegra_k1", "H2", PRINTED_US,
        "the roofline is a bound: cuBLAS got 49 to 82 % of the bandwidth on one vector, 3 to 31 % of the roof on 64",
    )  # fmt: skip
