"""Zhang's FPGA engine: AlexNet's convolutions layer by layer, what it takes of the device, its tile by a sweep."""

from dataclasses import replace

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families import tiled_engine
from lamina.hw.families.tiled_engine import TiledEngine
from lamina.hw.workloads import alexnet
from lamina.recipes._reproduction import Reproduction

_SOURCE = "Zhang et al., FPGA 2015 (recalled, unverified)"
LATENCY_S = {"conv1": 7.67e-3, "conv2": 5.35e-3, "conv3": 3.79e-3}
TOTAL_S, OPS_PER_S, DSPS, BRAMS, TILE = 21.61e-3, 61.62e9, 2240, 1024, (64, 7)
TOWERS = 2  # one after the other


def best_tile(machine: TiledEngine) -> tuple[int, int]:
    """(Tm, Tn) of the least latency on AlexNet's convolutions of all that the device holds; of equals the smaller."""
    layers = alexnet.tower(bits=machine.bits)
    found = []
    for outputs in range(1, 129):  # the most that any layer but conv3 and conv4 has
        for inputs in range(1, 129):
            try:
                tried = replace(machine, outputs=outputs, inputs=inputs)
            except BadInput:
                break  # more inputs take more DSPs
            if not any(tiled_engine.refusal(layer, tried) for layer in layers):
                latency_s = sum(c.latency_s or 0.0 for c in tiled_engine.cost(layers, tried))
                found.append((latency_s, tried.dsps_used, outputs, inputs))
    _, _, outputs, inputs = min(found)
    return outputs, inputs


def figures() -> list[Reproduction]:
    """Latency of each layer and in all, throughput, resources, the tile."""
    machine = registry.find("zhang_fpga15").parameters
    layers = alexnet.tower(bits=32)
    rows = {c.name: TOWERS * (c.latency_s or 0.0) for c in tiled_engine.cost(layers, machine)}
    total_s = sum(rows.values())
    operations = 2 * TOWERS * sum(layer.macs for layer in layers)
    brams = max(tiled_engine.brams_used(layer, machine) for layer in layers)
    outputs, inputs = best_tile(machine)

    def figure(name: str, title: str, unit: str, published: float, ours: float, reason: str = "") -> Reproduction:
        return Reproduction(
            row="H3", machine="zhang_fpga15", name=name, title=title, unit=unit, published=published, ours=ours,
            mark="unverified", source=_SOURCE, reason=reason,
        )  # fmt: skip

    return [
        *(figure(f"{n}_s", f"AlexNet {n}, latency", "s", seconds, rows[n]) for n, seconds in LATENCY_S.items()),
        figure("convolutions_s", "AlexNet's five convolutions, latency", "s", TOTAL_S, total_s),
        figure("ops_per_s", "operations a second over them", "op/s", OPS_PER_S, operations / total_s),
        figure("brams", "block RAMs of 18 Kibit", "", BRAMS, brams),
        figure("tile_outputs", "Tm that the sweep finds", "", TILE[0], outputs),
        figure("tile_inputs", "Tn that the sweep finds", "", TILE[1], inputs),
    ]
