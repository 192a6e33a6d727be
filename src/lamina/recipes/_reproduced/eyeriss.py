"""Eyeriss: AlexNet layer by layer and in all, VGG-16 in all, and the energies that its dataflow was proposed with."""

from dataclasses import replace
from math import prod

from lamina.hw import registry
from lamina.hw.cost import Cost, Mark
from lamina.hw.families import row_stationary
from lamina.hw.families.row_stationary import RowStationary
from lamina.hw.workloads import alexnet, eyeriss_layers
from lamina.hw.workloads._shapes import conv, dense
from lamina.ir.layer import Layer
from lamina.recipes._reproduction import Reproduction

_JSSC = "Chen et al., JSSC 2017"
_ISCA = "Chen et al., ISCA 2016, figure 10, read off by nn_dataflow (Gao et al.)"
# table V: W, total s, processing s, elements at work, bytes of buffer and DRAM
ALEXNET = {
    "conv1": (0.332, 20.9e-3, 16.5e-3, 154, 18.5e6, 5.0e6),
    "conv2": (0.288, 41.9e-3, 39.2e-3, 135, 77.6e6, 4.0e6),
    "conv3": (0.266, 23.6e-3, 21.8e-3, 156, 50.2e6, 3.0e6),
    "conv4": (0.235, 18.4e-3, 16.0e-3, 156, 37.4e6, 2.1e6),
    "conv5": (0.236, 10.5e-3, 10.0e-3, 156, 24.9e6, 1.3e6),
}
ALEXNET_TOTAL = (0.278, 115.3e-3, 103.5e-3, None, 208.5e6, 15.4e6)
QUANTITIES = (
    ("w", "chip power", "W"),
    ("total_s", "latency of 4 images", "s"),
    ("processing_s", "latency without DRAM", "s"),
    ("elements", "elements at work", ""),
    ("glb_bytes", "buffer accesses", "B"),
    ("dram_bytes", "DRAM accesses", "B"),
)
MAPPINGS = {  # table III: m n e p q r t
    "conv1": (96, 1, 7, 16, 1, 1, 2),
    "conv2": (64, 1, 27, 16, 2, 1, 1),
    "conv3": (64, 4, 13, 16, 4, 1, 4),
    "conv4": (64, 4, 13, 16, 3, 2, 2),
    "conv5": (64, 4, 13, 16, 3, 2, 2),
}
NORMALISED = {  # DRAM and registers, 1e9 multiplications' worth; batch 16
    "conv1": (2.46, 6.75),
    "conv2": (2.27, 14.33),
    "conv3": (2.02, 9.57),
    "conv4": (1.57, 7.18),
    "conv5": (1.05, 4.78),
    "fc1": (7.78, 2.42),
    "fc2": (3.39, 1.07),
    "fc3": (0.84, 0.26),
}
SHARES = {  # figure 16; clock's of conv1 is the constant that was taken from it
    "conv1": {"mac": 0.089, "registers": 0.42},
    "conv5": {"mac": 0.030, "registers": 0.33, "clock": 0.450},
}
_FIGURE_16 = f"{_JSSC}, figure 16, as public notes transcribe its range"
_ELEMENTS = (
    "2 pJ a multiplication is nn_dataflow's, the chip's is less; a register access costs as much by ISCA's table"
)
_FITTED = "clock_w is figure 16's share of CONV1's power"
_VGG = "the chip's VGG mapping is not published; the search fills array and passes better: 1.9 s, not 4.3"


def chip_w(rows: list[Cost]) -> float:
    """Mean watts of the chip over `rows`, DRAM left out."""
    joules = sum(j for row in rows for name, j in (row.energy_by_component_j or {}).items() if name != "dram")
    return joules / sum(row.latency_s or 0.0 for row in rows)


def measured(rows: list[Cost], machine: RowStationary) -> tuple[float, float, float, float, float]:
    """Watts, seconds, seconds of processing, bytes of buffer and DRAM of layers one after another."""
    return (
        chip_w(rows),
        sum(row.latency_s or 0.0 for row in rows),
        sum(row.cycles or 0 for row in rows) / machine.clock_hz,
        sum((row.bytes_by_level or {})["glb"] for row in rows),
        sum(row.dram_bytes or 0 for row in rows),
    )


def of_isca() -> RowStationary:
    """The array of ISCA 2016: 16 x 16 elements of 512 bytes, 128 KB, costs relative to a multiplication, no clock."""
    chip = registry.find("eyeriss").parameters
    return replace(
        chip, rows=16, columns=16, glb_bytes=128 * 1024, glb_banks=32, mac_j=1.0, register_j=1.0, hop_j=2.0,
        buffer_j=6.0, dram_j=200.0, clock_w=1e-9,
    )  # fmt: skip


def isca_layers() -> list[Layer]:
    """AlexNet at batch 16; the first fully connected layer as a convolution of 6 x 6 windows."""
    return [
        *alexnet.convolutions(batch=16),
        conv("fc1", 256, 4096, 6, 6, batch=16),
        dense(4096, 4096, batch=16, bits=16, name="fc2"),
        dense(4096, 1000, batch=16, bits=16, name="fc3"),
    ]


