"""Training as a network equals torch's autograd and torch.optim in float64: to 1e-8 over 20 steps, on ten models.

Batches change from step to step, so that moments and the counter matter; every weight is compared at the end.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina import ir
from lamina.core.errors import BadInput, Unsupported
from lamina.ir import Float, Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array
from lamina.ir.optimisers import Adam, Momentum, Optimiser, Sgd
from lamina.ir.text import parse, print_file
from lamina.ir.training import carried, initial, training
from lamina.ir.types import INDEX
from lamina.lowering.torch_export import lower
from tests.ir.training_models import CLASSES, MODELS

F64 = Float(bits=64)
STEPS = 20
RATE = 0.05
TORCH_LOSSES = {"cross_entropy": F.cross_entropy, "mean_squared_error": F.mse_loss}
TORCH_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=0.9),
    "adam": torch.optim.Adam,
}


def batches(x: Tensor, y: Tensor, loss: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs like `x` and targets for results like `y`, anew for every step."""
    for _ in range(STEPS):
        inputs = x[torch.randperm(len(x))] if x.dtype == torch.int64 else torch.randn_like(x)
        yield inputs, torch.randint(0, CLASSES, y.shape[:1]) if loss == "cross_entropy" else torch.randn_like(y)


def parameter(module: nn.Module, name: str) -> Array:
    """The numbers of the parameter that constant `name` was made of, whatever shape it was given."""
    found = dict(module.named_parameters())
    return found[name.removesuffix("_2")].detach().numpy().reshape(-1).copy()


def compared(module: nn.Module, network: Network, step: Network, x: Tensor, loss: str, optimiser: Any) -> None:
    """20 steps of both; losses and weights are equal."""
    state, source = initial(step, network), next(iter(network.inputs))
    for name in network.weights:
        np.testing.assert_array_equal(state[name].reshape(-1), parameter(module, name))
    for inputs, target in batches(x, module(x).detach(), loss):
        optimiser.zero_grad()
        expected = TORCH_LOSSES[loss](module(inputs), target)
        expected.backward()
        optimiser.step()
        found = step.run({**state, source: inputs.numpy(), "target": target.numpy()})
        assert abs(float(found["loss"]) - expected.item()) < 1e-8
        state = carried(step, found)
    for name in network.weights:
        after = parameter(module, name)
        np.testing.assert_allclose(state[name].reshape(-1), after, rtol=0, atol=1e-8, err_msg=name)
        assert not np.array_equal(after, network.data(name).reshape(-1)), f"{name} was not trained at all"


@pytest.mark.parametrize("model", MODELS)
def test_ten_models_train_as_in_torch(model: str) -> None:
    torch.manual_seed(3)
    make, loss, optimiser = MODELS[model]
    module, x = make()
    module = module.double().eval()
    network = lower(copy.deepcopy(module), inputs=[x], name=model)  # torch trains in place
    step = training(network, loss=loss, optimiser=optimiser, learning_rate=RATE)
    compared(module, network, step, x, loss, TORCH_OPTIMISERS[optimiser](module.parameters(), lr=RATE))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (Sgd(weight_decay=0.1), lambda w: torch.optim.SGD(w, lr=RATE, weight_decay=0.1)),
        (
            Momentum(momentum=0.7, nesterov=True, weight_decay=0.02),
            lambda w: torch.optim.SGD(w, lr=RATE, momentum=0.7, nesterov=True, weight_decay=0.02),
        ),
        (
            Adam(beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.03),
            lambda w: torch.optim.Adam(w, lr=RATE, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.03),
        ),
    ],
)
def test_optimisers_with_other_numbers(mine: Optimiser, theirs: Callable[..., torch.optim.Optimizer]) -> None:
    torch.manual_seed(4)
    module, x = MODELS["mlp"][0]()
    module = module.double()
    network = lower(copy.deepcopy(module), inputs=[x], name="mlp")
    step = training(network, loss="cross_entropy", optimiser=mine, learning_rate=RATE)
    compared(module, network, step, x, "cross_entropy", theirs(module.parameters()))


def normalised_by_the_batch(weights: dict[str, Array]) -> Network:
    """A layer, batch normalisation by the batch's own statistics, whose running ones are state, and another layer."""
    b = Builder()
    x = b.input("x", Type(shape=(6, 3, 5, 4), element=F64))
    running = [b.input(name, Type(shape=(2,), element=F64)) for name in ("mean", "variance")]
    w = {name: b.constant(name, array) for name, array in weights.items()}
    h = b.emit("conv2d", [x, w["0.weight"], w["0.bias"]], padding=(1, 1, 1, 1))
    axes = (0, 2, 3)
    mean = b.emit("reduce_mean", [h], axes=axes, keep=True)
    apart = b.emit("subtract", [h, mean])
    variance = b.emit("reduce_mean", [b.emit("multiply", [apart, apart])], axes=axes)
    mean = b.emit("reshape", [mean], shape=(2,))
    h = b.emit("batch_norm", [h, w["1.weight"], w["1.bias"], mean, variance])
    h = b.emit("flatten", [b.emit("relu", [h])])
    ends = {"y": b.emit("linear", [h, w["4.weight"], w["4.bias"]])}
    count = 6 * 5 * 4
    for old, new in zip(running, (mean, scaled(b, variance, count / (count - 1))), strict=True):
        ends[f"{old.name}.next"] = b.emit("add", [scaled(b, old, 0.9), scaled(b, new, 0.1)])
    return b.network("normalised", ends, {"mean.next": "mean", "variance.next": "variance"})


def scaled(b: Builder, value: Value, factor: float) -> Value:
    made: Value = b.emit("multiply", [value, b.scalar(factor, value)])
    return made


