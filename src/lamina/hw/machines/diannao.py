"""DianNao: 16 x 16 sixteen-bit multipliers with three small buffers, 65 nm.

The published 452 GOP/s is not 496 operations x 0.98 GHz = 486: compare cycles, not operations per second.
"""

from lamina.core.units import GB, GHz, KiB, mm2, mW
from lamina.hw.cost import Mark
from lamina.hw.families.nfu import Nfu

ROWS = ("H6",)
PAPER = "Chen et al., ASPLOS 2014, https://doi.org/10.1145/2541940.2541967"

PARAMETERS = Nfu(
    inputs=16,
    outputs=16,
    bits=16,
    fraction_bits=10,
    segments=16,
    clock_hz=0.98 * GHz,
    nbin_bytes=2 * KiB,
    nbout_bytes=2 * KiB,
    sb_bytes=32 * KiB,
    dram_bytes_per_s=250 * GB,
    sb_w=105 * mW,
    nbin_w=91 * mW,
    nbout_w=92 * mW,
    nfu_w=132 * mW,
    control_w=65 * mW,
    chip_area_m2=3.02 * mm2,
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_MEMORY = "recalled from the paper's body, not read there yet"
SOURCES: dict[str, tuple[Mark, str]] = {
    "inputs": ("published", f"Ti = 16: {_REVIEW}"),
    "outputs": ("published", f"Tn = 16: {_REVIEW}"),
    "bits": ("published", f"16-bit fixed point: {_REVIEW}"),
    "fraction_bits": ("unverified", f"6 integer and 10 fraction bits: {_MEMORY}"),
    "segments": ("published", f"16 segments, coefficients in a small RAM: {_REVIEW}"),
    "clock_hz": ("published", f"0.98 GHz: {_REVIEW}"),
    "nbin_bytes": ("published", f"64 rows of 16 x 16 bits: {_REVIEW}"),
    "nbout_bytes": ("unverified", f"2 KB: {_MEMORY}"),
    "sb_bytes": ("unverified", f"64 rows of 256 x 16 bits: {_MEMORY}; agrees with the NFU's appetite"),
    "dram_bytes_per_s": ("unverified", f"250 GB/s of the simulator's memory model: {_MEMORY}"),
    "sb_w": ("unverified", f"layout table: {_MEMORY}"),
    "nbin_w": ("unverified", f"layout table: {_MEMORY}"),
    "nbout_w": ("unverified", f"layout table: {_MEMORY}"),
    "nfu_w": ("unverified", f"layout table: {_MEMORY}"),
    "control_w": ("unverified", f"what is left of 485 mW (CP, AXI multiplexer, other): {_MEMORY}"),
    "chip_area_m2": ("published", f"3.02 mm2 in 65 nm: {_REVIEW}"),
}

# what a test holds the model to: (figure, relative tolerance)
PUBLISHED = {"power_w": (0.485, 0.001), "ops_per_cycle": (496, 0.0)}
