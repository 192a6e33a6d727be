"""ShiDianNao: peak, power, area and storage as sums of parts; time of a network; speed and energy beside two others.

The ten networks run with the tanh behind each layer that multiplies, as the chip's ALU computes it. DianNao and the
K20M run the same layers; means are geometric.
"""

from lamina.core.units import GHz, KiB, mm2, ms
from lamina.hw import registry
from lamina.hw.cost import Cost, total
from lamina.hw.families.output_mesh import neurons_read
from lamina.hw.machine import Machine
from lamina.hw.workloads.shidiannao_networks import NETWORKS, with_functions
from lamina.recipes._reproduction import Reproduction, geometric_mean

_ABSTRACT = "Du et al., ISCA 2015, abstract"
_REVIEW = "Du et al., ISCA 2015, by a public review of the group's five papers"
_RECALLED = "Du et al., ISCA 2015 (recalled, unverified)"


def totals(machine: Machine) -> dict[str, Cost]:
    """The cost of each of the ten networks on `machine`, one example."""
    return {
        name: total(machine.family.cost(with_functions(build()), machine.parameters))
        for name, build in NETWORKS.items()
    }


def storage_bytes(name: str) -> float:
    """Synapses, inputs and every result of a network in 16-bit words, before its functions."""
    layers = NETWORKS[name]()
    return 2 * (layers[0].inputs + sum(layer.weights + layer.outputs for layer in layers))


def figures() -> list[Reproduction]:
    """Every figure of the chip and of its comparisons."""
    chip = registry.find("shidiannao")
    p = chip.parameters
    ours, diannao, gpu = totals(chip), totals(registry.find("diannao")), totals(registry.find("k20m"))
    first = NETWORKS["lenet5"]()[0]
    shared, unshared = neurons_read(first, p), neurons_read(first, p, propagation=False)

    def speed(other: dict[str, Cost]) -> float:
        return geometric_mean([(other[n].latency_s or 0.0) / (c.latency_s or 1.0) for n, c in ours.items()])

    def energy(other: dict[str, Cost]) -> float:
        return geometric_mean([(other[n].energy_j or 0.0) / (c.energy_j or 1.0) for n, c in ours.items()])

    layers = sum(len(with_functions(build())) for build in NETWORKS.values())
    start_s = 28.94 * sum(c.latency_s or 0.0 for c in ours.values()) / layers

    def figure(
        name: str, title: str, unit: str, published: float, found: float, source: str = _RECALLED, reason: str = ""
    ) -> Reproduction:
        return Reproduction(
            row="H9", machine="shidiannao", name=name, title=title, unit=unit, published=published, ours=found,
            mark="unverified" if source == _RECALLED else "published", source=source, reason=reason,
        )  # fmt: skip

    return [
        figure("ops_per_s", "peak: 3 operations an element, 2 of the ALU", "op/s", 194 * GHz,
               p.ops_per_cycle * p.clock_hz, _REVIEW),
        figure("power_w", "power, sum of five units", "W", 0.320, p.power_w, _ABSTRACT),
        figure("area_m2", "area, sum of five units", "m2", 4.86 * mm2, p.chip_area_m2, _ABSTRACT),
        figure("sram_bytes", "SRAM, sum of four buffers", "B", 288 * KiB,
               p.nbin_bytes + p.nbout_bytes + p.sb_bytes + p.ib_bytes, _REVIEW),
        figure("lenet5_bytes", "storage of LeNet-5, the most of the ten", "B", 136.11 * KiB, storage_bytes("lenet5")),
        figure("conv_nn_s", "ConvNN, a region of 64 x 36 pixels", "s", 0.047 * ms, ours["conv_nn"].latency_s or 0.0),
        figure("saved_reads", "LeNet-5 C1, reads of NBin saved by the FIFOs", "", 0.7388, 1 - shared / unshared,
               reason="every neuron under a tile is read once here; how the paper counts its bandwidth is not known"),
        figure("speed_diannao", "speed over DianNao, ten networks", "x", 1.87, speed(diannao)),
        figure("energy_diannao", "DianNao's energy over ours, ten networks", "x", 63.48, energy(diannao),
               reason="DianNao's DRAM took about 10 W in the paper, by a memory model not known; here 1.95 nJ a 64-bit "
               "word, each tensor about once"),
        figure("speed_k20m", "speed over the K20M, ten networks", "x", 28.94, speed(gpu),
               reason=f"our GPU starts kernels in no time; the paper's takes {start_s * 1e6:.0f} us a layer"),
        figure("energy_k20m", "the K20M's energy over ours, ten networks", "x", 4688.13, energy(gpu),
               reason="as its speed: our GPU is busy for a small part of the chip's time, not for 29 times as long"),
    ]  # fmt: skip
