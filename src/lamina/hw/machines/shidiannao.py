"""ShiDianNao: 8 x 8 elements that each own an output neuron, 288 KiB of SRAM for a whole network, 65 nm.

It is to stand beside an image sensor and has no DRAM of its own. Where a network does not fit, the model streams it
through the memory of its authors' DianNao simulator; no published figure of this machine depends on that.
"""

from lamina.core.units import GB, GHz, KiB, mm2, mW
from lamina.hw.cost import Mark
from lamina.hw.families.output_mesh import OutputMesh

ROWS = ("H9",)
PAPER = "Du et al., ISCA 2015, https://doi.org/10.1145/2749469.2750389"

PARAMETERS = OutputMesh(
    rows=8,
    columns=8,
    bits=16,
    fraction_bits=10,
    segments=16,
    alu_results_per_cycle=1,
    clock_hz=1 * GHz,
    nbin_bytes=64 * KiB,
    nbout_bytes=64 * KiB,
    sb_bytes=128 * KiB,
    ib_bytes=32 * KiB,
    dram_bytes_per_s=250 * GB,
    nfu_w=268.8 * mW,
    nbin_w=35.5 * mW,
    nbout_w=6.6 * mW,
    sb_w=6.8 * mW,
    ib_w=2.4 * mW,
    nfu_area_m2=0.66 * mm2,
    nbin_area_m2=1.12 * mm2,
    nbout_area_m2=1.12 * mm2,
    sb_area_m2=1.65 * mm2,
    ib_area_m2=0.31 * mm2,
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_LAYOUT = "layout table, recalled from the paper's body, not read there yet; the units add up to the abstract's"
SOURCES: dict[str, tuple[Mark, str]] = {
    "rows": ("published", f"Py = 8: {_REVIEW}"),
    "columns": ("published", f"Px = 8: {_REVIEW}"),
    "bits": ("published", f"16-bit fixed point: {_REVIEW}"),
    "fraction_bits": ("unverified", "6 integer and 10 fraction bits, as DianNao's: recalled, not read there yet"),
    "segments": ("unverified", "16 segments, as DianNao's: recalled from the paper's body, not read there yet"),
    "alu_results_per_cycle": (
        "unverified",
        "194 GOP/s at 1 GHz are 64 elements x 3 operations and 2 of one ALU: derived; that the mesh waits for it is "
        "our reading",
    ),
    "clock_hz": ("published", f"1 GHz: {_REVIEW}"),
    "nbin_bytes": ("published", f"64 KB: {_REVIEW}"),
    "nbout_bytes": ("published", f"64 KB: {_REVIEW}"),
    "sb_bytes": ("published", f"128 KB: {_REVIEW}"),
    "ib_bytes": ("published", f"32 KB: {_REVIEW}"),
    "dram_bytes_per_s": (
        "unverified",
        "250 GB/s of the memory model of DianNao's simulator, recalled; the chip itself has no DRAM, and only what "
        "crosses its pins reads this: pictures, results, what does not fit",
    ),
    "nfu_w": ("unverified", f"268.8 mW: {_LAYOUT}"),
    "nbin_w": ("unverified", f"35.5 mW: {_LAYOUT}"),
    "nbout_w": ("unverified", f"6.6 mW: {_LAYOUT}"),
    "sb_w": ("unverified", f"6.8 mW: {_LAYOUT}"),
    "ib_w": ("unverified", f"2.4 mW: {_LAYOUT}"),
    "nfu_area_m2": ("unverified", f"0.66 mm2: {_LAYOUT}"),
    "nbin_area_m2": ("unverified", f"1.12 mm2: {_LAYOUT}"),
    "nbout_area_m2": ("unverified", f"1.12 mm2: {_LAYOUT}"),
    "sb_area_m2": ("unverified", f"1.65 mm2: {_LAYOUT}"),
    "ib_area_m2": ("unverified", f"0.31 mm2: {_LAYOUT}"),
}

# what a test holds the model to: (figure, relative tolerance)
PUBLISHED = {"power_w": (0.320, 0.001), "chip_area_m2": (4.86e-6, 1e-9), "ops_per_cycle": (194, 0.0)}
