"""What the survey says of processors, GPUs, FPGAs and ASICs, computed: each claim with its figures and a verdict.

    C26   train on CPU with GPU or many-core, infer on CPU with FPGA or ASIC
    C28   a GPU is tens to thousands of times one core; a card replaces tens to hundreds of servers
    C30   an ASIC is 5 to 10 times as fast as an FPGA, and 10 to 100 times cheaper in volume

Every figure comes from the registered machines when it is asked for. A verdict is a rule over them, written here, not a
judgement: a claim of a range holds if all figures lie in it, in part if some do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lamina.core.units import mm2, nm
from lamina.hw import fpga_asic, registry
from lamina.hw.components import lookup_table, silicon_price
from lamina.hw.workloads import alexnet, vgg16
from lamina.ir.layer import Layer

Holds = Literal["holds", "holds in part", "does not hold"]
NETWORKS: Mapping[str, Callable[..., list[Layer]]] = {"AlexNet": alexnet.alexnet, "VGG-16": vgg16.vgg16}
BATCHES = (1, 128)
GPUS = ("gtx_580", "k20m", "k40m", "titan_x", "titan_x_pascal", "p100", "fury_x")  # of the survey's time
NODE_M = 28 * nm  # of prices
SERVER = "xeon_e5_2430"  # one socket of 2012
IN_CHINESE = {
    "scalar core": "标量核",
    "vector core": "向量核",
    "server of 2012, one socket": "2012 年单路服务器",
    "server of 2016, two sockets": "2016 年双路服务器",
}
CORES = {  # one core of it, without and with its vector unit
    "scalar core": f"{SERVER}:cores=1,ops_per_cycle_32=2,ops_per_cycle_16=2,ops_per_cycle_8=2",
    "vector core": f"{SERVER}:cores=1",
}
SERVERS = {"server of 2012, one socket": SERVER, "server of 2016, two sockets": "xeon_e5_2699v4_server"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    claim: str  # of claims.toml
    says: str
    low: float
    high: float
    figures: Mapping[str, float]
    why: str = ""
    says_zh: str = ""  # in Chinese, as `why_zh`
    why_zh: str = ""

    @property
    def holds(self) -> Holds:
        """Whether all figures, some or none lie in [low, high]."""
        inside = [self.low <= value <= self.high for value in self.figures.values()]
        return "holds" if all(inside) else "holds in part" if any(inside) else "does not hold"


def verdicts() -> list[Verdict]:
    """All claims of this file."""
    return [*gpu_over_cores(), *gpu_over_servers(), asic_over_fpga_speed(), asic_over_fpga_price(), *training()]


def gpu_over_cores() -> list[Verdict]:
    """C28, first half: pictures a second of a card over those of one core, in float32."""
    says = "a GPU is tens to a thousand times one core"
    why = "a roofline gives cores and cards their peak; the largest cards in large batches exceed it over a scalar core"
    why_zh = "屋顶线模型让核与卡都达到峰值；批量大时，最大的卡超出了标量核的这一范围"
    return [
        Verdict(
            claim="C28", says=f"{says} ({core})", low=10, high=1000, figures=_ratios(spec), why=why,
            says_zh=f"GPU 的速度是单核的几十到一千倍（{IN_CHINESE[core]}）", why_zh=why_zh,
        )
        for core, spec in CORES.items()
    ]  # fmt: skip


def gpu_over_servers() -> list[Verdict]:
    """C28, second half: pictures a second of a card over those of a server."""
    says = "a card replaces tens to hundreds of servers"
    why = "a server's cores have vector units too: peak against peak a card of 2016 is a few servers of 2016"
    why_zh = "服务器的核也有向量单元：峰值对峰值，2016 年的一块卡只相当于 2016 年的几台服务器"
    return [
        Verdict(
            claim="C28", says=f"{says} ({server})", low=10, high=1000, figures=_ratios(spec), why=why,
            says_zh=f"一块卡可代替几十到几百台服务器（{IN_CHINESE[server]}）", why_zh=why_zh,
        )
        for server, spec in SERVERS.items()
    ]  # fmt: skip


def asic_over_fpga_speed() -> Verdict:
    """C30, first half: one design on both, by its clock and on AlexNet's convolutions with the same memory."""
    fpga, asic = (_seconds(name, alexnet.tower(bits=32)) for name in ("zhang_fpga15", "zhang_asic_like"))
    fast, slow = lookup_table.DELAY_RATIO
    return Verdict(
        claim="C30",
        says="an ASIC is 5 to 10 times as fast as an FPGA",
        low=5,
        high=10,
        figures={
            "clock, fastest speed grade": fast,
            "clock, slowest speed grade": slow,
            "AlexNet on Zhang's engine, same memory": fpga / asic,
        },
        why="one design at one node gains 3.4 to 4.6 in clock; more than that takes more units, which the area allows",
        says_zh="ASIC 的速度是 FPGA 的 5 到 10 倍",
        why_zh="同一设计、同一工艺，时钟只快 3.4 到 4.6 倍；再快就要更多的运算单元，而面积允许这样做",
    )


