"""The float meaning of every operator is torch's, value by value through random networks, in both widths."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.ir import Float, Network, Operation, Type
from lamina.ir.check import completed
from lamina.ir.interpreter import trace
from lamina.ir.operators import TABLE
from tests.networks import SEEDS, float_network, random_inputs

# what tests/networks.py draws; the families of issue 4 have tests of their own
FLOAT_OPERATORS = {
    "conv2d", "linear", "max_pool2d", "average_pool2d", "relu", "tanh", "sigmoid", "softmax", "log_softmax", "add",
    "flatten", "reshape",
}  # fmt: skip


def by_torch(operation: Operation, values: Mapping[str, Tensor]) -> Tensor:
    """`operation` by the torch function of the same meaning; padding is done apart, since torch's is symmetric."""
    a = completed(TABLE[operation.operator], operation.attributes)
    x, *rest = (values[name] for name in operation.inputs)
    top, bottom, left, right = a.get("padding", (0, 0, 0, 0))
    padding = (left, right, top, bottom)
    match operation.operator:
        case "conv2d":
            bias = rest[1] if len(rest) > 1 else None
            return F.conv2d(F.pad(x, padding), rest[0], bias, a["stride"], 0, a["dilation"], a["groups"])
        case "linear":
            return F.linear(x, *rest)
        case "max_pool2d":
            return F.max_pool2d(F.pad(x, padding, value=-torch.inf), a["kernel"], a["stride"], 0, a["dilation"])
        case "average_pool2d":
            return F.avg_pool2d(F.pad(x, padding), a["kernel"], a["stride"])
        case "add":
            return x + rest[0]
        case "softmax" | "log_softmax":
            return getattr(F, operation.operator)(x, dim=a["axis"])
        case "flatten":
            return torch.flatten(x, a["start"])
        case "reshape":
            return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(a["shape"])])
        case name:
            return getattr(torch, name)(x)


@pytest.mark.parametrize(("bits", "tolerance"), [(64, 1e-12), (32, 2e-5)])
@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_every_value_is_torchs(bits: int, tolerance: float, seed: int) -> None:
    network = float_network(seed, bits=bits, broadcast=True)
    _same_as_torch(network, random_inputs(network, np.random.default_rng(seed)), tolerance)


def _same_as_torch(network: Network, inputs: Mapping[str, NDArray[np.floating]], tolerance: float) -> None:
    found = trace(network, inputs)
    values = {name: torch.from_numpy(np.array(array)) for name, array in inputs.items()}
    values |= {name: torch.from_numpy(np.array(network.data(name))) for name in network.constants}
    for operation in network.operations:
        values[operation.name] = by_torch(operation, values)
        mine, theirs = found[operation.name], values[operation.name].numpy()
        assert mine.shape == theirs.shape == operation.outputs[operation.name].shape
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance, err_msg=str(operation))


def test_the_random_networks_reach_every_float_operator() -> None:
    reached = {o.operator for seed in range(150) for o in float_network(seed).operations}
    assert reached == FLOAT_OPERATORS


CASES = {
    "linear over the last of three axes": ("linear", (2, 3, 4), [(5, 4), (5,)], (2, 3, 5), {}),
    "linear over one axis": ("linear", (4,), [(5, 4)], (5,), {}),
    "depthwise": ("conv2d", (1, 4, 5, 6), [(8, 1, 3, 2)], (1, 8, 2, 3), {"groups": 4, "stride": (2, 2)}),
    "dilated": (
        "conv2d", (2, 2, 9, 8), [(3, 2, 3, 3), (3,)], (2, 3, 3, 7), {"dilation": (3, 2), "padding": (0, 0, 1, 2)},
    ),
    "padding wider than the kernel": ("conv2d", (1, 1, 2, 2), [(1, 1, 1, 1)], (1, 1, 8, 2), {"padding": (3, 3, 0, 0)}),
    "broadcast from the left": ("add", (3, 1), [(2, 1, 4)], (2, 3, 4), {}),
    "softmax over axis 0": ("softmax", (3, 4), [], (3, 4), {"axis": 0}),
    "log_softmax over axis -2": ("log_softmax", (3, 4, 2), [], (3, 4, 2), {"axis": -2}),
    "flatten from axis 2": ("flatten", (2, 3, 4, 5), [], (2, 3, 20), {"start": 2}),
    "flatten from axis 0": ("flatten", (2, 3), [], (6,), {"start": 0}),
    "reshape": ("reshape", (2, 3, 4), [], (2, 2, 6), {"shape": (0, -1, 6)}),
    "dilated maximum": (
        "max_pool2d", (1, 2, 6, 5), [], (1, 2, 2, 2),
        {"kernel": (2, 3), "stride": (2, 1), "dilation": (3, 2), "padding": (0, 0, 1, 0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bits", [32, 64])
def test_special_shapes_are_torchs(case: str, bits: int) -> None:
    operator, x, others, result, attributes = CASES[case]
    element = Float(bits=bits)
    inputs = {"x": Type(shape=x, element=element)}
    inputs |= {f"w{i}": Type(shape=shape, element=element) for i, shape in enumerate(others)}
    operation = Operation(
        operator=operator,
        inputs=tuple(inputs),
        outputs={"y": Type(shape=result, element=element)},
        attributes=attributes,
    )
    network = Network(name="case", inputs=inputs, constants={}, operations=(operation,), outputs={"y": "y"})
    _same_as_torch(network, random_inputs(network, np.random.default_rng(1)), 1e-5 if bits == 32 else 1e-12)


def test_large_numbers_do_not_overflow_an_exponential() -> None:
    x = np.array([[-1e4, 0, 1e4, 88, -104]], np.float32)
    for operator in ("sigmoid", "tanh", "softmax", "log_softmax"):
        type_ = Type(shape=(1, 5))
        operation = Operation(operator=operator, inputs=("x",), outputs={"y": type_})
        network = Network(name="n", inputs={"x": type_}, constants={}, operations=(operation,), outputs={"y": "y"})
        found = network.run({"x": x})["y"]
        expected = by_torch(operation, {"x": torch.from_numpy(x)}).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "needs the input 'x'"),
        ({"x": np.zeros((1, 3)), "w": np.zeros(1)}, "no input 'w'"),
        ({"x": np.zeros((1, 4))}, r"shape \[1, 4\], \[1, 3\] is needed"),
        ({"x": np.zeros((0, 3))}, "shape"),
        ({"x": np.zeros(3)}, "shape"),
        ({"x": np.array([[1, 2, np.nan]])}, "NaN"),
        ({"x": np.array([["a", "b", "c"]])}, "numbers are needed"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, NDArray[np.generic]], message: str) -> None:
    type_ = Type(shape=(1, 3))
    operation = Operation(operator="relu", inputs=("x",), outputs={"y": type_})
    network = Network(name="n", inputs={"x": type_}, constants={}, operations=(operation,), outputs={"y": "y"})
    with pytest.raises(BadInput, match=message):
        network.run(inputs)
