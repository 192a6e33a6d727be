"""Cambricon: its instructions, lengths of its printed programs, what instructions cost, speed and energy beside a GPU.

The printed programs are compiled again from networks of `ir`; instructions that only bring sizes and addresses into
registers (SMOVE of a number) are left out, as the paper leaves them out. Code density is in `cambricon_density`.

    latency overhead   cycles of programs / cycles of the same loads, copies, products, stores under an ideal controller

DaDianNao, re-implemented with the same units, is such a controller; it runs three of the ten networks. Speed, energy:
the ten networks layer by layer, geometric means.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from lamina.emulation.cambricon import networks
from lamina.emulation.cambricon.compiler import compile_network
from lamina.emulation.cambricon.isa import TABLE
from lamina.emulation.cambricon.networks._parts import Parts
from lamina.hw import registry, table
from lamina.hw.families import _vector_matrix_program as programs
from lamina.hw.families import _vector_matrix_time as time
from lamina.hw.families.vector_matrix import cycles
from lamina.ir.layer import Layer
from lamina.ir.network import Network
from lamina.recipes._reproduction import Reproduction, geometric_mean

MACHINE = "cambricon_like"
GPU = "k40m"
DADIANNAO = ("mlp", "lenet5", "rbm")  # which of the ten it runs: three, says the paper; which, recalled
SOURCE = "Liu et al., ISCA 2016"
PRINTED = f"{SOURCE}, the program fragments, as a public review of the group's five papers prints them"


@lru_cache(maxsize=1)
def ten() -> dict[str, tuple[Layer, ...]]:
    """The layers of the ten networks of the paper."""
    names = [m.name for m in pkgutil.iter_modules(networks.__path__) if not m.name.startswith("_")]
    return {n: tuple(importlib.import_module(f"{networks.__name__}.{n}").network().layers()) for n in names}


def perceptron() -> Network:
    """sigmoid(W x + b), the first printed program."""
    p = Parts(seed=0)
    return p.finish("perceptron", y=p.apply("sigmoid", p.layer("layer", p.input("x", 1, 64), 150)))


def pooling() -> Network:
    """The largest of one window of maps, the second."""
    p = Parts(seed=0)
    x = p.input("x", 1, 8, 2, 2)
    return p.finish("pooling", y=p.b.emit("max_pool2d", [x], kernel=(2, 2), stride=(2, 2)))


def boltzmann() -> Network:
    """h = 1 where sigmoid(W v + L h + b) > r, the third."""
    p = Parts(seed=0)
    v, h = p.input("v", 1, 60), p.input("h", 1, 50)
    sums = p.add(p.times(v, p.normal("w", 50, 60)), p.times(h, p.normal("l", 50, 50)))
    odds = p.apply("sigmoid", p.add(sums, p.normal("b", 50)))
    return p.finish("boltzmann", h=p.choose("greater", odds, p.drawn((1, 50))))


def length(network: Network) -> int:
    """Instructions of the compiled program without those that put a number into a register for later ones."""
    program = compile_network(network, registry.find(MACHINE).parameters).program
    return sum(word.name != "SMOVE" for word in program)


def overhead() -> float:
    """Cycles of programs over cycles under an ideal controller, mean of the networks that DaDianNao runs."""
    machine = registry.find(MACHINE).parameters
    ratios = []
    for name in DADIANNAO:
        told = [layer for layer in ten()[name] if programs.program(layer, machine) is not None]
        ideal = sum(ideal_cycles(layer) for layer in told)
        ratios.append(sum(cycles(layer, machine) for layer in told) / ideal)
    return geometric_mean(ratios)


def ideal_cycles(layer: Layer) -> int:
    """Cycles of `layer` where loads, copies, products and stores come one a cycle, with no scalars to wait for."""
    machine = registry.find(MACHINE).parameters
    program = programs.program(layer, machine)
    assert program is not None
    return time.cycles(_without_scalars(program), machine.issue_queue, machine.reorder_buffer, machine.memory_queue)


def _without_scalars(items: Sequence[time.Op | time.Loop]) -> tuple[time.Op | time.Loop, ...]:
    kept: list[time.Op | time.Loop] = []
    for item in items:
        if isinstance(item, time.Loop):
            kept.append(time.Loop(item.count, _without_scalars(item.body)))
        elif item.engine is not None:
            kept.append(replace(item, reads=(), row=None))
    return tuple(kept)


def beside_the_gpu() -> tuple[float, float]:
    """Time and energy of the GPU over ours, geometric means of the ten."""
    ours, gpu = registry.find(MACHINE), registry.find(GPU)
    speed, energy = [], []
    for layers in ten().values():
        here, there = (table.on_machine(list(layers), m).total for m in (ours, gpu))
        speed.append((there.latency_s or 0.0) / (here.latency_s or 1.0))
        energy.append((there.energy_j or 0.0) / (here.energy_j or 1.0))
    return geometric_mean(speed), geometric_mean(energy)


def figures() -> list[Reproduction]:
    """Every figure of the paper that the compiler or the model gives."""
    speed, energy = beside_the_gpu()

    def figure(
        name: str,
        title: str,
        unit: str,
        published: float,
        found: float,
        source: str,
        reason: str = "",
        fitted: str = "",
    ) -> Reproduction:
        return Reproduction(
            row="H10", machine=MACHINE, name=name, title=title, unit=unit, published=published, ours=found,
            mark="unverified" if "recalled" in source else "published", source=source, reason=reason, fitted=fitted,
        )  # fmt: skip

    recalled = f"{SOURCE} (recalled, unverified)"
    return [
        figure(
            "instructions", "instructions of the architecture", "", 43, len(TABLE), recalled,
            fitted="of 45 recalled names two were left out so that the count holds",
        ),
        figure("perceptron_program", "instructions of a perceptron's layer", "", 8, length(perceptron()), PRINTED),
        figure("pooling_program", "instructions of max pooling, one window", "", 9, length(pooling()), PRINTED, _POOL),
        figure("boltzmann_program", "instructions of a Boltzmann layer", "", 14, length(boltzmann()), PRINTED),
        figure(
            "latency_overhead", "latency over an ideal controller (DaDianNao re-implemented)", "", 1.045, overhead(),
            f"{SOURCE}, abstract", _OVERHEAD,
        ),
        figure("gpu_speed", "speed beside a K40M, mean of ten networks", "", 3.09, speed, recalled, _SPEED),
        figure("gpu_energy", "energy of a K40M over ours, mean of ten networks", "", 130.53, energy, recalled, _ENERGY),
    ]  # fmt: skip


_POOL = "three of ours step on to the next window and row, which the printed fragment of one window does not"
_OVERHEAD = (
    "convolutions: our compiler copies each window row by row in loops, one instruction a cycle; perceptrons: 1.00"
)
_SPEED = "the GPU is a roofline without starts of kernels, which take most of its time on networks this small"
_ENERGY = "the GPU's time lacks the starts of kernels, and our DRAM traffic, weights of each layer anew, is counted"
