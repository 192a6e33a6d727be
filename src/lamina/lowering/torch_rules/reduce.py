"""Sums, means, extremes and their places, norms, spread, sorting, running sums.

var   sum (x - mean)^2 / (n - correction)        logsumexp   max + log sum exp(x - max)
norm  sqrt(sum x^2), sum |x|, max |x|, or (sum |x|^p)^(1/p)
"""

from math import inf, prod
from typing import Any

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import INDEX, Float
from lamina.lowering.torch_rules._rule import (
    axes_of,
    axis_of,
    cast,
    element_of_dtype,
    number,
    promoted,
    reshape,
    rule,
)
from lamina.lowering.torch_rules.arithmetic import power, truth


def reduced(b: Builder, name: str, operator: str, x: Value, dim: Any, keep: bool) -> Value:
    """One reduction; a value without axes is what it is."""
    if not x.shape:
        return x
    made: Value = b.emit(operator, [x], name=name, axes=axes_of(x, dim), keep=keep)
    return made


@rule("aten.sum", "aten.sum.dim_IntList")
def total(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    element = self.type.element if isinstance(self.type.element, Float) else INDEX
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, element))
    return reduced(b, name, "reduce_sum", x, dim, keepdim)


@rule("aten.mean", "aten.mean.dim")
def mean(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, self.type.element))
    return reduced(b, name, "reduce_mean", x, dim, keepdim)


@rule("aten.prod", "aten.prod.dim_int")
def product(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
    element = self.type.element if isinstance(self.type.element, Float) else INDEX
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, element))
    return reduced(b, name, "reduce_product", x, dim, keepdim)


@rule("aten.amax", "aten.max")
def largest(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, name, "reduce_max", self, dim, keepdim)


@rule("aten.amin", "aten.min")
def smallest(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, name, "reduce_min", self, dim, keepdim)


def place(b: Builder, name: str, operator: str, x: Value, dim: int | None, keep: bool) -> Value:
    """argmax or argmin; over everything where `dim` is None."""
    if dim is None:
        flat = reshape(b, f"{name}.flat", x, (prod(x.shape),))
        found: Value = b.emit(operator, [flat], name=name, axis=0)
        return reshape(b, f"{name}.out", found, (1,) * len(x.shape)) if keep else found
    found = b.emit(operator, [x], name=name, axis=axis_of(x, dim), keep=keep)
    return found


@rule("aten.argmax")
def argmax(b: Builder, name: str, self: Value, dim: int | None, keepdim: bool) -> Value:
    return place(b, name, "argmax", self, dim, keepdim)


@rule("aten.argmin")
def argmin(b: Builder, name: str, self: Value, dim: int | None, keepdim: bool) -> Value:
    return place(b, name, "argmin", self, dim, keepdim)


@rule("aten.max.dim")
def max_and_place(b: Builder, name: str, self: Value, dim: int, keepdim: bool) -> list[Value]:
    where = place(b, f"{name}.place", "argmax", self, dim, keepdim)
    return [reduced(b, name, "reduce_max", self, dim, keepdim), where]


@rule("aten.min.dim")
def min_and_place(b: Builder, name: str, self: Value, dim: int, keepdim: bool) -> list[Value]:
    where = place(b, f"{name}.place", "argmin", self, dim, keepdim)
    return [reduced(b, name, "reduce_min", self, dim, keepdim), where]


@rule("aten.any", "aten.any.dim", "aten.any.dims")
def any_of(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, name, "reduce_max", truth(b, name, self), dim, keepdim)


@rule("aten.all", "aten.all.dim", "aten.all.dims")
def all_of(b: Builder, name: str, self: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, name, "reduce_min", truth(b, name, self), dim, keepdim)


@rule("aten.count_nonzero", "aten.count_nonzero.dim_IntList")
def count_nonzero(b: Builder, name: str, self: Value, dim: Any = None) -> Value:
    ones = cast(b, f"{name}.ones", truth(b, name, self), INDEX)
    return reduced(b, name, "reduce_sum", ones, dim, False)


def _variance(b: Builder, name: str, x: Value, dim: Any, correction: Any, keep: bool) -> tuple[Value, Value]:
    """Variance and mean."""
    centre = reduced(b, f"{name}.mean", "reduce_mean", x, dim, True)
    apart = b.emit("subtract", [x, centre], name=f"{name}.centred")
    square = b.emit("multiply", [apart, apart], name=f"{name}.square")
    count = prod(x.shape[axis] for axis in axes_of(x, dim))
    correction = 1 if correction is None else correction
    if count <= correction:
        raise Unsupported(f"the variance of {count} numbers at {name!r}, corrected by {correction}, is not a number")
    sums = reduced(b, f"{name}.sum", "reduce_sum", square, dim, keep)
    spread = b.emit("divide", [sums, number(b, f"{name}.count", count - correction, x.type.element)], name=name)
    kept = [1 if axis in axes_of(x, dim) else size for axis, size in enumerate(x.shape)]
    shape = kept if keep else [size for axis, size in enumerate(x.shape) if axis not in axes_of(x, dim)]
    return spread, reshape(b, f"{name}.centre", centre, shape)


def _corrected(unbiased: bool | None, correction: Any) -> Any:
    return correction if unbiased is None else int(unbiased)


