"""Zhang's engine as it would be in standard cells of the FPGA's own 28 nm: the same tiles, a faster clock, less energy.

Clock and power follow from the FPGA's by the mean ratios of `hw/fpga_asic.py`; memory stays as it is, so a layer that
waits for it gains nothing. Nobody built it.
"""

from dataclasses import replace

from lamina.hw.components import lookup_table
from lamina.hw.cost import Mark
from lamina.hw.fpga_asic import as_asic
from lamina.hw.machines import zhang_fpga15 as fpga

ROWS = ("H22",)
PAPER = "Kuon, Rose, IEEE TCAD 26(2), 2007, p. 203-215, https://doi.org/10.1109/TCAD.2006.884574"

_SAME = fpga.PARAMETERS
_CLOCK_HZ, _POWER_W = as_asic(clock_hz=_SAME.clock_hz, power_w=_SAME.power_w)
PARAMETERS = replace(_SAME, clock_hz=_CLOCK_HZ, power_w=_POWER_W)

SOURCES: dict[str, tuple[Mark, str]] = fpga.SOURCES | {
    "clock_hz": (
        "assumed",
        f"the FPGA's 100 MHz x {lookup_table.DELAY_RATIO[0]}, the mean of many circuits (Kuon and Rose)",
    ),
    "power_w": (
        "assumed",
        f"the FPGA board's 18.6 W / {lookup_table.ENERGY_RATIO['hard_blocks']} an operation, at the faster clock",
    ),
}
PUBLISHED: dict[str, tuple[float, float]] = {}
