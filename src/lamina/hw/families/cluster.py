"""Cluster of processors: rooflines joined by links; left out: stragglers, contention, overlap of links and arithmetic.

    data split    each node runs its share of the batch; the first layer's inputs are scattered, the last one's results
                  gathered: (N - 1) / N of their bytes over one node's link
    model split   each node computes its share of the outputs of every layer; after each, all nodes get all results by a
                  ring: (N - 1) (latency + bytes / (N rate))
    all-reduce    sum of a tensor over all nodes, a ring: 2 (N - 1) (latency + bytes / (N rate)); what a training step
                  with data split adds for its gradients (`all_reduce_s`)

t = t(node, share) + t(link); a share is rounded up, so N nodes are at most N times faster, and no faster than the link.
Weights are on every node (data) or spread (model). Energy is the nodes' rated power for the whole time; switches cost
nothing.

Paper     Patarasuk, Yuan, "Bandwidth optimal all-reduce", JPDC 69(2), 2009, https://doi.org/10.1016/j.jpdc.2008.09.002
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, get_args

from lamina.core.errors import BadInput
from lamina.hw.cost import Cost, each
from lamina.hw.families.processor import traffic_bytes
from lamina.ir.layer import Layer

Split = Literal["data", "model"]
USES = {
    "latency_s": ("nodes", "node_ops_per_s", "node_cache_bytes", "node_dram_bytes_per_s", "link_bytes_per_s", "link_s"),
    "dram_bytes": ("nodes", "node_cache_bytes"),
    "utilisation": ("nodes", "node_ops_per_s", "node_dram_bytes_per_s", "link_bytes_per_s", "link_s"),
    "energy_j": ("nodes", "node_w", "node_ops_per_s", "node_dram_bytes_per_s", "link_bytes_per_s", "link_s"),
}
COMPONENTS = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    nodes: int = 2
    split: Split = "data"
    node_ops_per_s: float = 1e12  # float32 multiplications and additions of one node
    node_cache_bytes: float = 1e7
    node_dram_bytes_per_s: float = 1e11
    node_w: float | None = None  # None: not told
    link_bytes_per_s: float = 1.25e9  # of one node, each direction
    link_s: float = 0.0  # latency of one message

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= 10**6:
            raise BadInput(f"cluster: nodes is {self.nodes}, 1 to 1000000 are allowed")
        if self.split not in get_args(Split):
            raise BadInput(f"cluster: split {self.split!r} is not one of {', '.join(get_args(Split))}")
        for name in ("node_ops_per_s", "node_cache_bytes", "node_dram_bytes_per_s", "node_w", "link_bytes_per_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"cluster: {name} is {value}, a positive number is needed")
        if not 0 <= self.link_s < float("inf"):
            raise BadInput(f"cluster: link_s is {self.link_s}, 0 or more is needed")


def refusal(layer: Layer, machine: Cluster) -> None:
    """None: processors run everything."""


def share(layer: Layer, machine: Cluster) -> Layer:
    """What the busiest node runs of `layer`: of the batch, or of the output channels (the groups of a grouped one).

    Work of layers that do not multiply is cut like the batch, or like the channels.
    """
    if machine.split == "data":
        n = ceil(layer.n / machine.nodes)
        return replace(layer, n=n, ops=ceil(layer.ops * n / layer.n))
    if layer.groups > 1:
        groups = ceil(layer.groups / machine.nodes)
        return replace(layer, groups=groups, ops=ceil(layer.ops * groups / layer.groups))
    k = ceil(layer.k / machine.nodes)
    return replace(layer, k=k, ops=ceil(layer.ops * k / layer.k))


def all_reduce_s(size_bytes: float, machine: Cluster) -> float:
    """Seconds until every node has the sum of a tensor of `size_bytes` of each: a ring, twice round."""
    return 2 * all_gather_s(size_bytes, machine)


def all_gather_s(size_bytes: float, machine: Cluster) -> float:
    """Seconds until every node has all of a tensor of `size_bytes` of which each has its share: a ring, once round."""
    steps = machine.nodes - 1
    return steps * (machine.link_s + size_bytes / machine.nodes / machine.link_bytes_per_s)


def scatter_s(size_bytes: float, machine: Cluster) -> float:
    """Seconds until each node has its share of a tensor of `size_bytes` that one node has, or one has all shares."""
    if machine.nodes == 1:
        return 0.0
    return machine.link_s + size_bytes * (machine.nodes - 1) / machine.nodes / machine.link_bytes_per_s


def cost(layers: Sequence[Layer], machine: Cluster) -> list[Cost]:
    """One `Cost` per layer; what crosses the links belongs to the layer that it is an input or a result of."""
    count = len(layers)
    firsts, lasts = [i == 0 for i in range(count)], [i == count - 1 for i in range(count)]
    return each(layers, lambda layer, first, last: _layer(layer, machine, first=first, last=last), firsts, lasts)


def _layer(layer: Layer, machine: Cluster, *, first: bool, last: bool) -> Cost:
    part = share(layer, machine)
    compute_s = (2 * part.macs or part.ops) / machine.node_ops_per_s
    moved = traffic_bytes(part, machine.node_cache_bytes)
    memory_s = moved / machine.node_dram_bytes_per_s
    if machine.split == "model":
        crossing = layer.output_bytes if machine.nodes > 1 else 0.0
        link_s = all_gather_s(layer.output_bytes, machine)
    else:
        ends = [layer.input_bytes] * first + [layer.output_bytes] * last
        crossing = sum(ends) if machine.nodes > 1 else 0.0
        link_s = sum(scatter_s(end, machine) for end in ends)
    latency_s = max(compute_s, memory_s) + link_s
    work_s = 2 * layer.macs / (machine.nodes * machine.node_ops_per_s)
    everywhere = machine.nodes * moved
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=None,
        latency_s=latency_s,
        dram_bytes=everywhere,
        utilisation=min(1.0, work_s / latency_s) if layer.macs else None,  # rounding
        bound="compute" if compute_s >= memory_s + link_s else "memory",
        energy_by_component_j=None if machine.node_w is None else {"nodes": machine.nodes * machine.node_w * latency_s},
        bytes_by_level={"dram": everywhere, "link": ceil(crossing)},
    )


def area_m2(machine: Cluster) -> None:
    """None: a room."""
