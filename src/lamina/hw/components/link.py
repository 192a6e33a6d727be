"""Links between chips, boards and computers: rate, latency, energy; left out: protocol overhead beyond line coding.

    seconds = bytes / rate + latency        one direction, the whole link

PCI Express rates follow from transfers a second and line coding (8b/10b up to generation 2, 128b/130b after). Energy is
None where no figure is at hand. HyperTransport's energy is DaDianNao's: 8.01 W of its four ports at 6.4 GB/s a
direction. Latencies of PCI Express and Ethernet are round figures of what drivers reach.

Sources   PCI-SIG base specifications 1.1 to 5.0; NVIDIA's NVLink data; Chen et al., "DaDianNao", MICRO 2014,
          https://doi.org/10.1109/MICRO.2014.58; IEEE 802.3; InfiniBand trade association
"""

from dataclasses import dataclass

from lamina.core.errors import unknown
from lamina.core.units import GB, ns, us
from lamina.hw.cost import Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """What one link does in one direction."""

    bytes_per_s: float
    latency_s: float
    byte_j: float | None
    source: str  # key of SOURCES


def _pcie(transfers_per_s: float, coding: float, lanes: int = 16) -> Rate:
    return Rate(bytes_per_s=transfers_per_s * coding / 8 * lanes, latency_s=1 * us, byte_j=None, source="link_pcie")


_HT_PORTS, _HT_W, _HT_BYTES_PER_S = 4, 8.01, 6.4 * GB
LINKS = {
    "pcie1_x16": _pcie(2.5e9, 8 / 10),
    "pcie2_x16": _pcie(5e9, 8 / 10),
    "pcie3_x16": _pcie(8e9, 128 / 130),
    "pcie4_x16": _pcie(16e9, 128 / 130),
    "pcie5_x16": _pcie(32e9, 128 / 130),
    "pcie3_x4": _pcie(8e9, 128 / 130, lanes=4),
    "hypertransport2": Rate(
        bytes_per_s=_HT_BYTES_PER_S,
        latency_s=80 * ns,
        byte_j=_HT_W / (2 * _HT_PORTS * _HT_BYTES_PER_S),
        source="link_hypertransport",
    ),
    "qpi": Rate(bytes_per_s=19.2 * GB, latency_s=0.1 * us, byte_j=None, source="link_qpi"),
    "nvlink1": Rate(bytes_per_s=80 * GB, latency_s=1 * us, byte_j=None, source="link_nvlink"),
    "nvlink2": Rate(bytes_per_s=150 * GB, latency_s=1 * us, byte_j=None, source="link_nvlink"),
    "nvlink3": Rate(bytes_per_s=300 * GB, latency_s=1 * us, byte_j=None, source="link_nvlink"),
    "nvlink4": Rate(bytes_per_s=450 * GB, latency_s=1 * us, byte_j=None, source="link_nvlink"),
    "infiniband_fdr": Rate(bytes_per_s=6.8 * GB, latency_s=1 * us, byte_j=None, source="link_infiniband"),
    "ethernet_10g": Rate(bytes_per_s=1.25 * GB, latency_s=10 * us, byte_j=None, source="link_ethernet"),
    "ethernet_1g": Rate(bytes_per_s=0.125 * GB, latency_s=50 * us, byte_j=None, source="link_ethernet"),
}
CONSTANTS = {"LINKS": tuple(sorted({rate.source for rate in LINKS.values()}))}
SOURCES: dict[str, tuple[Mark, str]] = {
    "link_pcie": ("assumed", "rates: PCI-SIG base specifications, transfers a second x coding; the latency is assumed"),
    "link_hypertransport": (
        "unverified",
        "DaDianNao: 16 pairs a direction, 6.4 GB/s, 80 ns as reviewed; the 8.01 W of its table are recalled",
    ),
    "link_qpi": ("assumed", "9.6 GT/s x 2 bytes, Intel's data sheets; the latency is assumed"),
    "link_nvlink": ("assumed", "4, 6, 12, 18 links of 20, 25, 25, 25 GB/s a direction; the latency is assumed"),
    "link_infiniband": ("assumed", "4 lanes of 14.06 Gb/s, 64b/66b; the latency is assumed"),
    "link_ethernet": ("assumed", "line rates of IEEE 802.3; the latencies are assumed"),
}


def seconds(name: str, size_bytes: float) -> float:
    """Seconds that `size_bytes` take over the link `name` in one direction; raises for an unknown link."""
    if name not in LINKS:
        raise unknown("link", name, LINKS)
    return size_bytes / LINKS[name].bytes_per_s + LINKS[name].latency_s
