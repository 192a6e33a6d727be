"""Training as a network: forward, backward and update in one, whose state comes back as input.

    loss = L(f(x; w), target)      g = dL/dw      w', m' = step(w, g, m)      carry w' -> w, m' -> m

    step = training(network, loss="cross_entropy", optimiser="adam", learning_rate=1e-3)
    state = initial(step, network)                                       the weights as they are, moments and counter 0
    found = step.run({**state, "x": x, "target": labels})                one step: found["loss"] …
    state = carried(step, found)                                         … and what the next one starts from

The gradients are those of the operator table (`ir.backward`), so that what trains prints, is costed and exported like
any network. Losses are means: cross_entropy (logits with classes along axis 1, the target a class as INDEX) and
mean_squared_error. A network with state of its own (running statistics) keeps it; no gradient goes back through that.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lamina.core.errors import BadInput, one_line, unknown
from lamina.ir.backward import backward, replay
from lamina.ir.build import Builder, Value
from lamina.ir.gradients._term import Term
from lamina.ir.network import Array, Network
from lamina.ir.optimisers import OPTIMISERS, Optimiser
from lamina.ir.types import INDEX, Element, Float, Type

NEXT = ".next"  # of the output that becomes the input of this name


def _cross_entropy(y: Term, target: Term) -> Term:
    """The mean of -log softmax(y)[target]."""
    places = target.reshape((y.shape[0], 1, *y.shape[2:]))
    picked = y.emit("log_softmax", axis=1).emit("gather_elements", places, axis=1)
    return -picked.emit("reduce_mean", axes=tuple(range(len(y.shape))))


def _mean_squared_error(y: Term, target: Term) -> Term:
    apart = y - target
    return (apart * apart).emit("reduce_mean", axes=tuple(range(len(y.shape))))


def _classes(y: Type) -> Type:
    if len(y.shape) < 2:
        raise BadInput(f"logits [n, classes, …] are needed, not {y}")
    return Type(shape=(y.shape[0], *y.shape[2:]), element=INDEX)


# name: the loss, and the type of the target that belongs to a result
LOSSES: Mapping[str, tuple[Callable[[Term, Term], Term], Callable[[Type], Type]]] = {
    "cross_entropy": (_cross_entropy, _classes),
    "mean_squared_error": (_mean_squared_error, lambda y: y),
}


def training(
    network: Network,
    *,
    loss: str,
    optimiser: str | Optimiser = "sgd",
    learning_rate: float | None,
    trainable: Sequence[str] | None = None,
    output: str | None = None,
) -> Network:
    """One step of training `network`, as a network.

    Inputs: those of `network`, `target`, every trained constant, the optimiser's moments and, where it counts, `step`.
    Outputs: those of `network`, `loss`, and what is trained, joined to its input by `carry`. `trainable` names
    constants (all weights unless given), `output` what the loss judges where there are several; a `learning_rate` of
    None becomes an input. The batch is that of `network`. Raises `BadInput` for names and types that do not fit,
    `Unsupported` where an operator on the way has no gradient.
    """
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    if isinstance(optimiser, str) and optimiser not in OPTIMISERS:
        raise unknown("optimiser", optimiser, OPTIMISERS)
    rule = OPTIMISERS[optimiser] if isinstance(optimiser, str) else optimiser
    names = _trainable(network, trainable)
    judged = _judged(network, names, loss, _output(network, output))
    b = Builder()
    values = {name: b.input(name, type_) for name, type_ in judged.inputs.items()}
    values |= {name: b.constant(name, c.data, c.type) for name, c in judged.constants.items()}
    values = replay(b, judged, values)
    total = judged.outputs["loss"]
    found = backward(b, judged, values, [(total, b.scalar(1.0, values[total]))], names)
    ends, carry = {name: values[value] for name, value in judged.outputs.items()}, dict(network.carry)
    for name in names:
        if name not in found:
            raise BadInput(f"network {network.name!r}: the loss does not depend on {name!r}: do not train it")
    following = _updated(b, {name: (values[name], found[name]) for name in names}, rule, learning_rate)
    for into, value in following.items():
        ends[f"{into}{NEXT}"], carry[f"{into}{NEXT}"] = value, into
    return b.network(f"{network.name}_training", ends, carry)


def initial(step: Network, network: Network) -> dict[str, Array]:
    """What the first step starts from: the constants of `network`, and zeros for everything else that is carried."""
    return {
        name: network.data(name) if name in network.constants else np.zeros(t.shape, t.element.storage)
        for name, t in ((into, step.inputs[into]) for into in step.carry.values())
    }


def carried(step: Network, found: Mapping[str, Array]) -> dict[str, Array]:
    """What the next step starts from, out of the results of this one."""
    return {into: found[output] for output, into in step.carry.items()}


def _trainable(network: Network, trainable: Sequence[str] | None) -> list[str]:
    real = {name for name, c in network.constants.items() if isinstance(c.type.element, Float)}
    found = list(dict.fromkeys([w for w in network.weights if w in real] if trainable is None else trainable))
    for name in found:
        if name not in real:
            raise unknown("constant of floats", name, real)
    if not found:
        raise BadInput(f"network {network.name!r} has no constants of floats that could be trained")
    return found


def _output(network: Network, output: str | None) -> str:
    """The output that the loss judges."""
    free = [name for name in network.outputs if name not in network.carry]
    if output is None and len(free) == 1:
        return free[0]
    if output is None:
        raise BadInput(f"network {network.name!r}: one of its outputs is judged, say which: {one_line(free, 80)}")
    if output not in network.outputs:
        raise unknown("output", output, network.outputs)
    return output


def _judged(network: Network, names: Sequence[str], loss: str, output: str) -> Network:
    """`network` with its weights as inputs, `target` as another, and `loss` as one more output."""
    if "target" in network.types or "loss" in network.outputs:
        raise BadInput(f"network {network.name!r} has a value 'target' or an output 'loss': rename it")
    types = network.types
    last = types[network.outputs[output]]
    if not isinstance(last.element, Float):
        raise BadInput(f"output {output!r} is {last}: a loss judges floats")
    function, target = LOSSES[loss]
    b = Builder()
    values = {name: b.input(name, type_) for name, type_ in network.inputs.items()}
    goal = b.input("target", target(last))
    values |= {name: b.input(name, Type(shape=types[name].shape, element=types[name].element)) for name in names}
    values |= {name: b.constant(name, c.data, c.type) for name, c in network.constants.items() if name not in values}
    values = replay(b, network, values)
    ends = {name: values[value] for name, value in network.outputs.items()}
    y = Term(b, ends[output], "loss")
    return b.network(network.name, {**ends, "loss": function(y, y.with_value(goal)).value})


def _updated(
    b: Builder, pairs: Mapping[str, tuple[Value, Value]], rule: Optimiser, learning_rate: float | None
) -> dict[str, Value]:
    """The next value of everything that is carried, by the name of its input; `pairs` are weights and gradients."""
    found: dict[str, Value] = {}
    given = b.input("learning_rate", Type(shape=())) if learning_rate is None else None
    count = None
    if rule.counts:
        before = b.input("step", Type(shape=(), element=INDEX))
        count = found[before.name] = b.emit("add", [before, b.scalar(1, before)], name="step.count")
    paces: dict[Element, list[Term]] = {}  # one for each width of float
    for name, (weight, gradient) in pairs.items():
        w, element = Term(b, weight, f"{name}.update"), weight.type.element
        if element not in paces:
            like = Term(b, weight, "pace")
            rate = like.of(learning_rate) if learning_rate is not None else _as(like, given)
            paces[element] = rule.pace(rate, _as(like, count))
        moments = [b.input(f"{name}.{moment}", weight.type) for moment in rule.moments]
        terms = [w.with_value(moment) for moment in moments]
        following, after = rule.step(w, w.with_value(gradient), terms, paces[element])
        found[name] = following.value
        found |= {before.name: term.value for before, term in zip(moments, after, strict=True)}
    return found


def _as(w: Term, value: Value | None) -> Term:
    """`value` as a number of the type of `w`; 0 where there is none."""
    return w.of(0.0) if value is None else w.with_value(value).number(w)
