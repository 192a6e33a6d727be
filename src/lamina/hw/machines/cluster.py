"""A cluster of your own: nodes, links and split are yours to set; here 16 servers of 2016 on ten-gigabit Ethernet."""

from lamina.hw.components import link
from lamina.hw.cost import Mark
from lamina.hw.families.cluster import Cluster
from lamina.hw.machines import xeon_e5_2699v4_server as server

ROWS = ("H1",)
PAPER = "Patarasuk, Yuan, JPDC 69(2), 2009, https://doi.org/10.1016/j.jpdc.2008.09.002"

_NODE, _LINK = server.PARAMETERS, link.LINKS["ethernet_10g"]
PARAMETERS = Cluster(
    nodes=16,
    split="data",
    node_ops_per_s=_NODE.float32_ops_per_s,
    node_cache_bytes=_NODE.cache_bytes,
    node_dram_bytes_per_s=_NODE.dram_bytes_per_s,
    node_w=_NODE.power_w,
    link_bytes_per_s=_LINK.bytes_per_s,
    link_s=_LINK.latency_s,
)

_CHOICE = "a design choice, not of a machine that stands somewhere"
SOURCES: dict[str, tuple[Mark, str]] = {
    "nodes": ("modelled", _CHOICE),
    "split": ("modelled", _CHOICE),
    "node_ops_per_s": server.SOURCES["ops_per_cycle_32"],
    "node_cache_bytes": server.SOURCES["cache_bytes"],
    "node_dram_bytes_per_s": server.SOURCES["dram_bytes_per_s"],
    "node_w": server.SOURCES["power_w"],
    "link_bytes_per_s": link.SOURCES[_LINK.source],
    "link_s": link.SOURCES[_LINK.source],
}
PUBLISHED: dict[str, tuple[float, float]] = {}
