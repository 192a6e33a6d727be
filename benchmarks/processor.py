"""The roofline `cpu` beside this processor: predicted and measured time of real layers.

    python benchmarks/processor.py [THREADS]       one thread (`cpu`) unless said, or all (`cpu_all_cores`)
    writes benchmarks/results/processor_PROCESSOR_DATE.json and .md

Each layer runs in torch in float32, its weights and inputs warm or cold as a network would find them: the network's
layers one after the other, so that what the last cache cannot hold comes from DRAM. A time is the best of many rounds,
as the roofline's own are, which is measured anew at the start; nothing is fitted, the ratio is measured over predicted.
A large batch shows the peak, batch 1 of fully connected layers the bandwidth, small layers the call. On a busy computer
the ratios mean little.
"""

import sys
import time
from collections.abc import Callable

import torch
from _record import record
from torch.nn import functional as F

from lamina.hw import measure
from lamina.hw.cost import total
from lamina.hw.families import roofline
from lamina.hw.workloads import alexnet, vgg16
from lamina.hw.workloads._shapes import conv, dense
from lamina.ir.layer import Layer

ROUNDS = 7
NETWORKS: dict[str, list[Layer]] = {
    "AlexNet convolutions, batch 1": alexnet.convolutions(bits=32),
    "AlexNet convolutions, batch 16": alexnet.convolutions(batch=16, bits=32),
    "AlexNet fully connected, batch 1": alexnet.fully_connected(bits=32),
    "AlexNet fully connected, batch 64": alexnet.fully_connected(batch=64, bits=32),
    "VGG-16 convolutions, batch 1": vgg16.convolutions(bits=32),
    "small convolutions, batch 1": [
        conv("conv1", 1, 6, 28, 5, padding=2, bits=32),
        conv("conv2", 6, 16, 14, 5, bits=32),
    ],
    "small fully connected, batch 1": [
        dense(400, 120, bits=32, name="fc1"),
        dense(120, 84, bits=32, name="fc2"),
        dense(84, 10, bits=32, name="fc3"),
    ],
}


def callable_of(layer: Layer) -> Callable[[], torch.Tensor]:
    """The layer as a call of torch on tensors of its sizes."""
    if layer.operator == "linear":
        weight, x = torch.randn(layer.k, layer.c), torch.randn(layer.n, layer.c)
        return lambda: F.linear(x, weight)
    height, width = layer.input_size
    x = torch.randn(layer.n, layer.groups * layer.c, height, width)
    weight = torch.randn(layer.groups * layer.k, layer.c, layer.r, layer.s)
    bias = torch.randn(layer.groups * layer.k)
    return lambda: F.conv2d(x, weight, bias, stride=layer.stride, padding=layer.padding[0], groups=layer.groups)


def measured(layers: list[Layer], threads: int) -> list[float]:
    """Least seconds of each layer while the network runs again and again."""
    torch.set_num_threads(threads)
    calls = [callable_of(layer) for layer in layers]
    times: list[list[float]] = [[] for _ in layers]
    with torch.inference_mode():
        for round_ in range(ROUNDS + 2):
            for index, call in enumerate(calls):
                start = time.perf_counter()
                call()
                if round_ >= 2:
                    times[index].append(time.perf_counter() - start)
    return [min(t) for t in times]


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    roof = measure.measure(threads)
    machine = roofline.Roofline(**roof.parameters)
    lines = [
        "| layers | measured | predicted | measured / predicted | slowest and fastest layer |",
        "|---|---|---|---|---|",
    ]
    found = []
    for name, layers in NETWORKS.items():
        seconds = measured(layers, threads)
        costs = roofline.cost(layers, machine)
        predicted = float(total(costs).latency_s or 0)
        ratios = {c.name: s / float(c.latency_s or 0) for c, s in zip(costs, seconds, strict=True)}
        worst, best = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
        lines.append(
            f"| {name} | {sum(seconds) * 1e3:.3f} ms | {predicted * 1e3:.3f} ms | {sum(seconds) / predicted:.2f} | "
            f"{worst} {ratios[worst]:.2f}, {best} {ratios[best]:.2f} |"
        )
        found.append({"layers": name, "measured_s": sum(seconds), "predicted_s": predicted, "ratios": ratios})
    head = f"# The roofline beside the processor\n\n`python benchmarks/processor.py {threads}`, float32.\n\n{roof}.\n\n"
    part = "" if threads == 1 else f"{threads}-threads"
    print(record("processor", {"rows": found, "roofline": roof.to_json()}, head, lines, part=part))


if __name__ == "__main__":
    main()
