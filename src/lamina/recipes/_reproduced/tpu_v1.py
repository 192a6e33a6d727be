"""TPU v1: peak and ridge, the counters of its table 3, rooflines, rates, tiling, buffer use, power states.

The applications are known by what table 1 prints; their layer shapes are assumed (`hw/workloads/tpu_applications.py`).
Nothing is fitted. The paper's own model is off by 5 to 11 % (its table 7), and knew the shapes.
"""

from dataclasses import replace

from lamina.hw import registry
from lamina.hw.families import tpu
from lamina.hw.families._tpu_timeline import Counters
from lamina.hw.families.tpu import Tpu
from lamina.hw.workloads import tpu_applications
from lamina.hw.workloads.tpu_applications import APPLICATIONS, BATCH, MACS_PER_BYTE
from lamina.ir.layer import dense
from lamina.recipes._reproduction import Reproduction, geometric_mean

_PAPER = "Jouppi et al., ISCA 2017"
TABLE_3 = {  # per cent of all cycles, and TOPS
    "mlp0": {
        "active": 12.7, "useful": 12.5, "unused": 0.3, "stall": 53.9, "shift": 15.9, "non_matrix": 17.5, "raw": 3.3,
        "input": 6.1, "tops": 12.3,
    },
    "lstm0": {
        "active": 8.2, "useful": 8.2, "stall": 58.1, "shift": 15.8, "non_matrix": 17.9, "raw": 14.6, "input": 5.1,
        "tops": 3.7,
    },
    "cnn0": {"active": 78.2, "useful": 78.2, "non_matrix": 21.8, "raw": 3.5, "input": 3.4, "tops": 86.0},
}  # fmt: skip
_TITLES = {
    "active": "cycles in which the array multiplies",
    "useful": "cycles' worth of useful multiply-accumulates",
    "unused": "cycles' worth of unused multipliers",
    "stall": "cycles that wait for weights",
    "shift": "cycles that wait for a tile to shift in",
    "non_matrix": "cycles that wait for something else",
    "raw": "cycles that wait for results of the layer before",
    "input": "cycles that wait for input",
    "tops": "operations a second",
}
_WAITS = (
    "the paper cannot account for all its non-matrix cycles; of ours only results' way out, vector units and PCIe at "
    "full rate are derivable, and less of them leaves larger shares to the others"
)
_PADDED = "layers of 2000 are assumed, which leave 4.6 % of their 8 x 8 tiles empty; layers of 2048 would leave none"
_FULL = (
    "the paper cannot explain these 21.8 % of cycles, and its own 86.0 TOPS, 94 % of the peak, leave no room for them"
)
HOST_SHARE = {"mlp0": 0.21, "mlp1": 0.76, "lstm0": 0.11, "lstm1": 0.20, "cnn0": 0.51, "cnn1": 0.14}  # table 5
_BUFFER = {"mlp0": 11.0, "mlp1": 2.3, "lstm0": 4.8, "lstm1": 4.5, "cnn0": 1.5}  # table 8, MiB


def run(name: str, machine: Tpu) -> Counters:
    """The counters of one application."""
    return tpu.network_counters(APPLICATIONS[name](), machine)


def per_second(machine: Tpu, batch: int) -> float:
    """Inferences of MLP0 a second."""
    counted = tpu.network_counters(tpu_applications.mlp0(batch=batch), machine)
    return batch * machine.clock_hz / counted.total


def shares(name: str, machine: Tpu) -> dict[str, float]:
    """The rows of table 3, as it writes them."""
    layers, counted = APPLICATIONS[name](), run(name, machine)
    seconds = counted.total / machine.clock_hz
    first = layers[0]
    read_s = first.inputs * first.input_bits / 8 / machine.link_bytes_per_s
    found = {row: 100 * counted.share(row) for row in ("active", "useful", "stall", "shift", "non_matrix")}
    found["unused"] = found["active"] - found["useful"]
    found["raw"] = 100 * (counted.raw + counted.other) / counted.total
    found["input"] = 100 * read_s / seconds
    found["tops"] = 2 * sum(layer.macs for layer in layers) / seconds / 1e12
    return found


def figures() -> list[Reproduction]:
    """Every figure of the chip."""
    p = registry.find("tpu_v1").parameters
    return [*_chip(p), *_counters(p), *_roofline(p), *_rates(p), *_alternatives(p), *_buffer(), *_power(p)]


def figure(
    name: str,
    title: str,
    unit: str,
    published: float,
    ours: float,
    source: str,
    reason: str = "",
    *,
    recalled: bool = False,
) -> Reproduction:
    """One row; the reason only where it is needed."""
    found = Reproduction(
        row="H11",
        machine="tpu_v1",
        name=name,
        title=title,
        unit=unit,
        published=published,
        ours=ours,
        mark="unverified" if recalled else "published",
        source=f"{_PAPER}, {source}" + (" (recalled)" if recalled else ""),
    )
    return found if found.within else replace(found, reason=reason)


def _chip(p: Tpu) -> list[Reproduction]:
    return [
        figure("peak_ops_per_s", "peak", "op/s", 92e12, p.peak_ops_per_s, "table 2"),
        figure("ridge", "ridge of the roofline", "MAC/B", 1350, p.ridge_macs_per_byte, "section 4"),
        figure("tile_load_cycles", "one tile from weight memory", "cycle", 1350, p.load_cycles, "section 4"),
    ]


