"""GPUs on whole networks as public benchmarks of libraries timed them: forward, and a training step, in float32.

    a training step = forward, gradients of the weights, gradients of the inputs: three times the multiplications, but
                      for the first layer, whose inputs need no gradient

Only layers that multiply are counted; the networks are those whose layer tables are here. The roofline knows the direct
sum only: Winograd's and Fourier's convolutions take fewer multiplications and can beat it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lamina.core.units import ms
from lamina.hw import registry
from lamina.ir.layer import Layer
from lamina.recipes._reproduction import Reproduction

SOUMITH = "Chintala, convnet-benchmarks, cuDNN R4 in float32, https://github.com/soumith/convnet-benchmarks"
JOHNSON = "Johnson, cnn-benchmarks, cuDNN 5 in float32, https://github.com/jcjohnson/cnn-benchmarks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """What a benchmark printed of one network."""

    source: str
    title: str
    network: Callable[..., list[Layer]]
    batch: int
    forward_ms: float
    step_ms: float  # forward and backward


def rows(machine: str, timed: Timed, why: str) -> list[Reproduction]:
    """Two figures: a forward pass and a training step; `why` where one is far off."""
    forward = timed.network(batch=timed.batch, bits=32)
    gradients = [layer for layer in forward for _ in range(2)][1:]
    name = timed.network.__name__
    figures = [
        Reproduction(
            row="H2",
            machine=machine,
            name=f"{name}_batch{timed.batch}_{part}_s",
            title=f"{timed.title}, batch {timed.batch}, {words}",
            unit="s",
            published=printed * ms,
            ours=_seconds(machine, layers),
            mark="published",
            source=timed.source,
            reason=why,
        )
        for part, words, printed, layers in (
            ("forward", "forward", timed.forward_ms, forward),
            ("step", "training step", timed.step_ms, forward + gradients),
        )
    ]
    return [replace(f, reason="") if f.within else f for f in figures]


def _seconds(machine: str, layers: Sequence[Layer]) -> float:
    found = registry.find(machine)
    return sum(float(cost.latency_s) for cost in found.family.cost(layers, found.parameters))
