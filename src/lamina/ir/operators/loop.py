"""scan: a body network, step after step, with explicit state; every recurrent net is one.

    s[0] = initial        s[t+1], y[t] = body(s[t], x[t], w)        results: s[T], and y stacked along axis 0

Inputs    initial states, then `sequences` values whose axis 0 is time, then captured values (weights), which every step
          sees whole; the body's inputs are in the same order. `reverse` walks from the last step to the first: y[t]
          still lies at t. Without sequences `steps` says how often.
State     the body's `carry` joins each next state to the input that receives it; they are of one type, so that a cell
          state has one scale. The body has no constants of its own: weights belong to the network outside.
Meaning   the body's own, float or integer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.gradients import loop as gradients
from lamina.ir.network import Array, Network
from lamina.ir.operators._table import Attributes, Operator, Shape, Site
from lamina.ir.types import Element

MOST_STEPS = 2**20


def states(attributes: Attributes) -> int:
    """How many states the body has."""
    return len(attributes["body"].carry)


def trip_count(shapes: Sequence[Shape], attributes: Attributes) -> int:
    """The number of steps."""
    if not attributes["sequences"]:
        return int(attributes["steps"])
    return shapes[states(attributes)][0]


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> list[Shape]:
    body, sequences = attributes["body"], attributes["sequences"]
    count = states(attributes)
    if body.constants:
        raise BadInput("the body of a scan has no constants of its own: hand them in")
    if len(shapes) != len(body.inputs) or not 0 <= sequences <= len(shapes) - count:
        raise BadInput(f"{len(shapes)} inputs and {sequences} sequences do not fit a body of {len(body.inputs)} inputs")
    inputs = list(body.inputs)
    if set(body.carry.values()) != set(inputs[:count]):
        raise BadInput("the first inputs of the body are its states, each carried from one output")
    if any(not shape for shape in shapes[count : count + sequences]):
        raise BadInput("a sequence has an axis of time")
    steps = {shape[0] for shape in shapes[count : count + sequences]} or {attributes["steps"]}
    if len(steps) > 1 or not 1 <= min(steps) <= MOST_STEPS:
        raise BadInput(f"sequences of {sorted(steps)} steps: one length of 1 to {MOST_STEPS} is needed")
    if sequences and attributes["steps"]:
        raise BadInput("`steps` is for a scan without sequences")
    for i, (name, shape) in enumerate(zip(inputs, shapes, strict=True)):
        given = shape[1:] if count <= i < count + sequences else shape
        if body.inputs[name].shape != given:
            raise BadInput(f"the body's input {name!r} is {list(body.inputs[name].shape)}, {list(given)} comes")
    types = body.types
    trips = min(steps)
    return [
        types[value].shape if output in body.carry else (trips, *types[value].shape)
        for output, value in body.outputs.items()
    ]


def _element(elements: Sequence[Element], attributes: Attributes) -> list[Element]:
    body = attributes["body"]
    types = body.types
    return [types[value].element for value in body.outputs.values()]


def _elements(site: Site) -> None:
    body = site.attributes["body"]
    types = body.types
    for (name, inside), outside in zip(body.inputs.items(), site.inputs, strict=True):
        if inside.element != outside.element:
            raise BadInput(f"the body's input {name!r} is {inside.element}, {outside.element} comes")
    for (name, value), outside in zip(body.outputs.items(), site.outputs, strict=True):
        if types[value].element != outside.element:
            raise BadInput(f"the body's output {name!r} is {types[value].element}, declared is {outside.element}")


def _run(arrays: Sequence[Array], site: Site) -> list[Array]:
    from lamina.ir.interpreter import run_stored

    return run_steps(arrays, site, run_stored)


def run_steps(
    arrays: Sequence[Array], site: Site, run: Callable[[Network, Mapping[str, Array]], Mapping[str, Array]]
) -> list[Array]:
    """The results of a scan; `run(body, values of its inputs)` gives the outputs of one step."""
    body: Network = site.attributes["body"]
    count, sequences = states(site.attributes), site.attributes["sequences"]
    names = list(body.inputs)
    values: dict[str, Any] = dict(zip(names, arrays, strict=True))
    trips = trip_count([a.shape for a in arrays], site.attributes)
    stacked: dict[str, list[Array]] = {name: [] for name in body.outputs if name not in body.carry}
    last: Mapping[str, Array] = {}
    for t in range(trips)[:: -1 if site.attributes["reverse"] else 1]:
        step = {n: np.asarray(values[n][t], order="C") for n in names[count : count + sequences]}
        last = run(body, {**values, **step})
        values.update((into, last[output]) for output, into in body.carry.items())
        for name, parts in stacked.items():
            parts.append(last[name])
    order = -1 if site.attributes["reverse"] else 1
    return [last[name] if name in body.carry else np.stack(stacked[name][::order]) for name in body.outputs]


OPERATORS = (
    Operator(
        name="scan",
        summary="a body network run step after step over sequences, with explicit state",
        arity=(1, 4096),
        attributes={"body": Network, "sequences": 0, "steps": 0, "reverse": False},
        shape=_shape,
        moves=_run,
        element=_element,
        elements=_elements,
        gradient=gradients.scan,
    ),
)
