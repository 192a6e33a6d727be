"""Normalisation is torch's; LRN is ONNX's on windows of even size too; probabilities stay finite."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lamina.core.errors import BadInput
from tests.ir.apply import apply

rng = np.random.default_rng(11)


def f32(*shape: int) -> np.ndarray:
    return rng.normal(scale=2, size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x, scale, bias, mean = f32(*shape), f32(3), f32(3), f32(3)
    variance = np.abs(f32(3)) + 0.1
    (found,) = apply("batch_norm", x, scale, bias, mean, variance, epsilon=1e-3)
    tensors = [torch.from_numpy(a) for a in (x, mean, variance, scale, bias)]
    np.testing.assert_allclose(found, F.batch_norm(*tensors, eps=1e-3).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("given", [0, 1, 2])
def test_layer_norm(axis: int, given: int) -> None:
    x = f32(4, 5, 6)
    own = x.shape[axis % 3 :]
    parts = [f32(*own) for _ in range(given)]
    (found,) = apply("layer_norm", x, *parts, axis=axis, epsilon=1e-4)
    tensors = [torch.from_numpy(a) for a in parts] + [None] * (2 - given)
    wanted = F.layer_norm(torch.from_numpy(x), own, *tensors, eps=1e-4).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_lrn_by_loops(size: int) -> None:
    x, a = f32(2, 6, 3, 2), {"alpha": 0.3, "beta": 0.75, "k": 1.5}
    (found,) = apply("lrn", x, size=size, **a)
    before = (size - 1) // 2
    for c in range(6):
        window = x[:, max(0, c - before) : c + size - before]
        wanted = x[:, c] / (a["k"] + a["alpha"] / size * (window**2).sum(axis=1)) ** a["beta"]
        np.testing.assert_allclose(found[:, c], wanted, rtol=1e-5)
    if size % 2:
        theirs = F.local_response_norm(torch.from_numpy(x), size, **a).numpy()
        np.testing.assert_allclose(found, theirs, rtol=1e-5)


@pytest.mark.parametrize(("name", "theirs"), [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmaxes(name: str, theirs: Any, axis: int) -> None:
    x = f32(3, 4, 5) * 100
    np.testing.assert_allclose(apply(name, x, axis=axis)[0], theirs(torch.from_numpy(x), axis).numpy(), atol=1e-5)


REFUSED = [
    ("batch_norm", [(2, 3), (3,), (3,), (3,), (2,)], {}, "one number per channel"),
    ("batch_norm", [(2, 3), (3,), (3,), (3,), (3,)], {"epsilon": -1.0}, "at least"),
    ("layer_norm", [(2, 3), (2,)], {}, "have that shape"),
    ("layer_norm", [(2, 3)], {"axis": 2}, "axis 2"),
    ("lrn", [(2, 3, 4)], {"size": 0}, "size of 1"),
    ("softmax", [(2, 3)], {"axis": -3}, "axis -3"),
]


@pytest.mark.parametrize(("name", "shapes", "attributes", "message"), REFUSED)
def test_what_does_not_fit(name: str, shapes: list[Any], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        apply(name, *(f32(*shape) for shape in shapes), **attributes)
