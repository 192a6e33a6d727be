"""resize is onnx.reference's over every mode, and torch's where torch has it; ties are ties."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.ir.operators.resize import CHOICES
from lamina.ir.types import BOOL, INDEX, Element, Float, Integer, Type
from tests.ir.apply import apply, built

U8 = Integer(signed=False, scale=(0.25,), zero_point=17)
SIZES = [((4, 5), (8, 10)), ((4, 5), (7, 3)), ((6, 6), (2, 3)), ((3, 2), (3, 9)), ((5, 4), (1, 1)), ((1, 1), (3, 2))]


def _model(x: np.ndarray, size: tuple[int, int], mode: str, coordinates: str, nearest: str, a: float) -> ModelProto:
    """The operator Resize of x to `size`."""
    node = helper.make_node(
        "Resize",
        ["x", "", "", "sizes"],
        ["y"],
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
        cubic_coeff_a=a,
    )
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, (*x.shape[:2], *size))],
        [helper.make_tensor("sizes", TensorProto.INT64, (4,), (*x.shape[:2], *size))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def _by_onnx(x: np.ndarray, size: tuple[int, int], mode: str, coordinates: str, nearest: str, a: float) -> np.ndarray:
    """x at `size`, by the reference implementation of the operator Resize."""
    return np.asarray(ReferenceEvaluator(_model(x, size, mode, coordinates, nearest, a)).run(None, {"x": x})[0])


@pytest.mark.parametrize(("before", "size"), SIZES)
@pytest.mark.parametrize("coordinates", CHOICES["coordinates"])
@pytest.mark.parametrize("mode", CHOICES["mode"])
def test_every_mode_is_onnxs(before: Any, size: Any, coordinates: str, mode: str) -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, *before))
    for nearest in CHOICES["nearest"] if mode == "nearest" else ("floor",):
        for a in (-0.75, -0.5) if mode == "cubic" else (-0.75,):
            (found,) = apply("resize", x, size=size, mode=mode, coordinates=coordinates, nearest=nearest, cubic_a=a)
            if mode == "cubic" and coordinates == "pytorch_half_pixel" and 1 in size:
                continue  # the reference takes place -1/2 where its own text says 0; see below
            expected = _by_onnx(x, size, mode, coordinates, nearest, a)
            places = 1e-5 if mode == "cubic" else 1e-12  # its cubic weights are float32
            np.testing.assert_allclose(found, expected, rtol=places, atol=places, err_msg=nearest)


def test_one_place_of_pytorch_half_pixel_is_the_first() -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 4)).astype(np.float32)
    session = InferenceSession(_model(x, (1, 1), "cubic", "pytorch_half_pixel", "floor", -0.75).SerializeToString())
    (found,) = apply("resize", x, size=(1, 1), mode="cubic", coordinates="pytorch_half_pixel")
    np.testing.assert_allclose(found, session.run(None, {"x": x})[0], rtol=1e-6)
    np.testing.assert_array_equal(found, x[:, :, :1, :1])


@pytest.mark.parametrize(("before", "size"), SIZES)
def test_torchs_five_modes(before: Any, size: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *before)).astype(np.float32)
    t = torch.tensor(x)
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"mode": "bilinear", "align_corners": False}, {"mode": "linear"}),
        ({"mode": "bilinear", "align_corners": True}, {"mode": "linear", "coordinates": "align_corners"}),
        ({"mode": "bicubic", "align_corners": False}, {"mode": "cubic"}),
        ({"mode": "bicubic", "align_corners": True}, {"mode": "cubic", "coordinates": "align_corners"}),
        ({"mode": "nearest"}, {"coordinates": "asymmetric", "nearest": "floor"}),
        ({"mode": "nearest-exact"}, {"nearest": "round_prefer_ceil"}),
    ]
    for theirs, ours in cases:
        (found,) = apply("resize", x, size=size, **ours)
        expected = F.interpolate(t, size, **theirs).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=str(theirs))


@pytest.mark.parametrize("element", [Float(), Float(bits=64), U8, BOOL, INDEX], ids=str)
def test_nearest_by_loops_for_every_element(element: Element) -> None:
    x = np.random.default_rng(1).integers(0, 2, size=(1, 2, 3, 5)).astype(element.storage)
    (found,) = apply("resize", x, elements=[element], size=(7, 4), coordinates="asymmetric", nearest="floor")
    assert found.dtype == x.dtype
    for row, column in product(range(7), range(4)):
        np.testing.assert_array_equal(found[:, :, row, column], x[:, :, row * 3 // 7, column * 5 // 4])


def test_ties_are_ties() -> None:
    """Halving: every place lies in the middle of two; multiples of 3/7 that are whole stay whole."""
    x = np.arange(8.0).reshape(1, 1, 1, 8)
    for nearest, expected in (("round_prefer_floor", [0, 2, 4, 6]), ("round_prefer_ceil", [1, 3, 5, 7])):
        assert apply("resize", x, size=(1, 4), nearest=nearest)[0].reshape(-1).tolist() == expected
    for size in range(1, 60):
        y = np.arange(float(size)).reshape(1, 1, 1, size)
        for times in (2, 3, 7):
            (found,) = apply("resize", y, size=(1, size * times), coordinates="asymmetric", nearest="floor")
            assert found.reshape(-1).tolist() == [i // times for i in range(size * times)]


def test_a_given_scale_moves_the_places() -> None:
    """6 places at a factor of 0.6 are 3 (floor of 3.6), whose places are i / 0.6, not 2 i."""
    x = np.arange(6.0).reshape(1, 1, 1, 6)
    given: dict[str, Any] = {"coordinates": "asymmetric", "mode": "linear"}
    (found,) = apply("resize", x, size=(1, 3), scale=(0.0, 0.6), **given)
    np.testing.assert_allclose(found.reshape(-1), [0, 1 / 0.6, 2 / 0.6])
    np.testing.assert_allclose(apply("resize", x, size=(1, 3), **given)[0].reshape(-1), [0, 2, 4])
    expected = F.interpolate(torch.tensor(x), scale_factor=(1.0, 0.6), mode="bilinear", recompute_scale_factor=False)
    (found,) = apply("resize", x, size=(1, 3), scale=(1.0, 0.6), mode="linear")
    np.testing.assert_allclose(found, expected.numpy())


X = Type(shape=(1, 1, 4, 4))
REFUSED: dict[str, tuple[Type, dict[str, Any], str]] = {
    "three axes": (Type(shape=(1, 4, 4)), {"size": (2, 2)}, "resize takes"),
    "a size of one": (X, {"size": (2,)}, "resize takes"),
    "nothing left": (X, {"size": (0, 2)}, "positive"),
    "a huge result": (X, {"size": (2**30, 2**30)}, "2^40"),
    "another mode": (X, {"size": (2, 2), "mode": "area"}, "are allowed"),
    "other coordinates": (X, {"size": (2, 2), "coordinates": "tf_crop_and_resize"}, "are allowed"),
    "another rounding": (X, {"size": (2, 2), "nearest": "up"}, "are allowed"),
    "a negative scale": (X, {"size": (2, 2), "scale": (-1.0, 0.0)}, "at least 0"),
    "a cubic without bounds": (X, {"size": (2, 2), "cubic_a": float("inf")}, "-100 to 100"),
    "linear integers": (Type(shape=(1, 1, 4, 4), element=U8), {"size": (2, 2), "mode": "linear"}, "dequantise"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    type_, attributes, reason = REFUSED[what]
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built("resize", [type_], **attributes)
