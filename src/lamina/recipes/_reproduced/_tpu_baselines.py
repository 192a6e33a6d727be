"""The TPU paper's processor and GPU on MLP0, inferences a second at two batches, beside the data sheet's roofline."""

from collections.abc import Mapping
from dataclasses import replace

from lamina.hw import registry
from lamina.hw.workloads import tpu_applications
from lamina.recipes._reproduction import Reproduction

_SOURCE = "Jouppi et al., ISCA 2017, table 4, as transcribed in a public data file"


def rows(machine: str, row: str, printed: Mapping[int, float], why: str) -> list[Reproduction]:
    """A figure for each batch of `printed` (batch -> inferences a second); `why` where one is far off."""
    found = registry.find(machine)
    figures = []
    for batch, per_second in printed.items():
        layers = [
            replace(layer, input_bits=32, weight_bits=32, output_bits=32)
            for layer in tpu_applications.mlp0(batch=batch)
        ]
        seconds = sum(cost.latency_s or 0.0 for cost in found.family.cost(layers, found.parameters))
        figure = Reproduction(
            row=row,
            machine=machine,
            name=f"mlp0_batch{batch}_per_s",
            title=f"MLP0 in float32, batch {batch}, inferences a second",
            unit="1/s",
            published=per_second,
            ours=batch / seconds,
            mark="published",
            source=_SOURCE,
            reason=why,
        )
        figures.append(replace(figure, reason="") if figure.within else figure)
    return figures