def figures() -> list[Reproduction]:
    """Table V row by row, table III as products, VGG-16's totals, figure 10 of ISCA 2016."""
    machine = registry.find("eyeriss").parameters
    layers = eyeriss_layers.eyeriss_layers()
    rows = row_stationary.cost(layers, machine)
    found = []
    for layer, row in zip(layers, rows, strict=True):
        watts, *seconds, glb, dram = measured([row], machine)
        ours = (watts, *seconds, row_stationary.active_elements(layer, machine), glb, dram)
        found += _alexnet(layer.name, ALEXNET[layer.name], ours)
    watts, *seconds, glb, dram = measured(rows, machine)
    found += _alexnet("all", ALEXNET_TOTAL, (watts, *seconds, None, glb, dram))
    found.append(_figure("fps", "AlexNet, images a second", "1/s", 34.7, 4 / seconds[0], f"{_JSSC}, section VI-A"))
    for layer in layers:
        mapping = row_stationary.mapping(layer, machine)
        found.append(
            _figure(
                f"{layer.name}_pass", f"AlexNet {layer.name}, filters x channels x images of a pass", "",
                _per_pass(MAPPINGS[layer.name]), _per_pass(tuple(getattr(mapping, name) for name in "mnepqrt")),
                f"{_JSSC}, table III", reason=_CONV3 if layer.name == "conv3" else "",
            )
        )  # fmt: skip
    return [*found, *_shares(layers, rows, machine), *_vgg16(machine), *_isca()]


_CONV3 = "table III prints 64 x 4 x 4; the 50.2 MB of table V are those of 32 x 6 x 4, which the search finds"


def _per_pass(mapping: tuple[int, ...]) -> int:
    _, n, _, *inside = mapping
    return n * prod(inside)


def _alexnet(name: str, published: tuple[float | None, ...], ours: tuple[float | None, ...]) -> list[Reproduction]:
    title = f"AlexNet, {name}" if name != "all" else "AlexNet's five convolutions"
    return [
        _figure(
            f"{name}_{key}", f"{title}: {what}", unit, figure, value, f"{_JSSC}, table V",
            fitted=_FITTED if key == "w" else "",
        )
        for (key, what, unit), figure, value in zip(QUANTITIES, published, ours, strict=True)
        if figure is not None and value is not None
    ]  # fmt: skip


def _shares(layers: list[Layer], rows: list[Cost], machine: RowStationary) -> list[Reproduction]:
    """Figure 16: who takes the chip's power in CONV1 and CONV5; what gating saves an element."""
    found = []
    for name, row in (("conv1", rows[0]), ("conv5", rows[4])):
        energy = dict(row.energy_by_component_j or {})
        del energy["dram"]
        for part, share in SHARES[name].items():
            found.append(
                _figure(
                    f"{name}_{part}_share", f"AlexNet {name}: share of {part} in the chip's power", "", share,
                    energy[part] / sum(energy.values()), _FIGURE_16, mark="unverified",
                    reason="" if part == "clock" else _ELEMENTS, fitted=_FITTED if part == "clock" else "",
                )
            )  # fmt: skip
    joules = [
        sum((row.energy_by_component_j or {})[part] for row in given for part in ("mac", "registers"))
        for given in (
            row_stationary.cost([replace(x, input_density=1 - eyeriss_layers.MEAN_ZEROS) for x in layers], machine),
            row_stationary.cost([replace(x, input_density=1.0) for x in layers], machine),
        )
    ]
    saved = 1 - joules[0] / joules[1]
    source = f"{_JSSC}, section V-C"
    return [*found, _figure("gating", "power of an element that data gating saves", "", 0.45, saved, source)]


def _vgg16(machine: RowStationary) -> list[Reproduction]:
    rows = row_stationary.cost(eyeriss_layers.vgg16_layers(), machine)
    watts, seconds, _, _, dram = measured(rows, machine)
    source = f"{_JSSC}, section VI-B"
    return [
        _figure("vgg16_fps", "VGG-16, images a second", "1/s", 0.7, 3 / seconds, source, reason=_VGG),
        _figure("vgg16_w", "VGG-16: chip power", "W", 0.236, watts, source, fitted=_FITTED),
        _figure("vgg16_dram_bytes", "VGG-16: DRAM accesses of 3 images", "B", 321.1e6, dram, source),
    ]


def _isca() -> list[Reproduction]:
    rows = row_stationary.cost(isca_layers(), of_isca())
    found = []
    for row in rows:
        energy = row.energy_by_component_j or {}
        for (part, what), figure in zip(
            (("dram", "DRAM"), ("registers", "registers")), NORMALISED[row.name], strict=True
        ):
            title = f"AlexNet {row.name}, batch 16: energy of {what} relative to a multiplication"
            found.append(_figure(f"isca_{row.name}_{part}", title, "1e9", figure, energy[part] / 1e9, _ISCA))
    return found


def _figure(
    name: str,
    title: str,
    unit: str,
    published: float,
    ours: float,
    source: str,
    *,
    reason: str = "",
    fitted: str = "",
    mark: Mark = "published",
) -> Reproduction:
    return Reproduction(
        row="H20", machine="eyeriss", name=name, title=title, unit=unit, published=published, ours=ours,
        mark=mark, source=source, reason=reason, fitted=fitted,
    )  # fmt: skip
