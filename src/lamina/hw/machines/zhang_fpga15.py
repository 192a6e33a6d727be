"""Zhang's engine on a Virtex-7 VX485T: 64 x 7 float32 multiply-adders at 100 MHz, found by its design-space sweep.

The pipeline's depth follows from the paper's cycle counts as recalled: 80,132 = 52 (13 x 13 x 9 + 20) and three others.
"""

from lamina.core.units import GB, MHz
from lamina.hw.cost import Mark
from lamina.hw.families.tiled_engine import TiledEngine

ROWS = ("H3",)
PAPER = "Zhang et al., FPGA 2015, https://doi.org/10.1145/2684746.2689060"

PARAMETERS = TiledEngine(
    outputs=64,
    inputs=7,
    rows=13,
    columns=13,
    bits=32,
    pipeline_cycles=20,
    dsps=2800,
    dsps_per_mac=5,
    brams=2060,
    usable_share=0.8,
    clock_hz=100 * MHz,
    dram_bytes_per_s=4.5 * GB,
    power_w=18.6,
)

_MEMORY = "recalled from the paper's body, not read there yet"
SOURCES: dict[str, tuple[Mark, str]] = {
    "outputs": ("unverified", f"Tm = 64: {_MEMORY}; a public model of the design has the same"),
    "inputs": ("unverified", f"Tn = 7: {_MEMORY}; a public model of the design has the same"),
    "rows": ("unverified", "Tr = 13: a public model of the design"),
    "columns": ("unverified", "Tc = 13: a public model of the design"),
    "bits": ("unverified", f"float32: {_MEMORY}"),
    "pipeline_cycles": (
        "unverified",
        f"what is left of four recalled cycle counts after p q r s, the same 20: {_MEMORY}",
    ),
    "dsps": ("published", "Xilinx DS180: XC7VX485T has 2,800 DSP slices"),
    "dsps_per_mac": ("unverified", f"a float32 multiplier takes 3 DSPs, an adder 2: {_MEMORY}; 2,240 used are 448 x 5"),
    "brams": ("published", "Xilinx DS180: XC7VX485T has 2,060 block RAMs of 18 Kibit"),
    "usable_share": ("unverified", "2,240 of 2,800 DSPs used are exactly 80 %, the rule of thumb for routing"),
    "clock_hz": ("unverified", f"100 MHz: {_MEMORY}"),
    "dram_bytes_per_s": ("unverified", f"4.5 GB/s of the VC707's port: {_MEMORY}"),
    "power_w": ("unverified", f"18.6 W of the board: {_MEMORY}; a public model of the design has 18.61"),
}
PUBLISHED = {"dsps_used": (2240, 0.0), "power_w": (18.61, 0.001)}
