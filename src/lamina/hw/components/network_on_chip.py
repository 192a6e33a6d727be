"""Moving a word over a chip: wires by length, hops between neighbours; left out: routers' buffers, contention.

    wire    310 pJ for 256 bits over 10 mm at 40 nm: 0.121 pJ a bit and millimetre
    hop     between neighbouring elements of an array: twice a 16-bit multiply-accumulate (Eyeriss), 4 pJ a 16-bit word
            at 65 nm in nn_dataflow's model of it

Sources   Keckler et al., IEEE Micro 31(5), 2011, table 1, https://doi.org/10.1109/MM.2011.89; Chen et al., "Eyeriss",
          ISCA 2016, https://doi.org/10.1109/ISCA.2016.40; Gao et al., nn_dataflow (public tests)
"""

from lamina.core.units import nm, pJ
from lamina.hw.components import scaling
from lamina.hw.cost import Mark

WIRE_J = (310 * pJ, 256, 10e-3, 40 * nm)  # joules, bits, metres, node
HOP_J = (4 * pJ, 16, 65 * nm)  # joules, bits, node
HOP_MACS = 2.0  # a hop over a 16-bit multiply-accumulate
CONSTANTS = {"WIRE_J": ("wire",), "HOP_J": ("hop",), "HOP_MACS": ("hop_macs",)}
SOURCES: dict[str, tuple[Mark, str]] = {
    "wire": ("published", "Keckler et al., IEEE Micro 31(5), 2011, table 1, quoted by a public text"),
    "hop": ("published", "nn_dataflow's tests: 4 pJ a 16-bit word over the array at 65 nm"),
    "hop_macs": ("published", "Eyeriss, ISCA 2016: 2 for an element's neighbour where a multiply-accumulate is 1"),
}


def wire_j(bits: float, length_m: float, node_m: float = 45 * nm) -> float:
    """Joules of sending `bits` over a wire of `length_m` metres at `node_m` (7 to 180 nm)."""
    joules, width, length, at_m = WIRE_J
    return joules * bits / width * length_m / length * scaling.energy(at_m, node_m)


def hop_j(bits: float, hops: float = 1, node_m: float = 65 * nm) -> float:
    """Joules of sending `bits` over `hops` neighbours of an array at `node_m` (7 to 180 nm)."""
    joules, width, at_m = HOP_J
    return joules * bits / width * hops * scaling.energy(at_m, node_m)
