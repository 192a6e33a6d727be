"""A mesh of nodes that keep all synapses in eDRAM (DaDianNao); left out: refresh, router conflicts, uneven eDRAM use.

A node is `tiles` neural functional units (Ti x Tn, see `nfu`) around a central eDRAM with the neurons. Cycles: see
`_nfu_mesh_split`. Pooling takes Ti channels a cycle and tile; normalisation two passes (squares and sums, scaling) and
other arithmetic one for each operation on Tn numbers; functions act as results leave.

Synapses stay where they are used and neurons come to them, so nothing crosses the pins: neurons lie in eDRAM before
and after, spread evenly, and may fill what synapses leave. Only where eDRAM is too small they do, over one link from
the host: all of the network's synapses in every run, and a layer's inputs and outputs (inputs anew for every piece of
its synapses that fits). Between nodes neurons travel by compute-and-forward while tiles compute:

    latency = max(cycles / clock, host bytes / link, received bytes / (links of a corner x link)) + hops x 80 ns

Words wider than `bits` (training: 32) take two inputs, two outputs, so four multipliers each. Energy: power x latency
of every node, and DRAM by the byte.

Paper     Chen et al., "DaDianNao", MICRO 2014, https://doi.org/10.1109/MICRO.2014.58
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isqrt, prod

from lamina.core.errors import BadInput
from lamina.hw.components import memory
from lamina.hw.cost import Cost, each
from lamina.hw.families import _checks
from lamina.hw.families._nfu_mesh_split import Split, Work, best, evenly, work
from lamina.hw.kinds import MOVES, ON_THE_FLY, POOLING, SIMPLE
from lamina.ir.layer import Layer

MULTIPLY = frozenset({"conv2d", "linear", "matmul", "conv_transpose2d"})
NORMALISE = frozenset({"lrn"})  # squares, sums and an interpolated power
OPERATORS = MULTIPLY | POOLING | SIMPLE | MOVES | ON_THE_FLY | NORMALISE
MOST_NODES = 4096
USES = {
    "cycles": ("nodes", "tiles", "inputs", "outputs", "bits"),
    "latency_s": ("nodes", "tiles", "inputs", "outputs", "bits", "clock_hz", "link_bytes_per_s", "link_latency_s"),
    "dram_bytes": ("nodes", "tiles", "tile_edram_bytes", "central_edram_bytes"),
    "utilisation": ("nodes", "tiles", "inputs", "outputs"),
    "energy_j": ("central_w", "tiles_w", "links_w", "wires_w", "dram_word_j"),
    "area_m2": ("node_area_m2",),
}
COMPONENTS = (memory,)


@dataclass(frozen=True, kw_only=True, slots=True)
class NfuMesh:
    nodes: int = 1
    tiles: int = 16  # of a node
    inputs: int = 16  # Ti of a tile
    outputs: int = 16  # Tn of a tile
    interpolators: int = 32  # of a tile: a multiplication and an addition each
    bits: int = 16  # of a word; wider ones, to twice as many, take four multipliers
    clock_hz: float = 0.606e9
    tile_edram_bytes: int = 2 * 1024**2  # synapses
    central_edram_bytes: int = 4 * 1024**2  # neurons of a node
    nbin_bytes: int = 16 * 1024  # of a tile
    nbout_bytes: int = 16 * 1024
    link_bytes_per_s: float = 6.4e9  # to one neighbour, one direction
    link_latency_s: float = 80e-9  # one hop
    central_w: float = 1.80  # average power of the parts of a node
    tiles_w: float = 6.15
    links_w: float = 8.01
    wires_w: float = 0.01
    node_area_m2: float = 67.73e-6

    def __post_init__(self) -> None:
        _checks.positive(self)
        for name, most in (
            ("nodes", MOST_NODES),
            ("tiles", 1024),
            ("inputs", 4096),
            ("outputs", 4096),
            ("bits", 32),
        ):
            if getattr(self, name) > most:
                raise BadInput(f"nfu_mesh: {name} is {getattr(self, name)}, at most {most} are modelled")

    @property
    def peak_ops_per_s(self) -> float:
        """Multiplications and additions, interpolators included, as the paper counts: 16 x 576 x 606 MHz a node."""
        return 2 * (self.inputs * self.outputs + self.interpolators) * self.tiles * self.nodes * self.clock_hz

    @property
    def node_w(self) -> float:
        return self.central_w + self.tiles_w + self.links_w + self.wires_w

    @property
    def edram_bytes(self) -> int:
        """Of one node."""
        return self.tiles * self.tile_edram_bytes + self.central_edram_bytes

    @property
    def mesh(self) -> tuple[int, int]:
        """Rows and columns of nodes, as square as they come."""
        rows = isqrt(self.nodes)
        return rows, ceil(self.nodes / rows)


def refusal(layer: Layer, machine: NfuMesh) -> str | None:
    """Why `machine` cannot run `layer`; None where it can. Size is no reason: what does not fit comes over the link."""
    if layer.operator not in OPERATORS:
        return f"it has no unit for {layer.operator}"
    if layer.macs and _width(layer) > 2 * machine.bits:
        return f"words of {_width(layer)} bits, the machine's have {machine.bits} or {2 * machine.bits}"
    return None


def cycles(layer: Layer, machine: NfuMesh) -> int:
    """Cycles of the tiles for one layer that has the eDRAM to itself."""
    job, split = _assigned(layer, machine, _alone(layer, machine))
    return split.cycles(job)


def node_instructions(layer: Layer, machine: NfuMesh) -> int:
    """Instructions of one node for a layer alone: each makes one block of Tn neurons of a pixel in every tile."""
    job, split = _assigned(layer, machine, _alone(layer, machine))
    return split.blocks_per_tile(job) * split.pixels_per_tile(job)


def blocks_per_node(layer: Layer, machine: NfuMesh) -> int:
    """Blocks of Tn neurons that each node makes of a layer alone."""
    job, split = _assigned(layer, machine, _alone(layer, machine))
    return split.blocks_per_node(job)


def fits(layers: Sequence[Layer], machine: NfuMesh) -> bool:
    """Whether all synapses, and the neurons of each layer, stay in eDRAM."""
    return not any(_plan(layers, machine)[0])


def cost(layers: Sequence[Layer], machine: NfuMesh) -> list[Cost]:
    """One `Cost` per layer; layers are one network: their synapses share the eDRAM."""
    outside, copies = _plan(layers, machine)
    return each(layers, lambda layer, o, c: _layer(layer, machine, o, c), outside, copies)


def area_m2(machine: NfuMesh) -> float:
    """All nodes."""
    return machine.nodes * machine.node_area_m2


def _layer(layer: Layer, machine: NfuMesh, outside: int, copies: int) -> Cost:
    job, split = _assigned(layer, machine, copies)
    busy, received_bytes = split.cycles(job), split.received * _word_bytes(layer, machine)
    rows, columns = machine.mesh
    corner_bytes_per_s = ((rows > 1) + (columns > 1)) * machine.link_bytes_per_s
    compute_s = busy / machine.clock_hz
    host_s = outside / machine.link_bytes_per_s
    mesh_s = received_bytes / corner_bytes_per_s if received_bytes else 0.0
    hops_s = (rows + columns - 2) * machine.link_latency_s if received_bytes else 0.0
    latency_s = max(compute_s, host_s, mesh_s) + hops_s
    all_nodes_s = latency_s * machine.nodes
    multipliers = machine.nodes * machine.tiles * prod(_lanes(layer, machine))
    return Cost(
        name=layer.name,
        op=layer.operator,
        macs=layer.macs,
        cycles=busy,
        latency_s=latency_s,
        dram_bytes=outside,
        utilisation=layer.macs / (busy * multipliers) if layer.macs else None,
        bound="compute" if compute_s >= max(host_s, mesh_s) else "memory",
        energy_by_component_j={
            "central": machine.central_w * all_nodes_s,
            "tiles": machine.tiles_w * all_nodes_s,
            "links": machine.links_w * all_nodes_s,
            "wires": machine.wires_w * all_nodes_s,
            "dram": outside * memory.dram_byte_j(),
        },
        bytes_by_level={
            "dram": outside,
            "links": ceil(received_bytes * machine.nodes),
            **_reads(layer, machine, job, split),
        },
    )


def _reads(layer: Layer, machine: NfuMesh, job: Work, split: Split) -> dict[str, int]:
    """Bytes of synapses out of the tiles' eDRAM, and of neurons out of and into the central one.

    A window is sent to the tiles once if NBin holds it or NBout the partial sums of all its blocks, else once a block.
    """
    word, (inputs, outputs) = _word_bytes(layer, machine), _lanes(layer, machine)
    if layer.operator in ON_THE_FLY:
        return {"edram": 0, "central": 0}
    if not layer.macs:
        return {"edram": 0, "central": ceil((layer.inputs + layer.outputs) * word)}
    blocks, window = split.blocks_per_tile(job), job.steps * inputs * word
    together = window <= machine.nbin_bytes or 2 * blocks * outputs * word <= machine.nbout_bytes
    groups = ceil(layer.groups / min(split.node_blocks, layer.groups))  # of a node: each has windows of its own
    windows = split.node_blocks * split.node_pixels * groups * ceil(job.pixels / split.node_pixels)
    sent = windows * window * (1 if together else ceil(blocks / groups))
    synapses = job.blocks * job.pixels * job.steps * inputs * outputs * word
    return {"edram": ceil(synapses), "central": ceil(sent + layer.outputs * word)}


def _plan(layers: Sequence[Layer], machine: NfuMesh) -> tuple[list[int], list[int]]:
    """Bytes over the host's link and copies of the kernels that are allowed, a layer: with the synapses held, or not.

    Copies of held synapses may fill half of the tiles' eDRAM, so that neurons find room in the rest.
    """
    tiles = machine.nodes * machine.tiles * machine.tile_edram_bytes
    central = machine.nodes * machine.central_edram_bytes
    whole = sum(_synapse_bytes(layer, machine) for layer in layers)
    if whole > tiles:
        streamed = [_outside(layer, machine, room=central, tiles=tiles) for layer in layers]
        return streamed, [_alone(layer, machine) for layer in layers]
    held = min(max(whole, tiles / 2), whole * machine.nodes * machine.tiles)
    resident = [_outside(layer, machine, room=central + tiles - held, tiles=None) for layer in layers]
    return resident, [_copies(layers, machine)] * len(layers)


def _alone(layer: Layer, machine: NfuMesh) -> int:
    """Copies of the kernels of a layer that has the eDRAM to itself."""
    return _copies([layer], machine)


def _copies(layers: Sequence[Layer], machine: NfuMesh) -> int:
    """How often each kernel may be held, no more often than it has pixels: as often as half of the eDRAM allows."""
    parts = [(_synapse_bytes(layer, machine), layer.n * layer.p * layer.q) for layer in layers]
    parts = [(size, pixels) for size, pixels in parts if size]
    tiles = machine.nodes * machine.tiles
    counts = range(1, tiles + 1)
    half = tiles * machine.tile_edram_bytes / 2
    return max(1, bisect_right(counts, half, key=lambda most: sum(size * min(most, pixels) for size, pixels in parts)))


def _outside(layer: Layer, machine: NfuMesh, *, room: float, tiles: int | None) -> int:
    """Of one layer: its neurons where `room` does not hold them, its synapses where they pass through `tiles` bytes."""
    if layer.operator in ON_THE_FLY:
        return 0
    word = _word_bytes(layer, machine)
    inputs, outputs = layer.inputs * word, layer.outputs * word
    synapses = _synapse_bytes(layer, machine) if tiles else 0.0
    pieces = max(1, ceil(synapses / tiles)) if tiles else 1
    once = not layer.macs and layer.stride[0] >= layer.r and layer.stride[1] >= layer.s  # results replace their inputs
    neurons = 0.0 if (max(inputs, outputs) if once else inputs + outputs) <= room else inputs * pieces + outputs
    return ceil(synapses + neurons)


def _synapse_bytes(layer: Layer, machine: NfuMesh) -> float:
    return (layer.weights + layer.biases) * _word_bytes(layer, machine) if layer.macs else 0.0


def _assigned(layer: Layer, machine: NfuMesh, copies: int) -> tuple[Work, Split]:
    """The layer in blocks, pixels and steps, and who does them; `copies` of the kernels are allowed."""
    lanes = _lanes(layer, machine)
    if layer.macs or layer.operator in POOLING:
        job = work(layer, *lanes)
        return job, best(layer, job, machine.nodes, machine.tiles, copies)
    numbers = layer.ops
    if layer.operator in ON_THE_FLY | MOVES:
        numbers = 0
    elif layer.operator in NORMALISE:
        numbers = 2 * layer.outputs
    return evenly(numbers, lanes[1], machine.nodes, machine.tiles)


def _width(layer: Layer) -> int:
    return max(layer.input_bits, layer.weight_bits)


def _wide(layer: Layer, machine: NfuMesh) -> bool:
    return _width(layer) > machine.bits


def _word_bytes(layer: Layer, machine: NfuMesh) -> float:
    return machine.bits / 8 * (2 if _wide(layer, machine) else 1)


def _lanes(layer: Layer, machine: NfuMesh) -> tuple[int, int]:
    """Ti and Tn for the layer's words."""
    if _wide(layer, machine):
        return max(1, machine.inputs // 2), max(1, machine.outputs // 2)
    return machine.inputs, machine.outputs
