"""Roofline: time from arithmetic and bytes alone; left out: latencies, caches below the last, starting threads.

    t = max(2 MACs / peak, bytes / bandwidth) + call

The bandwidth is the last cache's where the network fits into it, else DRAM's; every tensor moves once a layer.

Energy and area are None: a processor that is measured from inside cannot tell them. MACs of every word length run at
the float32 peak, which integers may exceed where the processor has instructions for them.

Paper     Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.ir.layer import Layer

USES = {
    "latency_s": ("peak_ops_per_s", "dram_bytes_per_s", "cache_bytes_per_s", "cache_bytes", "call_s"),
    "dram_bytes": ("cache_bytes",),
    "utilisation": ("peak_ops_per_s",),
}
COMPONENTS = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Roofline:
    peak_ops_per_s: float  # float32 multiplications and additions
    dram_bytes_per_s: float
    cache_bytes_per_s: float  # of the last-level cache
    cache_bytes: float  # its size
    call_s: float  # of one operation, by whoever runs the network

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < float("inf") or (value == 0 and field.name != "call_s"):
                raise BadInput(f"roofline: {field.name} is {value}, a positive number is needed")


def refusal(layer: Layer, machine: Roofline) -> None:
    """None: a processor runs everything."""


def cost(layers: Sequence[Layer], machine: Roofline) -> list[Cost]:
    """One `Cost` per layer."""
    weights = sum(layer.weight_bytes for layer in layers)
    largest = max((layer.input_bytes + layer.output_bytes for layer in layers), default=0)
    cached = weights + largest <= machine.cache_bytes
    return each(layers, lambda layer: _layer(layer, machine, cached=cached))


def _layer(layer: Layer, machine: Roofline, *, cached: bool) -> Cost:
    moved = ceil(layer.weight_bytes + layer.input_bytes + layer.output_bytes)
    compute_s = (2 * layer.macs or layer.ops) / machine.peak_ops_per_s
    memory_s = moved / (machine.cache_bytes_per_s if cached else machine.dram_bytes_per_s)
    latency_s = max(compute_s, memory_s) + machine.call_s
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=None,
        latency_s=latency_s,
        dram_bytes=0 if cached else moved,
        utilisation=min(1.0, 2 * layer.macs / (latency_s * machine.peak_ops_per_s)) if layer.macs else None,  # rounding
        bound="compute" if compute_s >= memory_s else "memory",
        energy_by_component_j=None,
        bytes_by_level={"dram": 0 if cached else moved, "cache": moved},
    )


def area_m2(machine: Roofline) -> None:
    """None: nobody tells."""
