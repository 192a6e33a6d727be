"""PuDianNao: peak, instructions of the k-means example, bandwidth saved by tiling, its phases beside the K20M's.

The GPU runs each phase in 32-bit words by its data sheet; means over the thirteen phases are geometric.
"""

from lamina.hw import registry
from lamina.hw.cost import Cost, total
from lamina.hw.families.machine_learning_unit import saved_share, tilings
from lamina.hw.machine import Machine
from lamina.hw.workloads import pudiannao_phases as workload
from lamina.recipes._reproduction import Reproduction, geometric_mean

_ABSTRACT = "Liu et al., ASPLOS 2015, abstract"
_REVIEW = "Liu et al., ASPLOS 2015, by a public review of the group's five papers"


def totals(machine: Machine, bits: int) -> dict[str, Cost]:
    """The cost of each phase on `machine`, words of `bits`."""
    return {
        name: total(machine.family.cost(layers, machine.parameters))
        for name, layers in workload.pudiannao_phases(bits=bits).items()
    }


def figures() -> list[Reproduction]:
    """Every figure of the chip and of its comparison."""
    chip = registry.find("pudiannao")
    p = chip.parameters
    cold, hot, features = (workload.MEANS[key] for key in ("instances", "centroids", "features"))
    block = next(t for t in tilings(cold, hot, features, p) if t.order == "hot_stays")
    ours, gpu = totals(chip, 16), totals(registry.find("k20m"), 32)
    speed = geometric_mean([(gpu[n].latency_s or 0.0) / (c.latency_s or 1.0) for n, c in ours.items()])
    energy = geometric_mean([(gpu[n].energy_j or 0.0) / (c.energy_j or 1.0) for n, c in ours.items()])
    alone = geometric_mean(
        [(gpu[n].energy_j or 0.0) / ((c.energy_by_component_j or {})["chip"]) for n, c in ours.items()]
    )

    def figure(
        name: str, title: str, unit: str, published: float, found: float, source: str, reason: str = ""
    ) -> Reproduction:
        return Reproduction(
            row="H8", machine="pudiannao", name=name, title=title, unit=unit, published=published, ours=found,
            mark="published", source=source, reason=reason,
        )  # fmt: skip

    return [
        figure("ops_per_cycle", "operations a cycle: 16 x (49 adders + 17 multipliers)", "", 1056, p.ops_per_cycle,
               _REVIEW),
        figure("k_means_instructions", "instructions of k-means, 65,536 instances, 1024 centroids", "", 8 * 256,
               block.instructions(cold, hot, features), _REVIEW),
        figure("k_nn_saved", "bandwidth of k-NN saved by tiling, MNIST (assumed)", "", 0.939,
               saved_share(workload.TESTS, workload.MNIST, workload.PIXELS, p),
               "Liu et al., ASPLOS 2015, by a second public review"),
        figure("speed_k20m", "speed over the K20M, thirteen phases of assumed sizes", "x", 1.20, speed, _ABSTRACT,
               "our GPU reaches its peak in every product, 6.7 times the chip's, which the paper's GPU does not"),
        figure("energy_k20m", "the K20M's energy over ours, the same phases", "x", 128.41, energy, _ABSTRACT,
               f"DRAM takes most of our energy; of the chip alone, as 596 mW suggests, it would be {alone:.0f} times"),
    ]  # fmt: skip
