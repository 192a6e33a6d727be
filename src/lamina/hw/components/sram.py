"""SRAM by capacity and width at 45 nm: a fit to CACTI; left out: several ports, error correction, other compilers.

    log2 f(C, W) = sum of a_ij x^i y^j,   i + j <= 3,   x = log2(C / 1 KiB),   y = log2(W / 32 bits)

for each of read and write energy, leakage, area and access time, by least squares over the points of cacti.csv
(`tools/cacti_points.py` makes them; docs/components.md shows points and residuals). C is clamped to 1 KiB to 16 MiB and
W to 32 to 1024 bits: a wider word is several such memories side by side, a larger memory several banks of which one is
accessed over wires that grow with its side; below 1 KiB energies shrink as the square root of the size.

Errors    `BadInput` for a capacity or width that is not positive
Source    CACTI 7 (Balasubramonian et al., TACO 14(2), 2017, https://doi.org/10.1145/3085572), run by us: 45 nm, 350 K
"""

import csv
from functools import cache
from math import ceil, log2, sqrt
from pathlib import Path
from typing import Literal

import numpy as np

from lamina.core.errors import BadInput
from lamina.core.units import KiB, MiB, nm
from lamina.hw.cost import Mark

Kind = Literal["high_performance", "low_standby_power"]
SRAM_NODE_M = 45 * nm
SMALLEST_BYTES, LARGEST_BYTES = 1 * KiB, 16 * MiB  # of the points
NARROWEST_BITS, WIDEST_BITS = 32, 1024
ORDER = 3  # of the polynomial: of those tried the highest whose energies still grow with size and width everywhere
CONSTANTS = {
    "SRAM_NODE_M": ("sram_fit",),
    "SMALLEST_BYTES": ("sram_fit",),
    "LARGEST_BYTES": ("sram_fit",),
    "NARROWEST_BITS": ("sram_fit",),
    "WIDEST_BITS": ("sram_fit",),
    "ORDER": ("sram_fit",),
}
SOURCES: dict[str, tuple[Mark, str]] = {
    "sram_fit": ("modelled", "cubic in the logarithms through points of CACTI 7 at 45 nm and 350 K, cacti.csv"),
    "sram_beyond": ("assumed", "outside the points: banks side by side, energy as the square root of the size"),
}
_POINTS = Path(__file__).with_name("cacti.csv")
Quantity = Literal["read_j", "write_j", "leakage_w", "area_m2", "access_s"]


@cache
def points(kind: Kind) -> dict[str, np.ndarray]:
    """The points of CACTI for one kind of cell: a column of floats by name, SI units."""
    with _POINTS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == kind]
    if not rows:
        raise BadInput(f"SRAM of kind {kind!r}: high_performance or low_standby_power")
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "kind"}


@cache
def fit(kind: Kind, quantity: Quantity) -> tuple[float, ...]:
    """The coefficients a_ij of `quantity`, ordered as `exponents` orders them."""
    table = points(kind)
    terms = _terms(table["capacity_bytes"], table["width_bits"])
    found, *_ = np.linalg.lstsq(terms, np.log2(table[quantity]), rcond=None)
    return tuple(map(float, found))


def exponents() -> list[tuple[int, int]]:
    """The powers (i, j) of x and y, one pair per coefficient."""
    return [(i, j) for i in range(ORDER + 1) for j in range(ORDER + 1 - i)]


def residuals(kind: Kind, quantity: Quantity) -> np.ndarray:
    """Fit over CACTI, less 1, of every point."""
    table = points(kind)
    fitted = _terms(table["capacity_bytes"], table["width_bits"]) @ np.array(fit(kind, quantity))
    return np.asarray(2**fitted / table[quantity] - 1)


def read_j(capacity_bytes: float, width_bits: int, *, kind: Kind = "low_standby_power") -> float:
    """Joules of reading one word of `width_bits` from an SRAM of `capacity_bytes`."""
    return _energy("read_j", capacity_bytes, width_bits, kind)


def write_j(capacity_bytes: float, width_bits: int, *, kind: Kind = "low_standby_power") -> float:
    """Joules of writing one word of `width_bits` to an SRAM of `capacity_bytes`."""
    return _energy("write_j", capacity_bytes, width_bits, kind)


def area_m2(capacity_bytes: float, width_bits: int = 64, *, kind: Kind = "low_standby_power") -> float:
    """Square metres of an SRAM of `capacity_bytes` with words of `width_bits`."""
    return _extensive("area_m2", capacity_bytes, width_bits, kind)


def leakage_w(capacity_bytes: float, width_bits: int = 64, *, kind: Kind = "low_standby_power") -> float:
    """Watts that an idle SRAM of `capacity_bytes` loses, at 350 K."""
    return _extensive("leakage_w", capacity_bytes, width_bits, kind)


def access_s(capacity_bytes: float, width_bits: int = 64, *, kind: Kind = "low_standby_power") -> float:
    """Seconds from address to data."""
    capacity, side, _ = _macro(capacity_bytes, width_bits)
    return _at("access_s", capacity, min(max(width_bits, NARROWEST_BITS), WIDEST_BITS), kind) * max(side, 1.0)


def _energy(quantity: Quantity, capacity_bytes: float, width_bits: int, kind: Kind) -> float:
    capacity, side, abreast = _macro(capacity_bytes, width_bits)
    return _at(quantity, capacity, width_bits / abreast, kind) * side * abreast


def _extensive(quantity: Quantity, capacity_bytes: float, width_bits: int, kind: Kind) -> float:
    capacity, _, abreast = _macro(capacity_bytes, width_bits)
    return _at(quantity, capacity, width_bits / abreast, kind) * capacity_bytes / capacity


def _macro(capacity_bytes: float, width_bits: int) -> tuple[float, float, int]:
    """Capacity of the fitted memory that stands for one, how much longer its wires are, and how many stand abreast."""
    if not (0 < capacity_bytes < float("inf") and 1 <= width_bits < 2**31):
        raise BadInput(f"SRAM of {capacity_bytes} bytes and {width_bits} bits: positive sizes are needed")
    abreast = ceil(width_bits / WIDEST_BITS)
    share = capacity_bytes / abreast
    inside = min(max(share, SMALLEST_BYTES), LARGEST_BYTES)
    return inside, sqrt(share / inside), abreast


def _at(quantity: Quantity, capacity_bytes: float, width_bits: float, kind: Kind) -> float:
    x, y = log2(capacity_bytes / SMALLEST_BYTES), log2(max(width_bits, NARROWEST_BITS) / NARROWEST_BITS)
    return float(2 ** sum(a * x**i * y**j for a, (i, j) in zip(fit(kind, quantity), exponents(), strict=True)))


def _terms(capacity_bytes: np.ndarray, width_bits: np.ndarray) -> np.ndarray:
    x, y = np.log2(capacity_bytes / SMALLEST_BYTES), np.log2(width_bits / NARROWEST_BITS)
    return np.stack([x**i * y**j for i, j in exponents()], axis=1)
