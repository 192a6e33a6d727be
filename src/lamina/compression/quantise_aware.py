"""Quantisation-aware training: a float module in, a trained module that computes in integers out.

    model ──lower──▶ network ──ir.quantise──▶ integers ──nn.fake──▶ weights and scales ──retrain──▶ integers again

The start is quantisation after training; retraining then moves weights and the scales of every value together, rounding
straight through. Few bits need it: with 8 quantisation after training does, with 4 it loses points, with 2 all.
What comes back computes integers in eval mode; its `to_integer()` is the network to cost, emulate and export.

Units      accuracies are shares in [0, 1]; `evaluate` must see validation data only where choices are made by it
Errors     `BadInput` for settings out of range and calibration inputs that do not fit
Paper      Esser et al., "Learned Step Size Quantization", ICLR 2020, https://arxiv.org/abs/1902.08153
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lamina.compression.prune import Retrain
from lamina.core.errors import BadInput
from lamina.ir.network import Network
from lamina.ir.quantise import quantise
from lamina.lowering import lower
from lamina.nn.fake import FakeQuantised, fake_quantised
from lamina.nn.learned_scale import LearnedScale
from lamina.nn.network import NetworkModule

Evaluate = Callable[[nn.Module], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """As `ir.quantise.quantise` takes them."""

    bits: int = 8  # of activations, 2..16
    weight_bits: int | None = None  # the same unless given
    state_bits: int | None = None  # of cells of recurrent nets
    mixed: Mapping[str, int] = field(default_factory=dict)  # layer -> bits of its weights and its result
    scales: str = "power_of_two"  # or float
    per_channel: bool = True
    method: str = "mse"  # how the first ranges are found


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    config: Config
    scales: int  # learned, counting each channel
    moved: int  # of these, how many are others now
    accuracies: Mapping[str, float]  # float, post_training, quantise_aware; empty without `evaluate`

    def __str__(self) -> str:
        bits = f"{self.config.weight_bits or self.config.bits}-bit weights, {self.config.bits}-bit activations"
        found = ", ".join(f"{name.replace('_', '-')} {share:.2%}" for name, share in self.accuracies.items())
        return f"{bits}: {self.moved} of {self.scales} scales moved" + (f"; accuracy {found}" if found else "")


def quantise_aware(
    model: nn.Module,
    calibration: Tensor,
    retrain: Retrain,
    config: Config = Config(),
    *,
    evaluate: Evaluate | None = None,
) -> tuple[FakeQuantised, Report]:
    """`model` quantised and retrained, in eval mode; `calibration` is a batch of its inputs, some dozens of examples.

    `model` may be a `NetworkModule`: a network that came from a file. `retrain` trains in place, with a loss of its own
    (`training.retraining.retrainer(..., loss=...)`), since the module that it gets has none.
    """
    if len(calibration) == 0:
        raise BadInput("the calibration batch is empty: give some dozens of real inputs")
    network = _network(model, calibration)
    (name,) = network.inputs
    examples = [{name: example[None].numpy()} for example in calibration]
    start, _ = quantise(
        network,
        examples,
        method=config.method,
        bits=config.bits,
        weight_bits=config.weight_bits,
        state_bits=config.state_bits,
        mixed=config.mixed,
        per_channel=config.per_channel,
        scales=config.scales,
    )
    module = fake_quantised(network, start).eval()
    found: dict[str, float] = {}
    if evaluate is not None:
        found = {"float": evaluate(model), "post_training": evaluate(module)}
    before = _scales(module)
    retrain(module, after_update=lambda share: None)
    module.eval()
    if evaluate is not None:
        found["quantise_aware"] = evaluate(module)
    after = _scales(module)
    moved = sum(a != b for a, b in zip(before, after, strict=True))
    return module, Report(config=config, scales=len(after), moved=moved, accuracies=found)


def _network(model: nn.Module, calibration: Tensor) -> Network:
    network: Any = (
        model.to_network()
        if isinstance(model, NetworkModule)
        else lower(model, input_shape=(1, *calibration.shape[1:]))
    )
    if len(network.inputs) != 1:
        raise BadInput(f"network {network.name!r} has {len(network.inputs)} inputs: one is calibrated here")
    return network


def _scales(module: nn.Module) -> list[float]:
    return [s for part in module.modules() if isinstance(part, LearnedScale) for s in part.numbers()]
