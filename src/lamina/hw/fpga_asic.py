"""One design as an FPGA and as an ASIC of one node; left out: static power, engineering of either, time to market.

    clock x 3.4 to 4.6, area / 18 (with multipliers and memories that the FPGA has hard) to 35 (logic alone),
    energy of an operation / 7.1 to 14 (`components/lookup_table.py`: means over many circuits)

    dollars a piece at volume v = unit + one-time / v        they cross at v = one-time / (FPGA's unit - ASIC's unit)

The FPGA's one-time cost is taken as none. Its unit price is either the vendor's, handed in, or the silicon that the
design takes of it times the vendor's mark-up.

Source    Kuon, Rose, IEEE TCAD 26(2), 2007, p. 203-215, https://doi.org/10.1109/TCAD.2006.884574
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from lamina.core.errors import BadInput
from lamina.hw.components import arithmetic, lookup_table, scaling, silicon_price, sram

ROWS = ("H22",)
Fabric = Literal["hard_blocks", "logic"]
MARK_UP = 3.0  # assumed: an FPGA's price over its silicon's, a gross margin of two thirds


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """Dollars a piece at one volume."""

    volume: float
    fpga: float
    asic: float


def as_asic(
    *,
    clock_hz: float,
    power_w: float,
    fabric: Fabric = "hard_blocks",
    delay_ratio: float = lookup_table.DELAY_RATIO[0],
) -> tuple[float, float]:
    """Clock in hertz and power in watts of an FPGA's design in standard cells, run as fast as they allow.

    Power is energy an operation times the clock; raises `BadInput` for a figure that is not positive.
    """
    for name, value in (("clock_hz", clock_hz), ("power_w", power_w), ("delay_ratio", delay_ratio)):
        _positive(name, value)
    return clock_hz * delay_ratio, power_w / lookup_table.ENERGY_RATIO[fabric] * delay_ratio


def engine_area_m2(*, multipliers: int, memory_bits: int, node_m: float) -> float:
    """Square metres of a float32 engine in standard cells at `node_m`: multiply-accumulators and their memory."""
    there = scaling.area(arithmetic.NODE_M, node_m)
    return (multipliers * arithmetic.float_mac_area_m2(32) + sram.area_m2(memory_bits / 8)) * there


def fpga_unit_dollars(asic_area_m2: float, node_m: float, *, fabric: Fabric = "hard_blocks") -> float:
    """What the part of an FPGA costs that holds a design of `asic_area_m2` square metres in standard cells."""
    return MARK_UP * silicon_price.chip_dollars(asic_area_m2 * lookup_table.AREA_RATIO[fabric], node_m)


def crossover(*, fpga_dollars: float, asic_dollars: float, one_time_dollars: float) -> float:
    """Pieces from which the ASIC is cheaper; infinity where its piece costs no less than the FPGA."""
    for name, value in (("fpga_dollars", fpga_dollars), ("asic_dollars", asic_dollars)):
        _positive(name, value)
    if not 0 <= one_time_dollars < inf:
        raise BadInput(f"one_time_dollars is {one_time_dollars}: 0 or more is needed")
    return one_time_dollars / (fpga_dollars - asic_dollars) if fpga_dollars > asic_dollars else inf


def curve(
    volumes: Sequence[float], *, fpga_dollars: float, asic_dollars: float, one_time_dollars: float
) -> list[Point]:
    """Dollars a piece of both at each volume: what a plot draws."""
    for volume in volumes:
        _positive("volume", volume)
    return [Point(volume=v, fpga=fpga_dollars, asic=asic_dollars + one_time_dollars / v) for v in volumes]


def _positive(name: str, value: float) -> None:
    if not 0 < value < inf:
        raise BadInput(f"{name} is {value}: a positive number is needed")
