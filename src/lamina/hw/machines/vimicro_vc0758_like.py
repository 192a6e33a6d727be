"""Vimicro VC0758 by its public figures: a data-driven NPU in a camera's chip, 128 multiply-accumulates a cycle.

The vendor's page says 76 GOP/s and 128 multiply-accumulates a cycle: 297 MHz, and 38 G multiply-accumulates a second,
which is the 38 GOP/s of other texts. Queues, buffer and bandwidth are assumed.
"""

from lamina.core.units import GB, KiB, mW
from lamina.hw.cost import Mark
from lamina.hw.families.data_flow import DataFlow

ROWS = ("H12",)
PAPER = (
    "Vimicro, VC0758, 2016, http://www.vimicro.com/english/product/specialtopic_npu.htm; reported at "
    "https://atomicsupermen.wordpress.com/2016/06/22/china-has-an-npu-chip/"
)

PARAMETERS = DataFlow(
    cores=4,
    units=32,
    bits=16,
    queue_tokens=4,
    round_trip_cycles=4,
    input_words_per_cycle=1.0,
    weight_words_per_cycle=8.0,
    output_words_per_cycle=1.0,
    buffer_bytes=128 * KiB,
    clock_hz=76e9 / (2 * 128),
    dram_bytes_per_s=3.2 * GB,
    power_w=400 * mW,
)

_PAGE = "Vimicro's page of the VC0758"
SOURCES: dict[str, tuple[Mark, str]] = {
    "cores": ("unverified", "four NPU cores, recalled"),
    "units": ("published", f"{_PAGE}: 128 multiply-accumulates a cycle, over four cores"),
    "bits": ("assumed", "16-bit tokens"),
    "queue_tokens": ("assumed", "as much room as a round trip takes"),
    "round_trip_cycles": ("assumed", "four stages"),
    "input_words_per_cycle": ("assumed", "one word a cycle and core"),
    "weight_words_per_cycle": ("assumed", "128 bits a cycle and core"),
    "output_words_per_cycle": ("assumed", "one word a cycle and core"),
    "buffer_bytes": ("assumed", "a round figure"),
    "clock_hz": ("modelled", f"{_PAGE}: 76 GOP/s over two operations and 128 units"),
    "dram_bytes_per_s": ("assumed", "one 16-bit channel of DDR3-1600"),
    "power_w": ("unverified", "400 mW, recalled"),
}
# the 38 GOP/s of other texts (recalled): multiply-accumulates
PUBLISHED = {"macs_per_s": (38e9, 0.001)}
