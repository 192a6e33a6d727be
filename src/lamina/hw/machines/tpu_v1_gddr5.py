"""TPU', the TPU v1 that its paper wished for: the same chip on GDDR5 weight memory, more than five times as fast.

The paper prints the ridge, 250 multiply-accumulates a byte; the bandwidth follows from it. Power is the TPU's, and a
quarter of what GDDR5 adds to the budget of a server of four (861 to about 900 W).
"""

from dataclasses import replace

from lamina.core.units import GB
from lamina.hw.cost import Mark
from lamina.hw.machines import tpu_v1

ROWS = ("H11",)
PAPER = "Jouppi et al., ISCA 2017, section 7, https://doi.org/10.1145/3079856.3080246"

_MEMORY_W = (900 - 861) / 4
PARAMETERS = replace(
    tpu_v1.PARAMETERS,
    dram_bytes_per_s=34 * GB * 1350 / 250,
    dram="gddr5",
    idle_w=tpu_v1.PARAMETERS.idle_w + _MEMORY_W,
    busy_w=tpu_v1.PARAMETERS.busy_w + _MEMORY_W,
    chip_area_m2=1.1 * tpu_v1.PARAMETERS.chip_area_m2,
)

_PAPER = "Jouppi et al., ISCA 2017, section 7"
SOURCES: dict[str, tuple[Mark, str]] = {
    **tpu_v1.SOURCES,
    "dram_bytes_per_s": ("published", f"the ridge moves from 1350 to 250: {_PAPER}"),
    "dram": ("published", f"GDDR5 as in the K80: {_PAPER}"),
    "idle_w": ("unverified", f"28 W and a quarter of (900 - 861) W of budget: {_PAPER}"),
    "busy_w": ("unverified", f"40 W and a quarter of (900 - 861) W of budget: {_PAPER}"),
    "chip_area_m2": ("published", f"two more memory channels add about 10 %: {_PAPER}"),
}

PUBLISHED = {"ridge_macs_per_byte": (250, 0.001), "peak_ops_per_s": (92e12, 0.005)}
