"""DaDianNao: nodes of 16 tiles, 36 MB of eDRAM and HyperTransport links, 28 nm; `dadiannao:nodes=64` is the largest.

The 30.16 mm2 that some reviews print are the 16 tiles alone; a node is 67.73 mm2.
"""

from lamina.core.units import GB, GHz, KiB, MiB, mm2, ns
from lamina.hw.cost import Mark
from lamina.hw.families.nfu_mesh import NfuMesh

ROWS = ("H7",)
PAPER = "Chen et al., MICRO 2014, https://doi.org/10.1109/MICRO.2014.58"

PARAMETERS = NfuMesh(
    nodes=1,
    tiles=16,
    inputs=16,
    outputs=16,
    interpolators=32,
    bits=16,
    clock_hz=0.606 * GHz,
    tile_edram_bytes=2 * MiB,
    central_edram_bytes=4 * MiB,
    nbin_bytes=16 * KiB,
    nbout_bytes=16 * KiB,
    link_bytes_per_s=6.4 * GB,
    link_latency_s=80 * ns,
    central_w=1.80,
    tiles_w=6.15,
    links_w=8.01,
    wires_w=0.01,
    node_area_m2=67.73 * mm2,
)

_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_MEMORY = "recalled from the paper's layout table, not read there yet"
SOURCES: dict[str, tuple[Mark, str]] = {
    "nodes": ("modelled", f"a choice; the paper shows 1 to 64 nodes: {_REVIEW}"),
    "tiles": ("published", f"16 tiles a node: {_REVIEW}"),
    "inputs": ("published", f"NFU of 16 x 16: {_REVIEW}"),
    "outputs": ("published", f"NFU of 16 x 16: {_REVIEW}"),
    "interpolators": ("published", f"288 multipliers and 288 adders a tile make 5.58 TOPS: {_REVIEW}"),
    "bits": ("published", f"16-bit inputs, 32 bits for training: {_REVIEW}"),
    "clock_hz": ("published", "606 MHz in 28 nm: EIE, ISCA 2016, comparison of platforms"),
    "tile_edram_bytes": ("published", f"2 MB a tile, four banks of 1024 rows of 4096 bits: {_REVIEW}"),
    "central_edram_bytes": ("published", f"4 MB, one bank for inputs, one for outputs: {_REVIEW}"),
    "nbin_bytes": ("published", f"16 KB SRAM a tile: {_REVIEW}"),
    "nbout_bytes": ("published", f"16 KB SRAM a tile: {_REVIEW}"),
    "link_bytes_per_s": ("published", f"HyperTransport 2.0, 6.4 GB/s a direction: {_REVIEW}"),
    "link_latency_s": ("published", f"80 ns: {_REVIEW}"),
    "central_w": ("unverified", f"central block: {_MEMORY}"),
    "tiles_w": ("unverified", f"16 tiles: {_MEMORY}"),
    "links_w": ("unverified", f"HyperTransport: {_MEMORY}"),
    "wires_w": ("unverified", f"wires: {_MEMORY}; the four parts sum to the published 15.97 W"),
    "node_area_m2": ("published", "67.7 mm2: EIE, ISCA 2016, comparison of platforms; 67.73 in reviews"),
}

# what a test holds the model to: (figure, relative tolerance)
PUBLISHED = {"peak_ops_per_s": (5.58e12, 0.002), "node_w": (15.97, 0.001), "edram_bytes": (36 * MiB, 0.0)}
