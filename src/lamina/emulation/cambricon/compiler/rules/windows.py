"""Convolution and pooling: one window after the other, channels last; left out: keeping what two windows share.

    for p, q:   patch = R rows of S C numbers (VMOVE)      y[p, q] = MMV W, patch          W [k, R S C]
    for p, q:   y[p, q] = first place of the window        for r, s: y[p, q] = VGTM y[p, q], x[p + r, q + s]

An average is a product with a matrix of 1/(R S) (exact where R S is a power of two). Groups are a loop inside. Padding
is a copy with a border: in the scratchpad, or in main memory where it is too large there; then patches are VLOADs.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np

from lamina.emulation.cambricon.compiler._code import Address, Immediate, Register
from lamina.emulation.cambricon.compiler._homes import Home
from lamina.emulation.cambricon.compiler._moves import copy, dense, load, start, store
from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.emulation.cambricon.compiler.rules.elementwise import check
from lamina.emulation.cambricon.compiler.rules.products import check_product, tiles
from lamina.ir.check import site
from lamina.ir.network import Array, Operation


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Sizes of a padded image [h, w, c] and of the windows in it."""

    c: int
    h: int
    w: int
    p: int
    q: int
    r: int
    s: int
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def steps(self) -> tuple[int, int]:
        """From one window to the next below, and to the next on the right: elements."""
        return self.stride[0] * self.w * self.c, self.stride[1] * self.c

    @property
    def taps(self) -> tuple[int, int]:
        """The same inside a window."""
        return self.dilation[0] * self.w * self.c, self.dilation[1] * self.c


def _window(scope: Scope, operation: Operation, kernel: tuple[int, int]) -> Window:
    n, c, h, w = scope.types[operation.inputs[0]].shape
    if n != 1:
        raise refuse(operation, f"a batch of {n}: the program computes one example, run it for each")
    attributes = site(operation, scope.types).attributes
    top, bottom, left, right = attributes["padding"]
    p, q = scope.types[operation.name].shape[2:]
    return Window(
        c=c,
        h=h + top + bottom,
        w=w + left + right,
        p=p,
        q=q,
        r=kernel[0],
        s=kernel[1],
        stride=attributes["stride"],
        dilation=attributes["dilation"],
    )


@contextmanager
def _padded(scope: Scope, operation: Operation, window: Window, fill: int) -> Iterator[Home]:
    """The image, channels last, with its border of `fill`."""
    (top, _, left, _) = site(operation, scope.types).attributes["padding"]
    _, c, h, w = scope.types[operation.inputs[0]].shape
    code, vectors = scope.code, scope.target.vectors
    with scope.channels_last(operation.inputs[0]) as home, ExitStack() as stack:
        if (h, w) == (window.h, window.w):
            yield home
            return
        size = c * window.h * window.w
        if vectors.largest // 2 >= size:
            wide = Home("vector", stack.enter_context(vectors.temporary(size, operation.name)))
            code.emit("VSV", wide.address, size, wide.address, wide.address)
            if fill:
                code.emit("VAS", wide.address, size, wide.address, Immediate(fill))
        else:
            wide = Home("memory", scope.target.image.reserve(size, fill))
        inner = wide.at((top * window.w + left) * c)
        sizes = (h, w, c)
        copy(code, vectors, inner, home, sizes, (window.w * c, c, 1), dense(sizes), operation.name)
        yield wide


@contextmanager
def _places(scope: Scope, window: Window, image: Home, into: Address, by: int) -> Iterator[tuple[Register, Register]]:
    """Loops over p and q; (pointer to the window, pointer to its result, which moves on by `by`)."""
    code = scope.code
    down, right = window.steps
    with code.registers(2) as (place, result):
        start(code, place, image.address)
        start(code, result, into)
        with code.loop(window.p, {place: down - window.q * right}), code.loop(window.q, {place: right, result: by}):
            yield place, result