def _counters(p: Tpu) -> list[Reproduction]:
    found = []
    for name, rows in TABLE_3.items():
        ours = shares(name, p)
        for row, published in rows.items():
            why = _PADDED if row == "unused" else _FULL if name == "cnn0" else _WAITS
            unit = "TOPS" if row == "tops" else "%"
            title = f"{name.upper()}: {_TITLES[row]}"
            found.append(figure(f"{name}_{row}", title, unit, published, ours[row], "table 3", why))
    return found


def _roofline(p: Tpu) -> list[Reproduction]:
    bounds = {"mlp0": 13.6, "lstm0": 4.35, "cnn0": 91.75}  # the printed peak, ridge and intensities
    return [
        figure(
            f"{name}_bound",
            f"{name.upper()}: bound of the roofline",
            "TOPS",
            published,
            p.peak_ops_per_s / 1e12 * min(1.0, MACS_PER_BYTE[name] / p.ridge_macs_per_byte),
            "tables 1 and 2",
        )
        for name, published in bounds.items()
    ]


def _rates(p: Tpu) -> list[Reproduction]:
    host = "the host's time limits the rate, as the paper says of this table: with table 5's share it is below"
    queue = "the 99th percentile of response times holds queueing, batching and the host; ours is one batch on the chip"
    found = []
    for batch, rate, response_ms in ((200, 225_000, 7.0), (250, 280_000, 10.0)):
        ours = per_second(p, batch)
        title = f"MLP0, batch {batch}"
        found += [
            figure(f"mlp0_batch{batch}_per_s", f"{title}: inferences a second", "1/s", rate, ours, "table 4", host),
            figure(
                f"mlp0_batch{batch}_with_host_per_s",
                f"{title}: inferences a second, table 5's host time of 21 % added",
                "1/s",
                rate,
                ours / (1 + HOST_SHARE["mlp0"]),
                "tables 4 and 5",
                recalled=True,
            ),
            figure(
                f"mlp0_batch{batch}_ms",
                f"{title}: response time",
                "ms",
                response_ms,
                1e3 * batch / ours,
                "table 4",
                queue,
            ),
        ]
    return found


def _alternatives(p: Tpu) -> list[Reproduction]:
    """Section 7: other bandwidths, clocks and arrays."""
    larger = replace(p, rows=512, columns=512)
    matrix = dense(600, 600, batch=BATCH["lstm1"])

    def tiling_us(machine: Tpu) -> float:
        """A matrix of LSTM1 in the steady state: its tiles, one after another."""
        cut = tpu.tiles(matrix, machine)
        return 1e6 * cut.count * max(machine.load_cycles, machine.rows, cut.streamed) / machine.clock_hz

    def gain(names: tuple[str, ...], other: Tpu) -> float:
        times = [(run(n, p).total / p.clock_hz, run(n, other).total / other.clock_hz) for n in names]
        return geometric_mean([before / after for before, after in times])

    text = "section 7, figure 11"
    slow = "CNN0 waits for weights once the clock is 4 times as fast: 1444 vectors a tile do not hide 5398 cycles"
    return [
        figure("lstm1_tiling_us", "a 600 x 600 matrix of LSTM1", "us", 18, tiling_us(p), "section 7"),
        figure("lstm1_tiling_512_us", "the same on an array of 512 x 512", "us", 32, tiling_us(larger), "section 7"),
        figure(
            "memory_4x",
            "MLPs and LSTMs with 4 times the bandwidth: speed-up",
            "x",
            3,
            gain(("mlp0", "mlp1", "lstm0", "lstm1"), replace(p, dram_bytes_per_s=4 * p.dram_bytes_per_s)),
            text,
        ),
        figure(
            "clock_4x_cnn",
            "CNNs with 4 times the clock: speed-up",
            "x",
            2,
            gain(("cnn0", "cnn1"), replace(p, clock_hz=4 * p.clock_hz)),
            text,
            slow,
        ),
        figure(
            "clock_4x_fc",
            "MLPs and LSTMs with 4 times the clock: speed-up (almost none)",
            "x",
            1,
            gain(("mlp0", "mlp1", "lstm0", "lstm1"), replace(p, clock_hz=4 * p.clock_hz)),
            text,
        ),
    ]


def _buffer() -> list[Reproduction]:
    why = "ours are inputs and outputs of one layer of assumed shape, one batch: the chip's layout is not known"
    return [
        figure(
            f"{name}_buffer_mib",
            f"{name.upper()}: unified buffer used",
            "MiB",
            published,
            tpu.unified_buffer_bytes(APPLICATIONS[name]()) / 2**20,
            "table 8",
            why,
            recalled=True,
        )
        for name, published in _BUFFER.items()
    ]


def _power(p: Tpu) -> list[Reproduction]:
    tenth = (p.idle_w + 0.1 * (p.busy_w - p.idle_w)) / p.busy_w
    why = "two states mixed by time give 73 %: the real chip's power at a load of 10 % lies far above its idle power"
    return [figure("power_at_10_percent", "power at 10 % load, of full power", "%", 88, 100 * tenth, "section 6", why)]
