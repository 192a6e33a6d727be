"""DianNao's published figures: cycles and lanes of its layers, the instruction example, peak, power, speed-up, energy.

Averages over the ten layers are geometric; DRAM is counted on both sides. The core it is compared with is known by its
width, its clock and a memory 250 cycles away, not by its prefetching: two ends are shown, one that overlaps every miss
with work and one that waits for each. Neither is fitted.
"""

from math import ceil

from lamina.core.units import GHz, KiB
from lamina.emulation.nfu import generator
from lamina.emulation.nfu.layers import sizes_of
from lamina.hw import registry
from lamina.hw.components import memory
from lamina.hw.cost import Cost
from lamina.hw.workloads.diannao_layers import diannao_layers
from lamina.recipes._reproduction import Reproduction, geometric_mean

MACHINE = "diannao"
_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_SIZES = "derived from the sizes of table 1, which are recalled: ceil(Ni/16) ceil(No/16) Kx Ky Ox Oy"
_DISCUSSION = "recalled from the discussion of figure 16"
_ROOFLINE = "a roofline never stalls: the simulated core waits for its memory, 250 cycles away"
_POWER = "the core's power is an estimate (70 pJ an instruction), and DRAM takes the same on both sides"
CYCLES = {
    "CONV1": 87_754_104,
    "CLASS1": 120,
    "CONV2*": 10_850_436,
    "CONV3": 1_224_496,
    "CLASS3": 91,
    "CONV4": 1_059_968,
    "CONV5*": 2.81e9,
}
LANES = {"CLASS1": 0.625, "CONV2*": 0.25, "CONV3": 0.93, "CLASS3": 0.86}
MEMORY_BOUND = ("POOL1", "CLASS1", "CONV2*", "POOL3", "CLASS3", "CONV5*", "POOL5")
LINE_BYTES, MISS_S = 64, 250 / (2 * GHz)  # of the core's memory: a line after 250 cycles


def figures() -> list[Reproduction]:
    """Every published figure beside ours."""
    machine = registry.find(MACHINE)
    p = machine.parameters
    rows = {row.name: row for row in machine.family.cost(diannao_layers(), p)}
    words = list(generator.classifier(p, sizes_of(p), vectors=1, inputs=8192, outputs=256, bias=False))
    pieces = len({word.nbin_stride_begin for word in words})
    piece_bytes = words[0].nbin_size * p.inputs * p.bits / 8
    bound = sum(row.bound == "memory" for row in rows.values())
    return [
        *(
            _figure(f"cycles_{_snake(name)}", f"ideal cycles of {name}", "1", cycles, rows[name].cycles or 0, _SIZES)
            for name, cycles in CYCLES.items()
        ),
        *(
            _figure(f"lanes_{_snake(name)}", f"lanes used by {name}", "1", lanes, rows[name].utilisation or 0, _SIZES)
            for name, lanes in LANES.items()
        ),
        _figure("ops_per_cycle", "operations a cycle", "1", 496, p.ops_per_cycle, _REVIEW),
        _figure(
            "peak", "peak (ours: 496 operations x 0.98 GHz)", "op/s", 452e9, p.ops_per_cycle * p.clock_hz,
            f"abstract; {_REVIEW}",
        ),
        _figure("power", "power of the chip, sum of its units (recalled)", "W", 0.485, p.power_w, _REVIEW),
        _figure("pieces", "pieces of the classifier 8192 x 256", "1", 8, pieces, _REVIEW),
        _figure("piece_bytes", "bytes of a piece in NBin", "B", 2 * KiB, piece_bytes, _REVIEW),
        _figure(
            "memory_bound", "layers that memory limits, of ten", "1", len(MEMORY_BOUND), bound, _DISCUSSION,
            "poolings and CONV2* need 30 to 170 GB/s and 250 are there: the paper's memory also has a latency",
        ),
        *_against_the_core(rows),
    ]  # fmt: skip


def _against_the_core(rows: dict[str, Cost]) -> list[Reproduction]:
    core = registry.find("simd_core_like")
    p, theirs = core.parameters, core.family.cost(diannao_layers(), core.parameters)
    dram_j = [(row.dram_bytes or 0) * memory.dram_byte_j() for row in theirs]
    overlapped_s = [row.latency_s or 0.0 for row in theirs]
    waiting_s = [(row.cycles or 0) / p.clock_hz + ceil((row.dram_bytes or 0) / LINE_BYTES) * MISS_S for row in theirs]
    found = []
    for name, title, seconds, slow, hungry in (
        ("overlapped", "if the core overlaps all misses", overlapped_s, _ROOFLINE, _ROOFLINE),
        ("waiting", "if the core waits for each miss", waiting_s, "", _POWER),
    ):
        faster = [s / (ours.latency_s or 0.0) for s, ours in zip(seconds, rows.values(), strict=True)]
        saved = [
            (s * p.power_w + d) / (ours.energy_j or 0.0)
            for s, d, ours in zip(seconds, dram_j, rows.values(), strict=True)
        ]
        found += [
            _figure(
                f"speedup_{name}", f"mean speed-up over the SIMD core, {title}", "1", 117.87, geometric_mean(faster),
                f"figure 16; {_REVIEW}", slow,
            ),
            _figure(
                f"energy_{name}", f"mean energy of the SIMD core over DianNao's, {title}", "1", 21.08,
                geometric_mean(saved), f"figure 17; {_REVIEW}", hungry,
            ),
        ]  # fmt: skip
    return found


def _figure(
    name: str, title: str, unit: str, published: float, ours: float, source: str, reason: str = ""
) -> Reproduction:
    return Reproduction(
        row="H6",
        machine=MACHINE,
        name=name,
        title=title,
        unit=unit,
        published=published,
        ours=float(ours),
        mark="unverified" if source in (_SIZES, _DISCUSSION) else "published",
        source=f"Chen et al., ASPLOS 2014, {source}",
        reason=reason,
    )


def _snake(name: str) -> str:
    return name.lower().replace("*", "_private")
