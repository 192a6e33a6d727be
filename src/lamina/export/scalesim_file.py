"""SCALE-Sim inputs: a topology of convolution rows, and a configuration to run it with.

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,

A row is one picture, one group, one stride for both axes, no padding and no dilation. So padding becomes part of the
picture, a group, an example or a step of a scan a row of its own, and a fully connected layer of n rows a convolution
of 1 x 1 over n places. Dilation, two different strides and transposed convolutions are refused by name. SCALE-Sim
rounds output sizes up: pictures are cut to what their windows touch, so that it counts our multiply-accumulates.

The configuration is an example (an array of 32 x 32, output stationary): a machine is not part of a network.

Source    SCALE-Sim 3.0.0, scale_sim.py and topology_utils.py
"""

from collections.abc import Iterator
from pathlib import Path

from lamina.core import files
from lamina.core.errors import Unsupported, one_line
from lamina.export._workload import MOST_LAYERS, file_name, refuse, workload
from lamina.ir.layer import Layer
from lamina.ir.network import Network

TITLES = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
CONFIGURATION = """\
[general]
run_name = {name}

[architecture_presets]
ArrayHeight: 32
ArrayWidth: 32
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: os
MemoryBanks: 1
ReadRequestBuffer: 64
WriteRequestBuffer: 64

[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2

[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40

[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def scalesim(network: Network, folder: Path) -> list[Path]:
    """Write `topology.csv` and `run.cfg` into `folder`; raises `Unsupported` for layers that a row cannot express."""
    paths = [folder / "topology.csv", folder / "run.cfg"]
    files.write(paths[0], topology(network).encode())
    files.write(paths[1], CONFIGURATION.format(name=file_name(network.name)).encode())
    return paths


def topology(network: Network) -> str:
    """The table's text."""
    layers = [layer for _, layer in workload(network, "SCALE-Sim").layers]
    odd = [f"{one_line(layer.name, 60)} ({reason})" for layer in layers if (reason := _odd(layer))]
    if odd:
        refuse(odd, "SCALE-Sim", "a row has one stride and no dilation")
    copies = sum(_copies(layer) for layer in layers)
    if copies > MOST_LAYERS:
        raise Unsupported(f"network {network.name!r} would be {copies} rows, one a group, picture and step: too many")
    return "\n".join([TITLES, *(row for layer in layers for row in _rows(layer))]) + "\n"


def _odd(layer: Layer) -> str | None:
    if (layer.dilation[0] > 1 and layer.r > 1) or (layer.dilation[1] > 1 and layer.s > 1):
        return f"dilation {layer.dilation[0]}x{layer.dilation[1]}"
    if layer.stride[0] != layer.stride[1] and layer.p > 1 and layer.q > 1:
        return f"strides {layer.stride[0]}x{layer.stride[1]}"
    return None


def _examples(layer: Layer) -> int:
    """How many pictures a layer has; the rows of a fully connected layer are places of one picture."""
    return 1 if layer.p == layer.q == layer.r == layer.s == 1 else layer.n


def _copies(layer: Layer) -> int:
    return layer.repeats * layer.groups * _examples(layer)


def _rows(layer: Layer) -> Iterator[str]:
    places = layer.n if _examples(layer) == 1 and layer.p == layer.q == 1 else layer.p
    stride = layer.stride[0] if places > 1 else layer.stride[1]
    height, width = (places - 1) * stride + layer.r, (layer.q - 1) * stride + layer.s
    name = layer.name.replace(",", "_").replace("DP", "Dp")  # DP in a name would mean depthwise to SCALE-Sim
    for copy in range(count := _copies(layer)):
        title = f"{name}_{copy}" if count > 1 else name
        yield f"{title},{height},{width},{layer.r},{layer.s},{layer.c},{layer.k},{stride},"
