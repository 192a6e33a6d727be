"""What zigzag-dse 3.9.1 says of some layers of its own ResNet-18 on `tpu_like`.

The golden rows are ZigZag's own runs (for latency: its
temporal loops and memory split, its cost model): loops, stall, filling, emptying, drain in cycles, energy in pJ.
"""

from dataclasses import dataclass

from lamina.hw.mapping.mapping import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    number: int  # of the layer
    mapping: Mapping
    cycles: tuple[int, int, int, int, int]
    energy_pj: float


def _mapping(rows: str, columns: int, order: str, weights: int, inputs: int, outputs: tuple[int, int]) -> Mapping:
    """`order` is written innermost first: "r7 s7 p112"."""
    loops = tuple((part[0], int(part[1:])) for part in order.split())
    spatial = (("rows", rows, 32), *((("columns", "c", columns),) if columns > 1 else ()))
    return Mapping(spatial=spatial, order=loops, held={"weights": (weights,), "inputs": (inputs,), "outputs": outputs})


GOLDEN = (
    Golden(  # ZigZag's file orders this layer by hand: pixels innermost, sums in the SRAM
        number=0,
        mapping=Mapping(
            spatial=(("rows", "k", 32), ("columns", "c", 3)),
            order=(("q", 112), ("p", 112), ("s", 7), ("r", 7), ("k", 2)),
            held={"weights": (5,), "inputs": (5,), "outputs": (0, 5)},
        ),
        cycles=(1229312, 1229310, 19666, 2, 33),
        energy_pj=366204071.168,
    ),
    Golden(
        number=0,
        mapping=_mapping("k", 3, "s7 r7 p112 q16 q7 k2", 6, 6, (2, 6)),
        cycles=(1229312, 0, 19666, 2, 33),
        energy_pj=129504620.992,
    ),
    Golden(
        number=1,
        mapping=_mapping("g", 1, "s3 r3 p56 q8 q7 g2", 6, 6, (2, 6)),
        cycles=(56448, 0, 102152, 2, 31),
        energy_pj=95241947.136,
    ),
    Golden(
        number=2,
        mapping=_mapping("k", 32, "c2 r3 s3 p56 q56 k2", 6, 6, (3, 6)),
        cycles=(112896, 0, 26912, 2, 62),
        energy_pj=68294568.736,
    ),
    Golden(
        number=4,
        mapping=_mapping("g", 1, "g2 p8 q4 q2 p7 q7", 4, 6, (1, 6)),
        cycles=(6272, 18432, 25088, 25089, 31),
        energy_pj=55237554.176,
    ),
    Golden(
        number=22,
        mapping=_mapping("k", 32, "r3 p7 q7 k16 c8 s3", 4, 6, (1, 6)),
        cycles=(56448, 87216, 7200, 3137, 62),
        energy_pj=128563551.072,
    ),
)
