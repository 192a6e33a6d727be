"""What is known of one network, and the arithmetic that its totals are counted with."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Entry:
    name: str
    full: Callable[[], nn.Module]  # built on the meta device
    shape: Any  # of the full network's inputs: one shape, or names to shapes or example tensors
    macs: int
    parameters: int
    source: str = "counted by hand"
    small: Callable[[], nn.Module] | None = None  # where it differs from the full one
    inputs: dict[str, Tensor]  # of the small one, or of the full one


def conv(out: int | tuple[int, int], k: int, c: int, r: int | tuple[int, int], groups: int = 1) -> int:
    """Multiply-accumulates: output places, output channels, input channels, window."""
    p, q = (out, out) if isinstance(out, int) else out
    h, w = (r, r) if isinstance(r, int) else r
    return p * q * k * (c // groups) * h * w


def dense(*sizes: int) -> int:
    """A chain of fully connected layers."""
    return sum(a * b for a, b in pairwise(sizes))


def biases(*sizes: int) -> int:
    return sum(sizes)
