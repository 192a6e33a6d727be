"""Every operator of the table as torch: floats equal the interpreter to 1e-5, stored numbers to the bit; training."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lamina
from lamina.core.errors import BadInput
from lamina.ir import Float, Network, Type
from lamina.ir.build import Builder
from lamina.ir.interpreter import trace
from lamina.ir.operators import TABLE as OPERATORS
from lamina.lowering import lower
from lamina.nn.network import NetworkModule
from lamina.nn.network_rules import TABLE
from lamina.training import FitConfig, fit
from tests.export.operator_cases import CASES, network
from tests.ir.test_scan import lstm
from tests.networks import float_network, random_inputs, recurrent_network
from tests.torch_models import Small, images


def assert_equal(found: dict[str, Any], network: Network, inputs: dict[str, Any]) -> int:
    """Float values are close, all others equal; how many numbers were integers."""
    wanted, types, integers = trace(network, inputs), network.types, 0
    assert found.keys() == wanted.keys()
    for name, type_ in types.items():
        assert found[name].dtype == wanted[name].dtype, name
        if isinstance(type_.element, Float):
            most = np.abs(wanted[name][np.isfinite(wanted[name])]).max(initial=1e-6)
            np.testing.assert_allclose(found[name], wanted[name], atol=1e-5 * most, rtol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
            integers += wanted[name].size
    return integers


def test_every_operator_of_the_table_has_a_torch_rule_for_what_it_means() -> None:
    assert {*TABLE, "scan"} == set(OPERATORS)
    for name, rule in TABLE.items():
        entry = OPERATORS[name]
        assert (rule.moves is None) == (entry.moves is None), name
        assert (rule.integers is None) == (entry.integers is None), name
        on_integers_alone = name in ("quantise", "dequantise", "lookup", "piecewise_linear")
        assert (rule.floats is None) == (entry.run is None or on_integers_alone), name


@pytest.mark.parametrize("operator", CASES)
def test_operators_equal_the_interpreter(operator: str) -> None:
    rng = np.random.default_rng([*operator.encode()])
    made, drawn = network(operator, [operator], rng, times=12)
    module = NetworkModule(made)
    for _ in range(3):
        inputs = {name: operand.draw(rng) for name, operand in drawn.items()}
        assert_equal(module.trace(inputs), made, inputs)


def test_random_float_networks_equal_the_interpreter() -> None:
    for seed in range(60):
        made = float_network(seed, broadcast=True, bits=64 if seed % 5 == 0 else 32)
        rng = np.random.default_rng(seed)
        for batch in (None, 3):
            inputs = random_inputs(made, rng, batch=batch)
            fitted = made if batch is None else made.with_batch(batch)
            assert_equal(NetworkModule(made).trace(inputs), fitted, inputs)


def test_state_that_comes_back_is_an_input() -> None:
    made = recurrent_network(3)
    assert_equal(NetworkModule(made).trace(given := random_inputs(made, np.random.default_rng(3))), made, given)


def test_gradients_equal_those_of_the_model_it_was_lowered_from() -> None:
    for activation, pooling in (("relu", "max"), ("tanh", "average"), ("sigmoid", "max")):
        model, x = Small(activation, pooling), images(8)
        module = NetworkModule(lower(model, input_shape=(8, 1, 14, 14)))
        labels = torch.arange(8)
        for side in (model.eval(), module):
            F.cross_entropy(side(x), labels).backward()
        ours = dict(module.named_parameters())
        for name, weight in model.named_parameters():
            torch.testing.assert_close(ours[":" + name.replace(".", ":")].grad, weight.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_flow_through_every_step_of_a_scan(reverse: bool) -> None:
    torch.manual_seed(0)
    model = nn.LSTM(3, 4)
    names = {"wx": "weight_ih_l0", "wh": "weight_hh_l0", "bx": "bias_ih_l0", "bh": "bias_hh_l0"}
    weights = {ours: model.get_parameter(theirs).detach().numpy() for ours, theirs in names.items()}
    module = NetworkModule(lstm(weights, reverse=reverse))
    x, h, c = torch.randn(5, 2, 3), torch.randn(2, 4), torch.randn(2, 4)
    y, (h_n, c_n) = model(x.flip(0) if reverse else x, (h[None], c[None]))
    (y.square().sum() + (h_n * c_n).sum()).backward()
    found = module(x, h, c)
    torch.testing.assert_close(found["y"], y.flip(0) if reverse else y)
    (found["y"].square().sum() + (found["h_n"] * found["c_n"]).sum()).backward()
    for ours, theirs in names.items():
        torch.testing.assert_close(module.constant(ours).grad, model.get_parameter(theirs).grad)


def test_a_network_is_trained_and_comes_back_as_a_network() -> None:
    data = lamina.data.digits()
    made = lower(lamina.models.lenet_300_100(), input_shape=(1, 1, 28, 28))
    module = NetworkModule(made)

    def loss(model: nn.Module, batch: Any, generator: Any) -> torch.Tensor:
        return F.cross_entropy(model(batch["x"]), batch["y"])

    row = fit(module, data, config=FitConfig(steps=40), loss=loss).history[-1]
    assert row["train_loss"] < 1.7  # the mean of the epoch; ln 10 = 2.3 before training
    trained, x = module.to_network(), data.test.inputs[:50]
    np.testing.assert_allclose(
        trained.run({"x": x.numpy()})["output"], module(x).detach().numpy(), rtol=1e-4, atol=1e-4
    )
    assert trained.constants.keys() == made.constants.keys()
    assert not np.array_equal(trained.data("fc1.weight"), made.data("fc1.weight"))


def test_a_code_book_that_training_left_is_no_longer_declared() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(1, 4)))
    data = np.float32([[1, 2, 1, 2], [2, 2, 1, 1]])
    w = b.constant("w", data, Type(shape=(2, 4), codebook_bits=1))
    module = NetworkModule(b.network("coded", {"y": b.emit("linear", [x, w])}))
    assert module.to_network().constants["w"].type.codebook_bits == 1
    with torch.no_grad():
        module.constant("w").copy_(torch.arange(8.0).reshape(2, 4))
    assert module.to_network().constants["w"].type.codebook_bits is None


def test_what_is_no_weight_is_not_trained() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(1, 3)))
    parts = [b.constant(name, np.float32([1, 2, 3])) for name in ("scale", "bias", "mean", "variance")]
    module = NetworkModule(b.network("norm", {"y": b.emit("batch_norm", [x, *parts])}))
    assert [*dict(module.named_parameters())] == [":scale", ":bias"]


def test_bad_inputs_are_named() -> None:
    module = NetworkModule(lower(Small(), input_shape=(1, 1, 14, 14)))
    with pytest.raises(BadInput, match=r"input 'x' is \[1, 1, 13, 14\], \[1, 1, 14, 14\] is needed"):
        module(torch.zeros(1, 1, 13, 14))
    with pytest.raises(BadInput, match="needs the input 'x'"):
        module()
    with pytest.raises(BadInput, match="has no input 'z': x"):
        module(z=torch.zeros(1))
    b = Builder()
    fixed = b.emit("reshape", [b.input("x", Type(shape=(2, 3)))], name="r", shape=(3, 2))
    with pytest.raises(BadInput, match="reshape 'r': 12 numbers do not fill"):
        NetworkModule(b.network("fixed", {"y": fixed}))(torch.zeros(4, 3))
