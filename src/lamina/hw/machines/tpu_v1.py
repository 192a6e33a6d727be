"""TPU v1: 256 x 256 eight-bit multipliers at 700 MHz, fed from 34 GB/s of weight memory, 28 nm.

Its operations per byte are multiply-accumulates per byte of weights: the ridge is 1350, not 2700. The die is "at most
half of Haswell's 662 mm2": the area is that bound.
"""

from lamina.core.units import GB, MHz, MiB, mm2
from lamina.hw.cost import Mark
from lamina.hw.families.tpu import Tpu

ROWS = ("H11",)
PAPER = "Jouppi et al., ISCA 2017, https://doi.org/10.1145/3079856.3080246"

PARAMETERS = Tpu(
    rows=256,
    columns=256,
    clock_hz=700 * MHz,
    dram_bytes_per_s=34 * GB,
    dram="ddr3",
    fifo_tiles=4,
    accumulators=4096,
    unified_buffer_bytes=24 * MiB,
    link_bytes_per_s=14 * GB,
    idle_w=28.0,
    busy_w=40.0,
    chip_area_m2=331 * mm2,
)

_PAPER = "Jouppi et al., ISCA 2017"
SOURCES: dict[str, tuple[Mark, str]] = {
    "rows": ("published", f"256 x 256 multipliers: {_PAPER}, section 2"),
    "columns": ("published", f"256 x 256 multipliers: {_PAPER}, section 2"),
    "clock_hz": ("published", f"700 MHz: {_PAPER}, table 2"),
    "dram_bytes_per_s": ("published", f"34 GB/s: {_PAPER}, table 2"),
    "dram": ("published", f"DDR3 weight memory, 8 GiB: {_PAPER}, sections 2 and 7"),
    "fifo_tiles": ("published", f"the weight FIFO is four tiles deep: {_PAPER}, section 2"),
    "accumulators": ("published", f"4096 of 256 elements, halved for double buffering: {_PAPER}, section 2"),
    "unified_buffer_bytes": ("published", f"24 MiB: {_PAPER}, section 2"),
    "link_bytes_per_s": ("unverified", f"PCIe gen 3 x16, 12.5 to 14 GB/s recalled from figure 1 of {_PAPER}"),
    "idle_w": ("published", f"28 W measured, a die: {_PAPER}, table 2"),
    "busy_w": ("published", f"40 W measured, a die: {_PAPER}, table 2"),
    "chip_area_m2": ("published", f"at most half of Haswell's 662 mm2: {_PAPER}, table 2"),
}

# what a test holds the model to: (figure, relative tolerance)
PUBLISHED = {
    "peak_ops_per_s": (92e12, 0.005),
    "ridge_macs_per_byte": (1350, 0.001),
    "tile_bytes": (65536, 0.0),
    "accumulator_bytes": (4194304, 0.0),
}