def asic_over_fpga_price() -> Verdict:
    """C30, second half: price a piece in volume at 28 nm, by the size of the design in standard cells."""
    node, engine = NODE_M, _engine_m2()
    areas = {"Zhang's engine, 5 mm2": engine, "20 mm2": 20 * mm2, "50 mm2": 50 * mm2, "100 mm2": 100 * mm2}
    return Verdict(
        claim="C30",
        says="an ASIC is 10 to 100 times cheaper in volume",
        low=10,
        high=100,
        figures={
            name: fpga_asic.fpga_unit_dollars(area, node) / silicon_price.chip_dollars(area, node)
            for name, area in areas.items()
        },
        why="the package decides the price of a small chip; prices are assumed (components/silicon_price.py)",
        says_zh="大批量时 ASIC 便宜 10 到 100 倍",
        why_zh="小芯片的价格取决于封装；价格为假定值（components/silicon_price.py）",
    )


def engine_prices() -> list[fpga_asic.Point]:
    """Dollars a piece of Zhang's engine as FPGA and as ASIC, from a hundred pieces to ten million."""
    area = _engine_m2()
    return fpga_asic.curve(
        [10 ** (step / 8) for step in range(16, 57)],
        fpga_dollars=fpga_asic.fpga_unit_dollars(area, NODE_M),
        asic_dollars=silicon_price.chip_dollars(area, NODE_M),
        one_time_dollars=silicon_price.design_dollars(NODE_M),
    )


def _engine_m2() -> float:
    return fpga_asic.engine_area_m2(multipliers=448, memory_bits=1024 * lookup_table.BLOCK_RAM_BITS, node_m=NODE_M)


def training() -> list[Verdict]:
    """C26: joules a picture of AlexNet's convolutions, a GPU's over the others'; training is three forward passes.

    The accelerators of the survey compute in 16-bit fixed point and forward only, so training has no figure for them.
    """
    machines = {
        "FPGA (zhang_fpga15, float32)": ("zhang_fpga15", alexnet.tower(bits=32), 2),
        "ASIC (diannao, 16 bits)": ("diannao", alexnet.convolutions(bits=16), 1),
        "ASIC (eyeriss, 16 bits)": ("eyeriss", alexnet.convolutions(bits=16), 1),
    }
    gpu_j = _joules("k40m", alexnet.convolutions(bits=32))
    infer = {name: gpu_j / (_joules(m, layers) * towers) for name, (m, layers, towers) in machines.items()}
    step = [replace(layer, n=128) for layer in alexnet.convolutions(bits=32)] * 3
    gpu_s = _seconds("k40m", step)
    train = {m: _seconds(m, step) / gpu_s for m in ("xeon_e5_2699v4_server", "xeon_e5_2430", "xeon_phi_7120p")}
    train["zhang_fpga15"] = 128 * 3 * 2 * _seconds("zhang_fpga15", alexnet.tower(bits=32)) / gpu_s
    return [
        Verdict(
            claim="C26", says="FPGAs and ASICs take less energy a picture than a GPU", low=1, high=1e6, figures=infer,
            why="the GPU at its board's rated power, one picture; DianNao and Eyeriss without the rest of their boards",
            says_zh="每幅图片的能耗，FPGA 和 ASIC 低于 GPU",
            why_zh="GPU 按整卡额定功率、每次一幅图片计；DianNao 与 Eyeriss 不含板上其余部分",
        ),
        Verdict(
            claim="C26", says="training is fastest on a GPU (time of a step over the GPU's)", low=1, high=1e6,
            figures=train, why="128 pictures, float32; peak against peak, so a many-core server comes close",
            says_zh="训练以 GPU 最快（一步的时间与 GPU 之比）",
            why_zh="128 幅图片，float32；峰值对峰值，所以众核服务器也相差不远",
        ),
    ]  # fmt: skip


def _ratios(spec: str) -> dict[str, float]:
    """Of every card, network and batch: seconds on `spec` over seconds on the card."""
    found: dict[str, float] = {}
    for name, network in NETWORKS.items():
        for batch in BATCHES:
            layers = network(batch=batch, bits=32)
            slow = _seconds(spec, layers)
            found |= {f"{gpu}, {name}, batch {batch}": slow / _seconds(gpu, layers) for gpu in GPUS}
    return found


def _seconds(spec: str, layers: Sequence[Layer]) -> float:
    machine = registry.find(spec)
    return sum(float(cost.latency_s) for cost in machine.family.cost(layers, machine.parameters))


def _joules(spec: str, layers: Sequence[Layer]) -> float:
    machine = registry.find(spec)
    return sum(float(cost.energy_j) for cost in machine.family.cost(layers, machine.parameters))
