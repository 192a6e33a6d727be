"""Moves are NumPy's and torch's for every element type; what does not fit, or reads outside, is refused."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.ir.operators.move import END
from lamina.ir.types import BOOL, INDEX, Element, Fixed, Float, Integer, Type
from tests.ir.apply import apply, built

U8 = Integer(signed=False, scale=(0.25,), zero_point=17)
ELEMENTS: list[Element] = [Float(), Float(bits=64), U8, BOOL, INDEX, Fixed(), Integer(bits=12, scale=(0.375,))]
each_element = pytest.mark.parametrize("element", ELEMENTS, ids=str)


def values(shape: tuple[int, ...], element: Element, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if isinstance(element, Float):
        return rng.normal(size=shape).astype(element.storage)
    high = min(element.high, 2**40)
    return rng.integers(max(element.low, -high), high, size=shape, endpoint=True).astype(element.storage)


def check(operator: str, x: np.ndarray, expected: np.ndarray, element: Element, **attributes: Any) -> None:
    (found,) = apply(operator, x, elements=[element], **attributes)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == x.dtype


@each_element
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_transpose(element: Element, order: tuple[int, ...]) -> None:
    x = values((2, 3, 4), element)
    check("transpose", x, x.transpose(order), element, order=order)


def test_transpose_takes_scales_along() -> None:
    element = Integer(scale=(1.0, 2.0, 4.0), axis=1)
    network = built("transpose", [Type(shape=(2, 3, 4), element=element)], order=(2, 0, 1))
    assert network.types[network.outputs["r0"]].element == Integer(scale=(1.0, 2.0, 4.0), axis=2)
    with pytest.raises(BadInput, match="along the moved axis"):
        built("transpose", [Type(shape=(3, 3, 3), element=element)], element, order=(2, 0, 1))


@each_element
def test_concatenate(element: Element) -> None:
    parts = [values((2, size, 3), element, size) for size in (1, 4, 2)]
    (found,) = apply("concatenate", *parts, elements=[element] * 3, axis=1)
    np.testing.assert_array_equal(found, np.concatenate(parts, axis=1))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_slices_are_pythons(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    parts, expected = [], []
    for size in shape:
        step = data.draw(st.sampled_from([1, 2, 3, -1, -2, -7]))
        start = data.draw(st.integers(0, size - 1))
        if step > 0:
            stop = data.draw(st.integers(start + 1, size) | st.just(END))
            expected.append(slice(start, min(stop, size), step))
        else:
            stop = data.draw(st.integers(0, start - 1) | st.just(-size - 1)) if start else -size - 1
            expected.append(slice(start, None if stop < 0 else stop, step))
        parts.append((start, stop, step))
    starts, stops, steps = (tuple(part[i] for part in parts) for i in range(3))
    x = values(shape, U8)
    check("slice", x, x[tuple(expected)], U8, starts=starts, stops=stops, steps=steps)


def test_an_open_slice_follows_the_batch() -> None:
    network = built("slice", [Type(shape=(1, 4))], starts=(0, 1), stops=(END, 3), steps=(1, 1))
    x = values((5, 4), Float())
    np.testing.assert_array_equal(network.run({"v0": x})["r0"], x[:, 1:3])


@each_element
@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
def test_borders_of_what_is_inside(element: Element, mode: Any) -> None:
    for shape, before, after in [((3, 4), (2, 0), (1, 3)), ((3, 2), (7, 5), (9, 4)), ((1, 1, 1), (1, 0, 2), (0, 3, 2))]:
        x = values(shape, element)
        expected = np.pad(x, [*zip(before, after, strict=True)], mode=mode)
        check("pad", x, expected, element, before=before, after=after, mode=mode)


@each_element
def test_a_border_of_a_constant(element: Element) -> None:
    x = values((2, 3), element)
    for value in (0.0, 1.0, -2.3, 1e9, float("inf")):
        if isinstance(element, Float):
            fill: float = value
        else:
            real = np.rint(np.float32(value) / np.float32(element.scale[0])) + element.zero_point
            fill = max(min(real, element.high), element.low)
        expected = np.full((2 + 1, 3 + 3), fill, x.dtype)
        expected[1:, 2:5] = x
        check("pad", x, expected, element, before=(1, 2), after=(0, 1), value=value)


def test_large_plain_integers_pad_exactly() -> None:
    x = np.array([1, 2])
    check("pad", x, np.array([2**25 + 1, 1, 2]), INDEX, before=(1,), after=(0,), value=2.0**25 + 1)


@each_element
def test_expand_and_tile(element: Element) -> None:
    x = values((3, 1), element)
    check("expand", x, np.broadcast_to(x, (2, 3, 4)), element, shape=(2, 3, 4))
    check("expand", x, np.broadcast_to(x, (2, 3, 4)), element, shape=(2, 0, 4))
    check("tile", x, np.tile(x, (2, 3)), element, repeats=(2, 3))


@each_element
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather(element: Element, axis: int) -> None:
    x, rng = values((4, 5, 6), element), np.random.default_rng(1)
    for shape in ((), (3,), (2, 2)):
        indices = rng.integers(-x.shape[axis], x.shape[axis], size=shape)
        (found,) = apply("gather", x, indices, elements=[element], axis=axis)
        np.testing.assert_array_equal(found, np.take(x, indices, axis=axis))
        assert found.dtype == x.dtype


@each_element
@pytest.mark.parametrize("axis", [0, 1])
def test_gather_elements_is_torchs(element: Element, axis: int) -> None:
    x, rng = values((4, 5), element), np.random.default_rng(1)
    indices = rng.integers(0, x.shape[axis], size=(3, 4))
    (found,) = apply("gather_elements", x, indices - x.shape[axis], elements=[element], axis=axis)
    np.testing.assert_array_equal(found, torch.gather(torch.tensor(x), axis, torch.tensor(indices)).numpy())


@each_element
@pytest.mark.parametrize(
    ("shape", "indices", "batch"),
    [
        ((3, 4, 5), (2, 2), 0),
        ((3, 4, 5), (6, 3), 0),
        ((3, 4, 5), (3, 2, 1), 1),
        ((2, 3, 4), (2, 3, 1), 2),
        ((4,), (1,), 0),
    ],
)
def test_gather_nd_by_loops(element: Element, shape: Any, indices: Any, batch: int) -> None:
    x, rng = values(shape, element), np.random.default_rng(2)
    named = shape[batch : batch + indices[-1]]
    places = np.stack([rng.integers(-size, size, size=indices[:-1]) for size in named], axis=-1)
    (found,) = apply("gather_nd", x, places, elements=[element], batch=batch)
    for at in product(*map(range, indices[:-1])):
        np.testing.assert_array_equal(found[at], x[(*at[:batch], *places[at])])


REDUCTIONS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min, "none": lambda a, b: b}


@each_element
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements_by_loops(element: Element, reduction: str, axis: int) -> None:
    x, updates, rng = values((4, 5), element), values((3, 5 if axis == 0 else 4), element, 1), np.random.default_rng(3)
    if element == INDEX:
        x, updates = x % 10, updates % 10
    indices = rng.integers(-x.shape[axis], x.shape[axis], size=updates.shape)
    given: dict[str, Any] = {"elements": [element, None, element], "axis": axis, "reduction": reduction}
    plain = isinstance(element, Float) or element == INDEX
    if (element == BOOL and reduction in ("add", "mul")) or (reduction == "mul" and not plain):
        with pytest.raises(BadInput, match="no integer meaning"):
            apply("scatter_elements", x, indices, updates, **given)
        return
    (found,) = apply("scatter_elements", x, indices, updates, **given)
    zero = 0 if isinstance(element, Float) or reduction != "add" else element.zero_point
    expected = x - zero if isinstance(element, Float) else x.astype(object) - zero
    for at in np.ndindex(*updates.shape):
        to = tuple(int(indices[at]) if a == axis else i for a, i in enumerate(at))
        update = updates[at] if isinstance(element, Float) else int(updates[at]) - zero
        expected[to] = REDUCTIONS[reduction](expected[to], update)
    expected = expected + zero
    if not isinstance(element, Float):
        expected = np.clip(expected, element.low, element.high)
    np.testing.assert_array_equal(found, expected.astype(x.dtype))


@each_element
@pytest.mark.parametrize("reduction", ["none", "max", "add"])
def test_scatter_nd_by_loops(element: Element, reduction: str) -> None:
    if element == BOOL and reduction == "add":
        return
    x, updates = values((3, 4, 2), element), values((5, 2), element, 1)
    indices = np.array([[0, 1], [2, -1], [0, 1], [-3, 1], [1, 0]])
    (found,) = apply("scatter_nd", x, indices, updates, elements=[element, None, element], reduction=reduction)
    zero = 0 if isinstance(element, Float) or reduction != "add" else element.zero_point
    expected = x.copy() if isinstance(element, Float) else x.astype(object)
    for place, update in zip(indices, updates, strict=True):
        for i in range(2):
            to = (*place, i)
            expected[to] = REDUCTIONS[reduction](
                expected[to], update[i] if isinstance(element, Float) else int(update[i]) - zero
            )
    if not isinstance(element, Float):
        expected = np.clip(expected, element.low, element.high)
    np.testing.assert_array_equal(found, expected.astype(x.dtype))


@pytest.mark.parametrize("place", [4, -5, 2**62, -(2**63)])
def test_an_index_outside_is_refused_when_it_comes(place: int) -> None:
    x, indices = np.zeros((4, 4), np.float32), np.full((2, 2), place)
    for operator, more in (
        ("gather", {"axis": 1}),
        ("gather_elements", {"axis": 0}),
        ("gather_nd", {}),
        ("scatter_elements", {"axis": 0}),
        ("scatter_nd", {}),
    ):
        updates = [np.zeros((2, 2) if operator == "scatter_elements" else (2,), np.float32)]
        with pytest.raises(BadInput, match=f"an index of {place} into an axis of 4"):
            apply(operator, x, indices, *(updates if operator.startswith("scatter") else []), **more)


X, PLACE = Type(shape=(2, 3)), Type(shape=(2,), element=INDEX)
REFUSED: dict[str, tuple[str, list[Type], dict[str, Any], str]] = {
    "an axis twice": ("transpose", [X], {"order": (0, 0)}, "each of the 2 axes once"),
    "other sizes": ("concatenate", [X, Type(shape=(2, 4))], {"axis": 0}, "differ elsewhere"),
    "other ranks": ("concatenate", [X, Type(shape=(2,))], {"axis": 0}, "differ elsewhere"),
    "a negative axis": ("concatenate", [X, X], {"axis": -1}, "axes are 0 to 1"),
    "an axis too far": ("gather", [X, PLACE], {"axis": 2}, "axes are 0 to 1"),
    "other elements": ("concatenate", [X, Type(shape=(2, 3), element=U8)], {"axis": 0}, "different types meet"),
    "a step of 0": ("slice", [X], {"starts": (0, 0), "stops": (1, 1), "steps": (1, 0)}, "steps are not 0"),
    "an empty slice": ("slice", [X], {"starts": (0, 1), "stops": (1, 1), "steps": (1, 1)}, "one place"),
    "a start outside": ("slice", [X], {"starts": (0, 3), "stops": (1, 5), "steps": (1, 1)}, "starts lie inside"),
    "a negative stop": ("slice", [X], {"starts": (0, 2), "stops": (1, -1), "steps": (1, -1)}, "through place 0"),
    "too few entries": ("slice", [X], {"starts": (0,), "stops": (1,), "steps": (1,)}, "1 entries"),
    "negative padding": ("pad", [X], {"before": (0, -1), "after": (0, 0)}, "slice instead"),
    "another mode": ("pad", [X], {"before": (0, 0), "after": (0, 0), "mode": "zero"}, "are allowed"),
    "a border of NaN": ("pad", [X], {"before": (0, 0), "after": (0, 0), "value": float("nan")}, "not a number"),
    "a huge border": ("pad", [X], {"before": (2**39, 0), "after": (0, 0)}, "2^40"),
    "a shape that does not fit": ("expand", [X], {"shape": (2, 4)}, "does not broadcast"),
    "fewer axes": ("expand", [X], {"shape": (3,)}, "does not broadcast"),
    "a huge shape": ("expand", [X], {"shape": (2**39, 2, 3)}, "2^40"),
    "a negative size": ("expand", [X], {"shape": (-1, 2, 3)}, "positive"),
    "no repeats": ("tile", [X], {"repeats": (0, 1)}, "positive"),
    "huge repeats": ("tile", [X], {"repeats": (2**38, 2**38)}, "2^40"),
    "float indices": ("gather", [X, Type(shape=(2,))], {}, "indices are i64"),
    "a huge gather": ("gather", [Type(shape=(2, 2**30)), Type(shape=(2**20,), element=INDEX)], {}, "2^40"),
    "indices of another rank": ("gather_elements", [X, PLACE], {"axis": 0}, "reach beyond"),
    "indices wider than x": ("gather_elements", [X, Type(shape=(2, 4), element=INDEX)], {"axis": 0}, "reach beyond"),
    "places too long": ("gather_nd", [X, Type(shape=(2, 3), element=INDEX)], {}, "places of 3 entries"),
    "other batches": ("gather_nd", [X, Type(shape=(3, 1), element=INDEX)], {"batch": 1}, "batch axes"),
    "a batch of everything": ("gather_nd", [X, PLACE], {"batch": 1}, "batch axes"),
    "updates of another shape": (
        "scatter_elements",
        [X, Type(shape=(1, 3), element=INDEX), X],
        {"axis": 0},
        "one shape",
    ),
    "updates that do not fit": ("scatter_nd", [X, PLACE, X], {}, "updates have shape"),
    "another reduction": ("scatter_nd", [X, PLACE, Type(shape=())], {"reduction": "mean"}, "are allowed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    operator, types, attributes, reason = REFUSED[what]
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built(operator, types, **attributes)


def test_a_value_with_scales_per_channel_is_not_moved() -> None:
    element = Integer(scale=(1.0, 2.0), axis=0)
    with pytest.raises(BadInput, match="one scale per channel"):
        built("tile", [Type(shape=(2, 3), element=element)], repeats=(1, 2))