def test_batch_normalisation_in_training_and_its_running_statistics() -> None:
    torch.manual_seed(5)
    norm = nn.BatchNorm2d(2)
    module = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), norm, nn.ReLU(), nn.Flatten(), nn.Linear(40, CLASSES))
    module = module.double().train()
    network = normalised_by_the_batch({n: p.detach().numpy().copy() for n, p in module.named_parameters()})
    step = training(network, loss="cross_entropy", optimiser="momentum", learning_rate=RATE)
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE, momentum=0.9)
    state = initial(step, network) | {"variance": np.ones(2)}
    for inputs, target in batches(torch.zeros(6, 3, 5, 4, dtype=torch.float64), torch.zeros(6, 4), "cross_entropy"):
        optimiser.zero_grad()
        F.cross_entropy(module(inputs), target).backward()
        optimiser.step()
        state = carried(step, step.run({**state, "x": inputs.numpy(), "target": target.numpy()}))
    for name, weight in module.named_parameters():
        np.testing.assert_allclose(state[name], weight.detach().numpy(), rtol=0, atol=1e-8, err_msg=name)
    np.testing.assert_allclose(state["mean"], norm.running_mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(state["variance"], norm.running_var, rtol=0, atol=1e-10)


def small(bits: int = 32) -> tuple[Network, dict[str, Array]]:
    """x -> tanh layer -> two outputs, of which `z` does not depend on the last weight."""
    rng, element = np.random.default_rng(6), Float(bits=bits)
    b = Builder()
    x = b.input("x", Type(shape=(4, 3), element=element))
    first = b.constant("first", rng.normal(size=(5, 3)).astype(element.storage))
    last = b.constant("last", rng.normal(size=(2, 5)).astype(element.storage))
    z = b.emit("tanh", [b.emit("linear", [x, first])], name="z")
    network = b.network("small", {"y": b.emit("linear", [z, last]), "z": z})
    return network, {"x": rng.normal(size=(4, 3)), "target": rng.integers(0, 2, size=4)}


def test_a_training_step_prints_and_parses_back() -> None:
    network, feed = small()
    step = training(network, loss="cross_entropy", optimiser="adam", learning_rate=0.1, output="y")
    data = {f"{step.name}:{name}": step.data(name) for name in step.constants}
    (again,) = parse(print_file([step]), data)
    given = {**initial(step, network), **feed}
    for name, array in step.run(given).items():
        np.testing.assert_array_equal(again.run(given)[name], array)
    assert {step.inputs[i] for i in step.carry.values()} == {step.types[step.outputs[o]] for o in step.carry}
    assert len(step.carry) == 2 * 3 + 1


def test_a_step_stores_no_zeros() -> None:
    """A table's gradient starts as zeros of the table's size: they are an operation, not a constant."""
    b = Builder()
    words = b.input("words", Type(shape=(4,), element=INDEX))
    table = b.constant("table", np.random.default_rng(1).normal(size=(5000, 2)).astype(np.float32))
    network = b.network("words", {"y": b.emit("gather", [table, words])})
    step = ir.training(network, loss="cross_entropy", optimiser="adam", learning_rate=0.1)
    assert sum(c.type.size for c in step.constants.values()) < 100


def test_only_what_is_named_is_trained() -> None:
    network, feed = small()
    step = training(network, loss="cross_entropy", learning_rate=0.1, trainable=["last"], output="y")
    assert list(step.carry.values()) == ["last"]
    found = step.run({**initial(step, network), **feed})
    logits, hot = found["y"].astype(np.float64), np.eye(2)[feed["target"]]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = network.data("last") - 0.1 * ((shares - hot) / 4).T @ found["z"]
    np.testing.assert_allclose(found["last.next"], expected, rtol=1e-5, atol=1e-7)


def test_the_learning_rate_can_be_an_input() -> None:
    network, feed = small(64)
    state = initial(training(network, loss="cross_entropy", learning_rate=0.3, output="y"), network)
    fixed = training(network, loss="cross_entropy", learning_rate=0.25, output="y").run({**state, **feed})
    free = training(network, loss="cross_entropy", learning_rate=None, output="y")
    found = free.run({**state, **feed, "learning_rate": np.array(0.25)})
    for name in ("first.next", "last.next"):
        np.testing.assert_array_equal(found[name], fixed[name])


def test_what_is_judged_is_said_where_there_are_several() -> None:
    network, _ = small()
    with pytest.raises(BadInput, match="one of its outputs is judged"):
        training(network, loss="cross_entropy", learning_rate=0.1)
    with pytest.raises(BadInput, match="does not depend on 'last'"):
        training(network, loss="mean_squared_error", learning_rate=0.1, output="z")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "hinge"}, "loss 'hinge'"),
        ({"optimiser": "adagrad"}, "optimiser 'adagrad'"),
        ({"trainable": ["x"]}, "'x'"),
        ({"trainable": []}, "no constants of floats"),
        ({"output": "w"}, "output 'w'"),
    ],
)
def test_names_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    given = {"loss": "cross_entropy", "optimiser": "sgd", "learning_rate": 0.1, "output": "y", **changes}
    with pytest.raises(BadInput, match=message):
        training(small()[0], **given)
    with pytest.raises(BadInput, match=r"beta1 1\.0"):
        Adam(beta1=1.0)


def test_an_operator_without_gradient_is_named() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(4, 3)))
    first = b.emit("linear", [x, b.constant("w", np.ones((3, 3), np.float32))])
    y = b.emit("scatter_elements", [x, b.constant("at", np.zeros((4, 3), np.int64)), first], axis=1, reduction="max")
    with pytest.raises(Unsupported, match="scatter_elements with reduction 'max' has no gradient"):
        training(b.network("net", {"y": y}), loss="mean_squared_error", learning_rate=0.1)
