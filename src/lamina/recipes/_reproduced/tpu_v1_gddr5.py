"""TPU', with GDDR5 weight memory: its speed-up over the TPU, which the paper had from a model too."""

from lamina.hw import registry
from lamina.hw.workloads.tpu_applications import APPLICATIONS
from lamina.recipes._reproduced.tpu_v1 import HOST_SHARE, run
from lamina.recipes._reproduction import Reproduction, geometric_mean

_PAPER = "Jouppi et al., ISCA 2017, section 7"
MIX = {"mlp": 61, "lstm": 29, "cnn": 5}  # per cent of deployed TPUs, both applications of a kind: table 1


def speed_up() -> dict[str, float]:
    """Of each application over the TPU v1."""
    before, after = (registry.find(name).parameters for name in ("tpu_v1", "tpu_v1_gddr5"))
    return {name: run(name, before).total / run(name, after).total for name in APPLICATIONS}


def weighted(gains: dict[str, float]) -> float:
    """The mean by the mix; how it divides between the two of a kind is not printed: equally."""
    return sum(share * sum(gains[f"{kind}{i}"] for i in (0, 1)) / 2 for kind, share in MIX.items()) / sum(MIX.values())


def figures() -> list[Reproduction]:
    """Means of the speed-ups, without and with the host's time."""
    gains = speed_up()
    hosted = {name: (1 + HOST_SHARE[name]) / (1 / gain + HOST_SHARE[name]) for name, gain in gains.items()}

    def figure(name: str, title: str, published: float, ours: float, reason: str = "") -> Reproduction:
        return Reproduction(
            row="H11", machine="tpu_v1_gddr5", name=name, title=title, unit="x", published=published, ours=ours,
            mark="published", source=_PAPER, reason=reason,
        )  # fmt: skip

    return [
        figure("speed_up", "six applications over the TPU, geometric mean", 2.6, geometric_mean(list(gains.values()))),
        figure("speed_up_weighted", "the same, mean weighted by deployment", 3.9, weighted(gains)),
        figure(
            "speed_up_with_host",
            "geometric mean with table 5's host time added to both",
            1.9,
            geometric_mean(list(hosted.values())),
        ),
        figure(
            "speed_up_weighted_with_host",
            "weighted mean with the host time",
            3.2,
            weighted(hosted),
            "MLP1's host time of 76 % weighs as much as MLP0's 21 % here: how the mix divides a kind is not printed",
        ),
    ]
