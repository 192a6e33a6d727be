"""PuDianNao: sixteen units for seven techniques of machine learning, 32 KiB in three buffers by reuse, 65 nm."""

from lamina.core.units import GB, GHz, KiB, mm2, mW
from lamina.hw.cost import Mark
from lamina.hw.families.machine_learning_unit import MachineLearningUnit

ROWS = ("H8",)
PAPER = "Liu et al., ASPLOS 2015, https://doi.org/10.1145/2694344.2694358"

PARAMETERS = MachineLearningUnit(
    units=16,
    lanes=16,
    bits=16,
    clock_hz=1 * GHz,
    hot_bytes=8 * KiB,
    cold_bytes=16 * KiB,
    output_bytes=8 * KiB,
    dram_bytes_per_s=250 * GB,
    chip_w=596 * mW,
    chip_area_m2=3.51 * mm2,
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
SOURCES: dict[str, tuple[Mark, str]] = {
    "units": ("published", f"16 functional units: {_REVIEW}"),
    "lanes": ("published", f"49 adders (16 + 16 + 15 + 1 + 1) and 17 multipliers a unit: {_REVIEW}"),
    "bits": ("published", f"16 bits in Adder, Multiplier and tree (floating point): {_REVIEW}"),
    "clock_hz": ("published", f"1 GHz: {_REVIEW}"),
    "hot_bytes": ("published", f"8 KB, single port: {_REVIEW}"),
    "cold_bytes": ("published", f"16 KB, single port: {_REVIEW}"),
    "output_bytes": ("published", f"8 KB, dual port: {_REVIEW}"),
    "dram_bytes_per_s": (
        "unverified",
        "250 GB/s of the memory model of the group's first simulator (DianNao), recalled; this paper's is not known",
    ),
    "chip_w": ("published", "596 mW: abstract"),
    "chip_area_m2": ("published", "3.51 mm2 in 65 nm: abstract"),
}

# what a test holds the model to: (figure, relative tolerance)
PUBLISHED = {"ops_per_cycle": (1056, 0.0)}
