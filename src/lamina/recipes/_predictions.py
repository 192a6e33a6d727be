"""What the models say where docs/reproduced.md has no published figure: written down before anyone compares.

Each table is computed from the machines as they are registered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lamina.hw import registry
from lamina.hw.families import output_mesh, row_stationary, tiled_engine
from lamina.hw.workloads import alexnet, eyeriss_layers
from lamina.hw.workloads.shidiannao_networks import NETWORKS
from lamina.hw.workloads.tpu_applications import APPLICATIONS
from lamina.recipes._reproduced import eyeriss, shidiannao, tpu_v1, zhang_fpga15


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One table: what is predicted, its columns, its rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def predictions() -> list[Prediction]:
    """All tables."""
    return [_vgg16(), _shidiannao(), _tpu(), _zhang()]


def _vgg16() -> Prediction:
    machine = registry.find("eyeriss").parameters
    layers = eyeriss_layers.vgg16_layers()
    rows = []
    for layer, cost in zip(layers, row_stationary.cost(layers, machine), strict=True):
        watts, seconds, processing, glb, dram = eyeriss.measured([cost], machine)
        told = (watts * 1e3, seconds * 1e3, processing * 1e3, glb / 1e6, dram / 1e6)
        rows.append([layer.name, *(f"{value:.1f}" for value in told)])
    return Prediction(
        title="Eyeriss: VGG-16, batch 3, zeros of AlexNet's mean in every layer but the first",
        columns=("layer", "mW", "total ms", "processing ms", "buffer MB", "DRAM MB"),
        rows=rows,
    )


def _shidiannao() -> Prediction:
    machine = registry.find("shidiannao")
    p = machine.parameters
    rows = []
    for name, cost in shidiannao.totals(machine).items():
        convolutions = [layer for layer in NETWORKS[name]() if layer.operator == "conv2d"]
        busy = sum(layer.macs for layer in convolutions)
        cycles = sum(output_mesh.cycles(layer, p) for layer in convolutions)
        rows.append(
            [
                name,
                f"{cost.cycles:,}",
                f"{1e6 * (cost.latency_s or 0):.1f}",
                f"{cost.utilisation:.1%}",
                f"{busy / cycles / (p.rows * p.columns):.1%}",
            ]
        )
    return Prediction(
        title="ShiDianNao: its ten networks, one example",
        columns=("network", "cycles", "us", "utilisation of the mesh", "of the convolutions alone"),
        rows=rows,
    )


def _tpu() -> Prediction:
    machine = registry.find("tpu_v1").parameters
    rows = []
    for name in APPLICATIONS:
        found = tpu_v1.shares(name, machine)
        rows.append([name, *(f"{found[key]:.1f}" for key in ("tops", "active", "stall", "shift", "non_matrix"))])
    return Prediction(
        title="TPU v1: the six applications (shapes assumed as hw/workloads/tpu_applications.py says)",
        columns=("application", "TOPS", "active %", "weight stall %", "weight shift %", "non-matrix %"),
        rows=rows,
    )


def _zhang() -> Prediction:
    machine = registry.find("zhang_fpga15").parameters
    layers = alexnet.tower(bits=32)
    return Prediction(
        title="Zhang's engine: AlexNet, both towers one after the other",
        columns=("layer", "ms", "GFLOP/s"),
        rows=[
            [
                layer.name,
                f"{zhang_fpga15.TOWERS * 1e3 * (cost.latency_s or 0):.3f}",
                f"{2 * layer.macs / (cost.latency_s or 1) / 1e9:.2f}",
            ]
            for layer, cost in zip(layers, tiled_engine.cost(layers, machine), strict=True)
        ],
    )
