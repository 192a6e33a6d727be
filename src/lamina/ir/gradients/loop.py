"""The gradient of a scan: a scan that walks back over the states it went through.

    forward    s[t+1], y[t] = body(s[t], x[t], w)
    backward   ds[t], dx[t], dw += the body's own gradients at s[t], x[t], w, given ds[t+1] and dy[t]

The states at the start of every step are found by running the loop once more, with them as outputs; the adjoints ds and
the sums dw are the states of the loop back. (Werbos, Backpropagation through time, 1990.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lamina.ir.build import Builder, Value
    from lamina.ir.network import Network
    from lamina.ir.operators._table import Site


def scan(
    b: Builder, site: Site, inputs: list[Value], outputs: list[Value], given: list[Value | None]
) -> list[Value | None]:
    """Of initial states, sequences and captured values."""
    from lamina.ir.backward import backward, replay

    body: Network = site.attributes["body"]
    count, sequences, reverse = len(body.carry), site.attributes["sequences"], site.attributes["reverse"]
    names, name = list(body.inputs), f"d.{outputs[0].name}"
    slices = range(count, count + sequences)
    real = [np.dtype(v.type.element.storage).kind == "f" for v in inputs]
    states = [i for i in range(count) if real[i]]
    captured = [i for i in range(count + sequences, len(inputs)) if real[i]]
    saved = _states(b, body, site, inputs, name)

    ends = list(body.outputs)
    carried = {into: end for end, into in body.carry.items()}
    stacked = [i for i, end in enumerate(ends) if end not in body.carry and given[i] is not None]
    seeds = [given[ends.index(carried[names[i]])] for i in states]
    starts = [seed or _zeros(b, inputs[i]) for seed, i in zip(seeds, states, strict=True)]
    starts += [_zeros(b, inputs[i]) for i in captured]

    def cell(inner: Builder, adjoints: list[Value], parts: list[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        at = dict(zip(names, inputs, strict=True))  # captured values are those of outside
        at.update(zip(names[: count + sequences], parts, strict=False))
        values = replay(inner, body, at)
        later = parts[count + sequences :]
        pairs = [(body.outputs[carried[names[i]]], adjoint) for i, adjoint in zip(states, adjoints, strict=False)]
        pairs += [(body.outputs[ends[i]], part) for i, part in zip(stacked, later, strict=True)]
        wanted = [names[i] for i in (*states, *slices, *captured) if real[i]]
        found = backward(inner, body, values, pairs, wanted)
        following = [found.get(names[i]) or _zeros(inner, inputs[i]) for i in states]
        for i, so_far in zip(captured, adjoints[len(states) :], strict=True):
            more = found.get(names[i])
            following.append(so_far if more is None else inner.emit("add", [so_far, more], name=name))
        steps = [found.get(names[i]) or _zeros(inner, parts[i]) for i in slices if real[i]]
        return following, steps

    walked = [*saved, *(inputs[i] for i in slices), *(v for i in stacked if (v := given[i]) is not None)]
    final, along = b.scan(name, cell, states=starts, sequences=walked, reverse=not reverse)
    back: list[Value | None] = [None] * len(inputs)
    for i, value in zip((*states, *captured), final, strict=True):
        back[i] = value
    for i, value in zip((i for i in slices if real[i]), along, strict=True):
        back[i] = value
    return back


def _states(b: Builder, body: Network, site: Site, inputs: list[Value], name: str) -> list[Value]:
    """The states at the start of every step, stacked."""
    from lamina.ir.simplify import remove_dead

    if not body.carry:
        return []
    carried = enumerate(body.carry.items())
    following = {f"next_{i}": (body.outputs[end], into) for i, (end, into) in carried}
    before = {f"before_{i}": into for i, into in enumerate(list(body.inputs)[: len(body.carry)])}
    shown = body.replaced(
        outputs={name: value for name, (value, _) in following.items()} | before,
        carry={name: into for name, (_, into) in following.items()},
    )
    found: list[Value] = b.emit(
        "scan", inputs, name=f"{name}.states", **{**site.attributes, "body": remove_dead(shown)}
    )
    return found[len(following) :]


def _zeros(b: Builder, like: Value) -> Value:
    made: Value = b.emit("expand", [b.scalar(0.0, like)], shape=like.shape)
    return made
