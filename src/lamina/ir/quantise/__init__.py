"""Quantisation after training: any float network in, a network that computes in integers out.

    network ──simplify──▶ float ──calibrate──▶ how each value is spread ──plan──▶ elements ──write──▶ integers

    integer, report = quantise(network, calibration, method="mse", bits=8)

Calibration inputs are run once and streamed: only extremes and histograms are kept, of bodies at every step.
Arithmetic is that of INTERFACE section 5 (`docs/integers.md`). Inputs and outputs stay real numbers, behind quantise
and dequantise; `ir.transform.integer_core` takes those off. What has no integer meaning (softmax) stays float.
Papers: Jacob et al., CVPR 2018 (arithmetic); Migacz, GTC 2017 (kl); Krishnamoorthi, 2018, https://arxiv.org/abs/1806.08342
"""

from collections.abc import Iterable, Mapping

from lamina.core.errors import BadInput, unknown
from lamina.ir.build import Builder
from lamina.ir.network import Array, Network
from lamina.ir.quantise.assign import Plan
from lamina.ir.quantise.calibrate import calibrated
from lamina.ir.quantise.looping import write
from lamina.ir.quantise.prepare import prepared
from lamina.ir.quantise.ranges import FORMS as FORMS
from lamina.ir.quantise.ranges import METHODS as METHODS
from lamina.ir.quantise.ranges import Rule
from lamina.ir.quantise.report import Report as Report
from lamina.ir.quantise.report import report
from lamina.ir.quantise.scopes import Scope, walk
from lamina.ir.quantise.settings import Settings
from lamina.ir.quantise.write import Writer
from lamina.ir.types import Float

__all__ = ["FORMS", "METHODS", "Report", "quantise"]


def quantise(
    network: Network,
    calibration: Iterable[Mapping[str, Array]],
    *,
    method: str = "min_max",
    bits: int = 8,
    weight_bits: int | None = None,
    state_bits: int | None = None,
    mixed: Mapping[str, int] | None = None,
    per_channel: bool = True,
    scales: str = "power_of_two",
    functions: str = "table",
    percentile: float = 99.99,
) -> tuple[Network, Report]:
    """(`network` in integers, a report); `calibration` are inputs as `Network.run` takes them, a few hundred examples.

    method       min_max, percentile (of `percentile` %), mse or kl: how ranges are found
    bits         of activations, 2..16; `weight_bits`, `state_bits` (cells of recurrent nets) are the same unless given
    mixed        layer -> bits of its weights and its result; a layer in the body of a scan is "scan/layer"
    scales       power_of_two (shifts: for hardware) or float (what ONNX Runtime computes)
    functions    table (2^bits entries) or segments (tanh, sigmoid piecewise linear on 16-bit fixed point)

    Raises `BadInput` for settings out of range, no or unfit calibration inputs, or a network that is integer already.
    """
    settings = Settings(
        rule=Rule(method=method, form=scales, percentile=percentile),
        bits=bits,
        weight_bits=bits if weight_bits is None else weight_bits,
        state_bits=bits if state_bits is None else state_bits,
        mixed=dict(mixed or {}),
        per_channel=per_channel,
        functions=functions,
    )
    if not any(isinstance(t.element, Float) for t in network.types.values()):
        raise BadInput(f"network {network.name!r} has no floats: it is in integers already")
    source = prepared(network)
    _known(source, settings.mixed)
    spreads, kept = calibrated(source, calibration)
    plan = Plan(source, spreads, settings)
    writer = Writer(plan, plan.top, Builder())
    made = _written(writer, source)
    return made, report(plan, writer, made, kept)


def _written(writer: Writer, source: Network) -> Network:
    for name, type_ in source.inputs.items():
        writer.reals[name] = writer.builder.input(name, type_)
    write(writer)
    outputs = {name: writer.real(value) for name, value in source.outputs.items()}
    return writer.builder.network(source.name, outputs, source.carry)


def _known(network: Network, mixed: Mapping[str, int]) -> None:
    """Raise where a name in `mixed` is no layer."""
    layers = ["/".join((*scope.path, operation.name)) for scope, operation in walk(Scope(network))]
    for name in mixed:
        if name not in layers:
            raise unknown("layer", name, layers)
