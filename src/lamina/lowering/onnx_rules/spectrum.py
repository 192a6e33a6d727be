"""Fourier transforms of known length, as products with tables of cosines and sines.

    DFT    X[k] = sum over t of x[t] e^(-2 pi i k t / N)      one linear: [re X, im X] from [re x, im x]
    STFT   frames of the signal (a convolution with the windowed tables)

Inverse transforms have the other sign and 1 / N. Tables have at most 2^24 numbers.
"""

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._onnx_node import Node, Tensor, affordable, known, place
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.cast import converted
from lamina.lowering.onnx_rules.shape import part


def _tables(length: int, bins: int, sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [bins, length]; the angle is reduced in whole numbers, so that it is exact."""
    affordable(bins * length)
    turns = np.outer(np.arange(bins), np.arange(length)) % length
    angle = sign * 2 * np.pi * turns / length
    return np.cos(angle), np.sin(angle)


@rule("DFT")
def dft(node: Node) -> Tensor:
    x = node.x(0)
    if node.opset >= 20:
        axis = int(node.number(2, "the axis of a DFT")) if node.given(2) is not None else -2
    else:
        axis = node.integer("axis", 1)
    inverse, onesided = bool(node.integer("inverse", 0)), bool(node.integer("onesided", 0))
    axis = place(axis, x.rank)
    if axis == x.rank - 1 or x.shape[-1] not in (1, 2):
        raise BadInput(f"a value of shape {list(x.shape)}: its last axis holds real and imaginary parts")
    sides = inverse and onesided
    length = 2 * (x.shape[axis] - 1) if sides else x.shape[axis]
    if node.given(1) is not None:
        length = node.numbers(1, "the length of a DFT")[0]
    if length < 1:
        raise BadInput(f"a DFT of {length} numbers")
    terms = length // 2 + 1 if sides else length
    bins = length // 2 + 1 if onesided and not inverse else length
    x = _fitted(node, x, axis, terms)
    affordable(4 * bins * terms)
    cosines, sines = (t[:, :terms] for t in _tables(length, bins, 1.0 if inverse else -1.0))
    if inverse:
        weights = np.full(terms, 1 / length)
        if sides:  # the half that is not stored is the mirror of this one
            weights[1 : (length + 1) // 2] *= 2
        cosines, sines = cosines * weights, sines * weights
    # [parts of the result, bins, terms, parts of the input]
    table = np.stack([np.stack([cosines, -sines], -1), np.stack([sines, cosines], -1)])
    table = table[: 1 if sides else 2, ..., : x.shape[-1]]
    return _transformed(node, x, axis, table, wide=inverse)


def _transformed(node: Node, x: Tensor, axis: int, table: np.ndarray, *, wide: bool) -> Tensor:
    """The table times each line of x along an axis; the sums of an inverse cancel, they are taken in float64."""
    results, bins, terms, parts = table.shape
    others = [a for a in range(x.rank - 1) if a != axis]
    order = (*others, axis, x.rank - 1)
    moved = node.step("transpose", x, order=order) if order != tuple(range(x.rank)) else x
    rows = node.reshape(moved, (*[x.shape[a] for a in others], terms * parts))
    dtype = np.dtype(np.float64) if wide else x.dtype
    weights = known(f"{node.name}/table", table.reshape(results * bins, terms * parts).astype(dtype))
    made = converted(node, node.step("linear", converted(node, rows, dtype), weights), x.dtype)
    split = node.reshape(made, (*[x.shape[a] for a in others], results, bins))
    back = list(range(len(others)))
    back.insert(axis, len(others) + 1)
    found: Tensor = node.emit("transpose", split, order=(*back, len(others)))
    return found


def _fitted(node: Node, x: Tensor, axis: int, length: int) -> Tensor:
    """x cut to `length` along an axis, or zeros behind it."""
    size = x.shape[axis]
    if size == length:
        return x
    if size > length:
        return part(node, x, axis, 0, length)
    after = [0] * x.rank
    after[axis] = length - size
    made: Tensor = node.step("pad", x, before=(0,) * x.rank, after=tuple(after), mode="constant", value=0.0)
    return made


@rule("STFT")
def stft(node: Node) -> Tensor:
    """signal [batch, time, 1] to [batch, frames, bins, 2]: a convolution of stride `frame_step` with the tables."""
    x, step = node.x(0), node.numbers(1, "the step of a STFT")[0]
    if x.rank not in (2, 3) or (x.rank == 3 and x.shape[2] != 1):
        raise Unsupported(f"a signal of shape {list(x.shape)}: a real one, [batch, time, 1], is read")
    window = node.array(2, "the window of a STFT") if node.given(2) is not None else None
    length = node.numbers(3, "the frame of a STFT")[0] if node.given(3) is not None else 0
    length = length or (0 if window is None else window.size)
    if not 1 <= length <= x.shape[1] or step < 1 or (window is not None and window.shape != (length,)):
        raise BadInput(f"frames of {length} by {step} of a signal of {x.shape[1]}")
    bins = length // 2 + 1 if node.integer("onesided", 1) else length
    tables = np.stack(_tables(length, bins, -1.0), 1)  # [bins, 2, length]
    tables = tables if window is None else tables * window.astype(np.float64)
    weights = known(f"{node.name}/tables", tables.reshape(2 * bins, 1, 1, length).astype(x.dtype))
    made = node.step("conv2d", node.reshape(x, (x.shape[0], 1, 1, x.shape[1])), weights, stride=(1, step))
    frames = made.shape[3]
    split = node.reshape(made, (x.shape[0], bins, 2, frames))
    found: Tensor = node.emit("transpose", split, order=(0, 3, 1, 2))
    return found