def _conv(scope: Scope, operation: Operation) -> None:
    check_product(scope, operation)
    if operation.inputs[1] not in scope.constants:
        raise refuse(operation, "its weights are no constant")
    w = scope.constants[operation.inputs[1]]
    groups = site(operation, scope.types).attributes["groups"]
    window = _window(scope, operation, w.shape[2:])
    with _padded(scope, operation, window, 0) as image:
        _slide(scope, operation, window, image, w.transpose(0, 2, 3, 1).reshape(len(w), -1), groups)


def _average(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    attributes = site(operation, scope.types).attributes
    kernel, one = attributes["kernel"], 1 << scope.target.element.fraction_bits
    if any(attributes["padding"]) and not attributes["include_padding"]:
        raise refuse(operation, "its windows have different numbers of places, padding left out")
    if one % prod(kernel):
        raise refuse(operation, f"1/{prod(kernel)} is no number of {scope.target.element}: no product is exact")
    window = _window(scope, operation, kernel)
    share = np.full(prod(kernel), one // prod(kernel))
    matrix = np.multiply.outer(np.eye(window.c, dtype=np.int64), share).transpose(0, 2, 1).reshape(window.c, -1)
    with _padded(scope, operation, window, 0) as image:
        _slide(scope, operation, window, image, matrix, 1)


def _slide(scope: Scope, operation: Operation, window: Window, image: Home, matrix: Array, groups: int) -> None:
    """y[p, q] = matrix times the patch there, group by group; matrix [k, r s c/groups]."""
    what, code = operation.name, scope.code
    (k, inner), vectors = matrix.shape, scope.target.vectors
    c = window.c // groups
    result = scope.result(what, (k, window.p, window.q))
    with ExitStack() as stack:
        patch = stack.enter_context(vectors.temporary(inner, what))
        base, size, pointer = tiles(scope, what, matrix, stack, outputs=result.address)
        if groups > 1 and size < k:
            raise refuse(operation, f"its {groups} groups do not fit the matrix scratchpad together")
        into = result.address if pointer is None else pointer
        sums = stack.enter_context(vectors.temporary(size, what)) if result.space == "memory" else None
        place, out = stack.enter_context(_places(scope, window, image, into, k))
        rows: Address = base
        first: Address = place
        target: Address = out if sums is None else sums
        if groups > 1:
            weights, channel, to = stack.enter_context(code.registers(3))
            start(code, weights, base)
            start(code, channel, place)
            start(code, to, target)
            steps = {weights: k // groups * inner, channel: c, to: k // groups}
            rows, first = weights, channel
        with ExitStack() as loop:
            if groups > 1:
                loop.enter_context(code.loop(groups, steps))
            sizes = (window.r, window.s, c)
            source = Home(image.space, first)
            copy(code, vectors, Home("vector", patch), source, sizes, dense(sizes), (*window.taps, 1), what)
            code.emit("MMV", to if groups > 1 else target, size // groups, rows, patch, inner)
        if sums is not None:
            store(code, Home("memory", out), size, sums)


def _maximum(scope: Scope, operation: Operation) -> None:
    check(scope, operation)
    what, code, vectors = operation.name, scope.code, scope.target.vectors
    window = _window(scope, operation, site(operation, scope.types).attributes["kernel"])
    c = window.c
    with _padded(scope, operation, window, scope.target.element.low) as image, ExitStack() as stack:
        result = scope.result(what, (c, window.p, window.q))
        best = stack.enter_context(vectors.temporary(c, what)) if result.space == "memory" else None
        fetched = stack.enter_context(vectors.temporary(c, what)) if image.space == "memory" else None
        place, out = stack.enter_context(_places(scope, window, image, result.address, c))
        target: Address = out if best is None else best
        load(code, target, c, Home(image.space, place))
        with code.registers() as (tap,):
            start(code, tap, place)
            below, right = window.taps
            with code.loop(window.r, {tap: below - window.s * right}), code.loop(window.s, {tap: right}):
                if fetched is not None:
                    load(code, fetched, c, Home(image.space, tap))
                code.emit("VGTM", target, c, target, tap if fetched is None else fetched)
        if best is not None:
            store(code, Home("memory", out), c, best)


RULES = {"conv2d": _conv, "average_pool2d": _average, "max_pool2d": _maximum}
