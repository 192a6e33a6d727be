"""Eyeriss: 12 x 14 row-stationary elements with a 108 KB buffer, 65 nm, at 200 MHz and 1.0 V.

What the energies are: costs relative to a multiplication as its authors publish them for 65 nm, times 2 pJ. Those alone
leave the clock network out; its power is the share that figure 16 prints for AlexNet's CONV1, and is used everywhere.
"""

from lamina.core.units import KiB, MHz, mm2, mW, pJ
from lamina.hw.cost import Mark
from lamina.hw.families.row_stationary import RowStationary

PAPER = "Chen et al., JSSC 52(1), 2017, https://doi.org/10.1109/JSSC.2016.2616357"

_MAC_J = 2 * pJ
PARAMETERS = RowStationary(
    rows=12,
    columns=14,
    bits=16,
    clock_hz=200 * MHz,
    filter_words=224,
    input_words=12,
    sum_words=24,
    glb_bytes=100 * KiB,
    glb_banks=25,
    filter_buffer_bytes=8 * KiB,
    filter_bus_words=4,
    input_bus_words=1,
    sum_bus_words=4,
    dram_bytes_per_s=60 * MHz * 8,
    run_bits=5,
    mac_j=_MAC_J,
    register_j=1 * _MAC_J,
    hop_j=2 * _MAC_J,
    buffer_j=6 * _MAC_J,
    dram_j=200 * _MAC_J,
    clock_w=0.329 * 332 * mW,
    core_area_m2=3.5 * 3.5 * mm2,
)

_JSSC = "Chen et al., JSSC 2017"
_ISCA = "Chen et al., ISCA 2016, table IV: relative to a 16-bit multiplication"
SOURCES: dict[str, tuple[Mark, str]] = {
    "rows": ("published", f"{_JSSC}, section IV: 12 x 14 elements"),
    "columns": ("published", f"{_JSSC}, section IV: 12 x 14 elements"),
    "bits": ("published", f"{_JSSC}, table IV: 16-bit fixed point"),
    "clock_hz": ("published", f"{_JSSC}, table V: 200 MHz core clock"),
    "filter_words": ("published", f"{_JSSC}, section IV-A: 224 x 16 bits"),
    "input_words": ("published", f"{_JSSC}, section IV-A: 12 x 16 bits"),
    "sum_words": ("published", f"{_JSSC}, section IV-A: 24 x 16 bits"),
    "glb_bytes": ("published", f"{_JSSC}, section V-A: 100 KB of 108 KB"),
    "glb_banks": ("published", f"{_JSSC}, section V-A: 25 banks of 512 x 64 bits"),
    "filter_buffer_bytes": ("published", f"{_JSSC}, section V-A: 8 KB, preloads the next pass"),
    "filter_bus_words": ("published", f"{_JSSC}, section V-B: 64 bits"),
    "input_bus_words": ("published", f"{_JSSC}, section V-B: 16 bits"),
    "sum_bus_words": ("published", f"{_JSSC}, section V-B: 64 bits, input and output networks"),
    "dram_bytes_per_s": (
        "unverified",
        f"{_JSSC}, table V: 60 MHz link clock; that it moves 64 bits a cycle is recalled",
    ),
    "run_bits": ("published", f"{_JSSC}, section IV-B: runs of up to 31, three pairs in 64 bits"),
    "mac_j": ("published", "nn_dataflow (Gao et al.), its test of this chip: 2 pJ in 65 nm"),
    "register_j": ("published", f"{_ISCA}: 1"),
    "hop_j": ("published", f"{_ISCA}: 2"),
    "buffer_j": ("published", f"{_ISCA}: 6"),
    "dram_j": ("published", f"{_ISCA}: 200"),
    "clock_w": (
        "published",
        f"{_JSSC}, figure 16a and table V: 32.9 % of CONV1's 332 mW; 45.0 % of CONV5's 236 agrees",
    ),
    "core_area_m2": ("published", f"{_JSSC}, table IV: 3.5 mm x 3.5 mm"),
}

# what a test holds the model to: (figure, relative tolerance); section VI: 33.6 GMAC/s at 200 MHz
PUBLISHED = {"elements": (168, 0.0), "peak_macs_per_s": (33.6e9, 1e-9)}
