"""The processor of Zhang's FPGA'15 comparison on AlexNet's convolutions: plain C, one thread and sixteen.

The compiler made no vectors of it: the model is of scalar cores, a product and a sum a cycle, of all six at most.
"""

from lamina.hw import registry
from lamina.hw.workloads import alexnet
from lamina.recipes._reproduction import Reproduction

_SOURCE = "Zhang et al., FPGA 2015, table 7 (recalled, unverified): 17.42 and 4.8 times its engine's 21.61 ms"
ENGINE_S = 21.61e-3
SLOWER = {1: 17.42, 16: 4.8}  # threads -> times


def figures() -> list[Reproduction]:
    """Two times."""
    found = []
    for threads, times in SLOWER.items():
        cores = min(threads, 6)
        machine = registry.find(f"xeon_e5_2430:cores={cores},ops_per_cycle_32=2,ops_per_cycle_16=2,ops_per_cycle_8=2")
        costs = machine.family.cost(alexnet.convolutions(bits=32), machine.parameters)
        figure = Reproduction(
            row="H1",
            machine="xeon_e5_2430",
            name=f"alexnet_{threads}_threads_s",
            title=f"AlexNet's convolutions in plain C, {threads} thread{'s' * (threads > 1)}",
            unit="s",
            published=ENGINE_S * times,
            ours=sum(float(cost.latency_s) for cost in costs),
            mark="unverified",
            source=_SOURCE,
            reason="the roof of scalar cores: loads, index arithmetic and what cores lose to one another are left out",
        )
        found.append(figure)
    return found
