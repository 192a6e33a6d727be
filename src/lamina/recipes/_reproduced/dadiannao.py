"""DaDianNao's published figures: its exact product, its example of four nodes, its capacity, speed and energy.

The GPU is a K20M at the peak of its data sheet, in float32, which flatters it; means are geometric, over the layers
that fit the nodes. Training takes 32-bit words: its products of forward, backward and weights cost the same, so a ratio
of one is the ratio of all three.
"""

from lamina.core.units import MiB, us
from lamina.hw import registry
from lamina.hw.families import nfu_mesh
from lamina.hw.workloads.dadiannao_layers import dadiannao_layers
from lamina.ir.layer import dense
from lamina.recipes._reproduction import Reproduction, geometric_mean

MACHINE = "dadiannao"
_EIE = "Han et al., EIE, ISCA 2016, comparison of platforms"
_REVIEW = "a public review of the five papers of the group, 'from DianNao to Cambricon'"
_ABSTRACT = "Chen et al., MICRO 2014, abstract"
_RECALLED = "Chen et al., MICRO 2014 (recalled, unverified)"
_PEAK = "the GPU's side is the roofline of its data sheet; its library of 2014 reached a fraction of it"
_WIDE = f"{_PEAK}; four multipliers for a 32-bit product, of which the paper's unit may have better use"
_LINKS = "every node's links count at their average power all the time, as the layout table gives it"
SYNAPSES_MIB = {"CLASS1": 12.5, "CONV1": 22.69, "CONV2": 0.24, "CONV3*": 1.29 * 1024, "CONV4*": 1.32 * 1024}
# training, nodes -> speed-up and energy saved; of these the 64-node inference is in the abstract
AGAINST_GPU = {
    (False, 1): (21.38, 330.56),
    (False, 64): (450.65, 150.31),
    (True, 1): (12.62, 172.39),
    (True, 64): (300.04, 66.94),
}


def against_gpu(nodes: int, *, training: bool = False) -> tuple[float, float]:
    """Mean speed-up over the K20M, and mean energy of the K20M over ours, of the layers that fit `nodes`."""
    gpu, machine = registry.find("k20m"), registry.find(f"{MACHINE}:nodes={nodes}")
    words = dadiannao_layers(bits=32 if training else 16)
    speed, energy = [], []
    for layer, single in zip(words, dadiannao_layers(bits=32), strict=True):
        if nfu_mesh.fits([layer], machine.parameters):
            (ours,), (theirs,) = nfu_mesh.cost([layer], machine.parameters), gpu.family.cost([single], gpu.parameters)
            speed.append(theirs.latency_s / ours.latency_s)
            energy.append(theirs.energy_j / ours.energy_j)
    return geometric_mean(speed), geometric_mean(energy)


def least_nodes(name: str) -> int:
    """The fewest nodes whose eDRAM holds a layer of the paper with its neurons."""
    layer = next(layer for layer in dadiannao_layers() if layer.name == name)
    return next(n for n in range(1, 65) if nfu_mesh.fits([layer], registry.find(f"{MACHINE}:nodes={n}").parameters))


def figures() -> list[Reproduction]:
    """Every published figure beside ours."""
    one, four = (registry.find(f"{MACHINE}:nodes={n}").parameters for n in (1, 4))
    product = dense(4096, 4096, bits=16)
    (row,) = nfu_mesh.cost([product], one)
    blocks, instructions = nfu_mesh.blocks_per_node(product, four), nfu_mesh.node_instructions(product, four)
    synapses = {layer.name: layer.weight_bytes / MiB for layer in dadiannao_layers()}
    found = [
        _figure("product", "a 4096 x 4096 product on one node", "s", 6.76 * us, row.latency_s or 0.0, _EIE),
        _figure("products", "such products a second (AlexNet's FC7)", "1/s", 147_938, 1 / (row.latency_s or 1.0), _EIE),
        _figure("peak", "peak of a node: 288 products and sums a tile", "op/s", 5.58e12, one.peak_ops_per_s, _REVIEW),
        _figure("power", "power of a node, sum of its parts (recalled)", "W", 15.97, one.node_w, _EIE),
        _figure("edram", "eDRAM of a node", "B", 36 * MiB, one.edram_bytes, _REVIEW),
        _figure("blocks", "4096 x 4096 on 4 nodes: blocks of neurons a node", "1", 64, blocks, _REVIEW),
        _figure("instructions", "4096 x 4096 on 4 nodes: instructions a node", "1", 4, instructions, _REVIEW),
        *(
            _figure(f"synapses_{_snake(name)}", f"synapses of {name}", "MiB", size, synapses[name], _RECALLED)
            for name, size in SYNAPSES_MIB.items()
        ),
        _figure("nodes_conv1", "fewest nodes for CONV1 with its neurons", "1", 4, least_nodes("CONV1"), _RECALLED),
        _figure(
            "nodes_private", "fewest nodes for the private kernels", "1", 36, least_nodes("CONV4*"), _RECALLED,
            "the paper divides 1.29 GB by 36 MB; ours keeps synapses in the tiles' 32 MB and counts 1.32 GB in binary",
        ),
    ]  # fmt: skip
    for (training, nodes), (speed, energy) in AGAINST_GPU.items():
        faster, saved = against_gpu(nodes, training=training)
        what = f"{'training' if training else 'inference'} on {nodes} node{'s' * (nodes > 1)}"
        key = f"{'training' if training else 'inference'}_{nodes}"
        source = _ABSTRACT if (training, nodes) == (False, 64) else _RECALLED
        reason = _WIDE if training else _PEAK
        found += [
            _figure(f"speedup_{key}", f"mean speed-up over the K20M, {what}", "1", speed, faster, source, reason),
            _figure(
                f"energy_{key}", f"mean energy of the K20M over ours, {what}", "1", energy, saved, source,
                f"{reason}; {_LINKS}",
            ),
        ]  # fmt: skip
    published, ours = (
        a / b
        for a, b in (
            (AGAINST_GPU[False, 64][0], AGAINST_GPU[False, 1][0]),
            (against_gpu(64)[0], against_gpu(1)[0]),
        )
    )
    found.append(
        _figure(
            "scaling", "64 nodes over one, means of the layers that fit each", "1", published, ours, _RECALLED,
            "two sets of layers: the private kernels, which gain most over the GPU, are in the 64-node mean only",
        )
    )  # fmt: skip
    return found


def _figure(
    name: str, title: str, unit: str, published: float, ours: float, source: str, reason: str = ""
) -> Reproduction:
    return Reproduction(
        row="H7",
        machine=MACHINE,
        name=name,
        title=title,
        unit=unit,
        published=published,
        ours=float(ours),
        mark="unverified" if source == _RECALLED else "published",
        source=source,
        reason=reason,
    )


def _snake(name: str) -> str:
    return name.lower().replace("*", "_private")