@rule("aten.var.correction", "aten.var.dim", "aten.var")
def variance(
    b: Builder,
    name: str,
    self: Value,
    dim: Any = None,
    unbiased: bool | None = None,
    correction: Any = None,
    keepdim: bool = False,
) -> Value:
    return _variance(b, name, self, dim, _corrected(unbiased, correction), keepdim)[0]


@rule("aten.std.correction", "aten.std.dim", "aten.std")
def deviation(
    b: Builder,
    name: str,
    self: Value,
    dim: Any = None,
    unbiased: bool | None = None,
    correction: Any = None,
    keepdim: bool = False,
) -> Any:
    return b.emit("sqrt", [_variance(b, name, self, dim, _corrected(unbiased, correction), keepdim)[0]], name=name)


@rule("aten.var_mean.correction", "aten.var_mean.dim")
def variance_and_mean(
    b: Builder,
    name: str,
    self: Value,
    dim: Any = None,
    unbiased: bool | None = None,
    correction: Any = None,
    keepdim: bool = False,
) -> list[Value]:
    return list(_variance(b, name, self, dim, _corrected(unbiased, correction), keepdim))


@rule("aten.linalg_vector_norm")
def vector_norm(
    b: Builder, name: str, self: Value, ord: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, self.type.element))
    if ord == 2:
        square = b.emit("multiply", [x, x], name=f"{name}.square")
        return b.emit("sqrt", [reduced(b, f"{name}.sum", "reduce_sum", square, dim, keepdim)], name=name)
    size = b.emit("absolute", [x], name=f"{name}.size")
    if abs(ord) == inf:
        return reduced(b, name, "reduce_max" if ord > 0 else "reduce_min", size, dim, keepdim)
    if ord == 0:
        return cast(b, name, count_nonzero(b, f"{name}.count", size, dim), x.type.element)
    sums = reduced(b, f"{name}.sum", "reduce_sum", power(b, f"{name}.power", size, ord), dim, keepdim)
    return power(b, name, sums, 1 / ord)


@rule("aten.norm.ScalarOpt_dim", "aten.norm.Scalar")
def norm(b: Builder, name: str, self: Value, p: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return vector_norm(b, name, self, 2 if p is None else p, dim, keepdim)


@rule("aten.logsumexp")
def logsumexp(b: Builder, name: str, self: Value, dim: Any, keepdim: bool) -> Any:
    (x,) = promoted(b, name, self, real=True)
    top = reduced(b, f"{name}.top", "reduce_max", x, dim, True)
    powers = b.emit("exp", [b.emit("subtract", [x, top], name=f"{name}.below")], name=f"{name}.exp")
    sums = b.emit("log", [reduced(b, f"{name}.sum", "reduce_sum", powers, dim, True)], name=f"{name}.log")
    y: Value = b.emit("add", [sums, top], name=name)
    gone = axes_of(x, dim)
    return y if keepdim else reshape(b, f"{name}.out", y, [s for a, s in enumerate(x.shape) if a not in gone])


@rule("aten.cumsum")
def cumulative_sum(b: Builder, name: str, self: Value, dim: int, dtype: Any = None) -> Any:
    element = self.type.element if isinstance(self.type.element, Float) else INDEX
    x = cast(b, f"{name}.cast", self, element_of_dtype(dtype, element))
    return b.emit("cumulative_sum", [x], name=name, axis=axis_of(x, dim)) if x.shape else x


@rule("aten.topk")
def top_k(b: Builder, name: str, self: Value, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    return b.emit("top_k", [self], name=name, k=k, axis=axis_of(self, dim), largest=largest)


@rule("aten.sort", "aten.sort.stable")
def sort(b: Builder, name: str, self: Value, dim: int = -1, descending: bool = False, stable: Any = None) -> Any:
    return top_k(b, name, self, self.shape[axis_of(self, dim)], dim, descending, True)


@rule("aten.argsort", "aten.argsort.stable")
def argsort(b: Builder, name: str, self: Value, dim: int = -1, descending: bool = False, stable: Any = None) -> Any:
    return sort(b, name, self, dim, descending)[1]


@rule("aten.cosine_similarity")
def cosine_similarity(b: Builder, name: str, x1: Value, x2: Value, dim: int, eps: float) -> Any:
    """x1 x2 / (max(|x1|, eps) max(|x2|, eps)), summed along `dim`."""
    shares = []
    for x in (x1, x2):
        length = b.emit(
            "clip", [vector_norm(b, f"{name}.length", x, 2, dim, True)], name=f"{name}.most", low=float(eps), high=inf
        )
        shares.append(b.emit("divide", [x, length], name=f"{name}.unit"))
    both = b.emit("multiply", shares, name=f"{name}.product")
    return reduced(b, name, "reduce_sum", both, dim, False)


@rule("aten.pairwise_distance")
def pairwise_distance(b: Builder, name: str, x1: Value, x2: Value, p: float, eps: float, keepdim: bool) -> Any:
    apart = b.emit("subtract", [x1, x2], name=f"{name}.apart")
    moved = b.emit("add", [apart, number(b, f"{name}.epsilon", eps, x1.type.element)], name=f"{name}.moved")
    return vector_norm(b, name, moved, p, len(moved.shape) - 1, keepdim)
