"""EIE's processors on its nine layers, dense: microseconds a vector as printed, beside the roofline of the data sheet.

One file a machine gives its two rows; what they share is here. The roofline has no fitted constant: a ratio below one
is what the library left of the processor.
"""

from collections.abc import Mapping
from dataclasses import replace

from lamina.core.units import us
from lamina.hw import registry
from lamina.hw.workloads import eie_layers
from lamina.recipes._reproduction import Reproduction

_SOURCE = "Han et al., EIE, ISCA 2016, table IV, as transcribed in fodlam (rows re-assembled)"


def rows(machine: str, row: str, printed_us: Mapping[int, tuple[float, ...]], why: str) -> list[Reproduction]:
    """A figure for each layer and batch of `printed_us` (batch -> nine times); `why` where one is far off."""
    found = registry.find(machine)
    figures = []
    for batch, times in printed_us.items():
        costs = found.family.cost(eie_layers.nine(batch=batch), found.parameters)
        for printed, cost in zip(times, costs, strict=True):
            figure = Reproduction(
                row=row,
                machine=machine,
                name=f"{cost.name}_batch{batch}_s",
                title=f"{cost.name} in float32, batch {batch}, time a vector",
                unit="s",
                published=printed * us,
                ours=cost.latency_s / batch,
                mark="published",
                source=_SOURCE,
                reason=why,
            )
            figures.append(figure)
    return [replace(f, reason="") if f.within else f for f in figures]
