"""What was chosen and what it costs: a row per layer, measured on the first calibration inputs.

snr          10 log10(sum x^2 / sum (x - x')^2), x the float network's numbers, x' the quantised network's
saturation   share of the float network's numbers that lie beyond the element's ends by more than half a unit
share        the layer's multiply-accumulates and other operations, as a share of the network's
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import Any

import numpy as np

from lamina.ir import integers
from lamina.ir.network import Array, Network
from lamina.ir.quantise.assign import Plan
from lamina.ir.quantise.scopes import Key, observe
from lamina.ir.quantise.write import Writer, Written
from lamina.ir.summary import aligned
from lamina.ir.types import Element, Float, Integer, number

HEAD = ("layer", "operator", "result", "weights", "sum", "saturated", "snr dB", "work")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    layer: str
    operator: str
    element: Element  # of the result; a float where the layer stayed float
    weights: Integer | None
    accumulator: int | None  # bits
    saturation: float | None
    snr_db: float | None  # inf where nothing differs, None where nothing was measured
    share: float

    def to_json(self) -> dict[str, Any]:
        scale = None if isinstance(self.element, Float) else self.element.scale[0]
        return {
            "layer": self.layer,
            "operator": self.operator,
            "element": str(self.element),
            "bits": self.element.bits,
            "scale": scale,
            "zero_point": None if isinstance(self.element, Float) else self.element.zero_point,
            "weight_bits": None if self.weights is None else self.weights.bits,
            "weight_scales": None if self.weights is None else [*self.weights.scale],
            "accumulator": self.accumulator,
            "saturation": self.saturation,
            "snr_db": None if self.snr_db in (None, inf) else self.snr_db,
            "exact": self.snr_db == inf,
            "share": self.share,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Prints as a table."""

    rows: tuple[Row, ...]
    outputs: Mapping[str, float | None]  # output -> signal-to-noise ratio in dB; None where it is no float

    @property
    def float_share(self) -> float:
        """The share of the work that is done in floating point."""
        return sum(row.share for row in self.rows if isinstance(row.element, Float))

    @property
    def float_layers(self) -> list[Row]:
        return [row for row in self.rows if isinstance(row.element, Float)]

    def to_json(self) -> dict[str, Any]:
        """Plain data: every row, the outputs' ratios, the share of the work left in floats."""
        return {
            "schema": 1,
            "layers": [row.to_json() for row in self.rows],
            "outputs": {name: None if snr in (None, inf) else snr for name, snr in self.outputs.items()},
            "float_share": self.float_share,
        }

    def __str__(self) -> str:
        lines = [HEAD, *map(_cells, self.rows)]
        found = [aligned(lines, right=range(4, len(HEAD)))]
        found += [f"output {name}: {_decibels(snr)} dB" for name, snr in self.outputs.items() if snr is not None]
        floats = ", ".join(f"{row.layer} ({row.operator})" for row in self.float_layers) or "none"
        found.append(f"in floating point: {floats}; {self.float_share:.1%} of the work")
        return "\n".join(found)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.layer,
        row.operator,
        str(row.element),
        "" if row.weights is None else _weights(row.weights),
        "" if row.accumulator is None else str(row.accumulator),
        "" if row.saturation is None else f"{row.saturation:.2%}",
        "" if row.snr_db is None else _decibels(row.snr_db),
        f"{row.share:.1%}",
    )


def _weights(of: Integer) -> str:
    if of.axis is None:
        return str(of)
    return f"i{of.bits}({number(min(of.scale))}..{number(max(of.scale))}, {len(of.scale)} scales)"


def _decibels(snr: float) -> str:
    return "exact" if snr == inf else f"{snr:.1f}"


@dataclass(slots=True)
class _Measured:
    signal: float = 0.0
    noise: float = 0.0
    saturated: int = 0
    count: int = 0

    @property
    def snr(self) -> float | None:
        if not self.count:
            return None
        return inf if not self.noise else 10 * log10(max(self.signal, 1e-300) / self.noise)


def report(plan: Plan, writer: Writer, made: Network, kept: Sequence[Mapping[str, Array]]) -> Report:
    """The report on network `made` from `plan`, measured on the inputs `kept`."""
    chosen = {w.key: w for w in writer.written if not plan.hidden(w.key)}
    measured = {key: _Measured() for key in chosen}
    ends = {name: _Measured() for name in made.outputs}
    for inputs in kept:
        _measure(plan.top.network, made, inputs, chosen, measured, ends)
    return Report(rows=tuple(_rows(plan, writer, chosen, measured)), outputs={n: m.snr for n, m in ends.items()})


def _measure(
    network: Network,
    made: Network,
    inputs: Mapping[str, Array],
    chosen: Mapping[Key, Written],
    measured: Mapping[Key, _Measured],
    ends: Mapping[str, _Measured],
) -> None:
    wanted = {w.name for w in chosen.values()} | {(v,) for v in made.outputs.values()}
    real: dict[Key, list[Array]] = defaultdict(list)
    found: dict[Key, list[Array]] = defaultdict(list)

    def see_real(key: Key, array: Array) -> None:
        if key in chosen or key[-1] in network.outputs.values():
            real[key].append(array)

    def see_found(key: Key, array: Array) -> None:
        if key in wanted:
            found[key].append(array)

    observe(network, inputs, see_real)
    observe(made, inputs, see_found)
    for key, w in chosen.items():
        for x, q in zip(real[key], found[w.name], strict=True):
            _compare(x, q, w.element, measured[key])
    for name, value in network.outputs.items():
        if network.types[value].element == made.types[made.outputs[name]].element:
            for x, y in zip(real[(value,)], found[(made.outputs[name],)], strict=True):
                _compare(x, y, made.types[made.outputs[name]].element, ends[name])


def _compare(x: Array, q: Array, element: Element, into: _Measured) -> None:
    if x.dtype.kind != "f":
        return
    x = x.astype(np.float64)
    if isinstance(element, Float):
        y = q.astype(np.float64)
    else:
        y = integers.dequantise(q.astype(np.int64), element).astype(np.float64)
        units = x / element.scale[0] + element.zero_point
        into.saturated += int(((units > element.high + 0.5) | (units < element.low - 0.5)).sum())
    there = np.isfinite(x) & np.isfinite(y)
    into.signal += float((x[there] ** 2).sum())
    into.noise += float(((x[there] - y[there]) ** 2).sum())
    into.count += int(there.sum())


def _rows(plan: Plan, writer: Writer, chosen: Mapping[Key, Written], measured: Mapping[Key, _Measured]) -> list[Row]:
    work = _work(plan.top.network)
    total = sum(work.values()) or 1
    rows = []
    for scope, operation in plan.operations:
        key = (*scope.path, operation.name)
        if not scope.is_float(operation.name) or operation.operator == "scan":
            continue
        w, m = chosen.get(key), measured.get(key, _Measured())
        stays = not plan.is_integer(scope, operation)
        found = w.element if w is not None else plan.element(key)
        element = scope.types[operation.name].element if stays else found
        rows.append(
            Row(
                layer="/".join(key),
                operator=operation.operator,
                element=element,
                weights=writer.weights.get(key),
                accumulator=writer.accumulators.get(key),
                saturation=m.saturated / m.count if m.count and not isinstance(element, Float) else None,
                snr_db=m.snr,
                share=work.get("/".join(key), 0) / total,
            )
        )
    return rows


def _work(network: Network) -> dict[str, int]:
    """Multiply-accumulates and other operations of each layer."""
    found: dict[str, int] = defaultdict(int)
    for layer in network.layers():
        found[layer.name] += layer.macs + layer.ops * layer.repeats
    return found
