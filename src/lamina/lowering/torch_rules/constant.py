"""Tensors that torch makes from sizes alone: they are constants here, and what is computed of constants folds.

Random tensors are refused: sampling takes a key (`nn`'s registered operators), so that every link draws the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL, FLOAT32, INDEX, Element
from lamina.lowering.torch_rules._rule import bounded, element_of_dtype, full, number, rule


def _of(value: Any) -> Element:
    """The element that torch gives a plain number."""
    return BOOL if isinstance(value, bool) else (INDEX if isinstance(value, int) else FLOAT32)


@rule("aten.zeros", "aten.empty.memory_format")
def zeros(b: Builder, name: str, size: Sequence[int], dtype: Any = None, **_: Any) -> Value:
    return full(b, name, size, 0, element_of_dtype(dtype))


@rule("aten.ones")
def ones(b: Builder, name: str, size: Sequence[int], dtype: Any = None, **_: Any) -> Value:
    return full(b, name, size, 1, element_of_dtype(dtype))


@rule("aten.full")
def filled(b: Builder, name: str, size: Sequence[int], fill_value: Any, dtype: Any = None, **_: Any) -> Value:
    return full(b, name, size, fill_value, element_of_dtype(dtype, _of(fill_value)))


@rule("aten.zeros_like", "aten.empty_like", "aten.zero")
def zeros_like(b: Builder, name: str, self: Value, dtype: Any = None, **_: Any) -> Value:
    return full(b, name, self.shape, 0, element_of_dtype(dtype, self.type.element))


@rule("aten.ones_like")
def ones_like(b: Builder, name: str, self: Value, dtype: Any = None, **_: Any) -> Value:
    return full(b, name, self.shape, 1, element_of_dtype(dtype, self.type.element))


@rule("aten.full_like")
def full_like(b: Builder, name: str, self: Value, fill_value: Any, dtype: Any = None, **_: Any) -> Value:
    return full(b, name, self.shape, fill_value, element_of_dtype(dtype, self.type.element))


@rule("aten.new_zeros", "aten.new_empty")
def new_zeros(b: Builder, name: str, self: Value, size: Sequence[int], dtype: Any = None, **_: Any) -> Value:
    return full(b, name, size, 0, element_of_dtype(dtype, self.type.element))


@rule("aten.new_ones")
def new_ones(b: Builder, name: str, self: Value, size: Sequence[int], dtype: Any = None, **_: Any) -> Value:
    return full(b, name, size, 1, element_of_dtype(dtype, self.type.element))


@rule("aten.new_full")
def new_full(
    b: Builder, name: str, self: Value, size: Sequence[int], fill_value: Any, dtype: Any = None, **_: Any
) -> Value:
    return full(b, name, size, fill_value, element_of_dtype(dtype, self.type.element))


@rule("aten.scalar_tensor")
def scalar(b: Builder, name: str, s: Any, dtype: Any = None, **_: Any) -> Value:
    return number(b, name, s, element_of_dtype(dtype, _of(s)))


@rule("aten.arange", "aten.arange.start", "aten.arange.start_step")
def arange(b: Builder, name: str, end: Any, start: Any = 0, step: Any = 1, dtype: Any = None, **_: Any) -> Value:
    bounded(name, int((end - start) / step))
    whole = all(isinstance(v, int) for v in (start, end, step))
    element = element_of_dtype(dtype, INDEX if whole else FLOAT32)
    return b.constant(name, np.arange(start, end, step).astype(element.storage))


@rule("aten.linspace")
def linspace(b: Builder, name: str, start: Any, end: Any, steps: int, dtype: Any = None, **_: Any) -> Value:
    bounded(name, steps)
    return b.constant(name, np.linspace(start, end, steps).astype(element_of_dtype(dtype).storage))


@rule("aten.eye", "aten.eye.m")
def eye(b: Builder, name: str, n: int, m: int | None = None, dtype: Any = None, **_: Any) -> Value:
    bounded(name, n * (m or n))
    return b.constant(name, np.eye(n, m, dtype=element_of_dtype(dtype).storage))


def _masked(b: Builder, name: str, x: Value, keep: np.ndarray) -> Any:
    """`x` where `keep`, zero elsewhere."""
    mask = b.constant(f"{name}.mask", keep)
    if x.type.element == BOOL:
        return b.emit("logical_and", [x, mask], name=name)
    return b.emit("where", [mask, x, number(b, f"{name}.zero", 0, x.type.element)], name=name)


def _triangle(x: Value, diagonal: int) -> np.ndarray:
    rows, columns = x.shape[-2:]
    bounded("a triangle", rows * columns)
    return np.tri(rows, columns, diagonal).astype(bool)


@rule("aten.tril")
def lower_triangle(b: Builder, name: str, self: Value, diagonal: int = 0) -> Any:
    return _masked(b, name, self, _triangle(self, diagonal))


@rule("aten.triu")
def upper_triangle(b: Builder, name: str, self: Value, diagonal: int = 0) -> Any:
    return _masked(b, name, self, ~_triangle(self, diagonal - 1))
