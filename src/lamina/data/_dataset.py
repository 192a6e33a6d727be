"""A data set: three disjoint splits of tensors in memory, and batches in an order that follows from a key.

    train       what gradients see
    validation  what choices are made on
    test        read once, at the end

Shapes    of pictures: x [n, c, h, w] float32 in [0, 1], y [n] int64; a batch is a dict of such tensors, axis 0 the
          examples, whatever their names
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lamina.core.errors import BadInput
from lamina.core.seeds import derive

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Tensors by name, axis 0 the examples; pictures are `x` and their classes `y`."""

    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        counts = {name: len(tensor) for name, tensor in self.tensors.items()}
        if len(set(counts.values())) != 1:
            raise BadInput(f"a split with {counts or 'no'} examples: one tensor or more of one length are needed")
        for name, tensor in self.tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise BadInput(f"a split's {name!r} holds numbers that are not finite: look for broken data")

    @property
    def inputs(self) -> Tensor:
        return self.tensors["x"]

    @property
    def labels(self) -> Tensor:
        return self.tensors["y"]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def first(self, count: int) -> "Split":
        """The first `count` examples."""
        return Split(tensors={name: tensor[:count] for name, tensor in self.tensors.items()})

    def batches(self, size: int, *, order: Tensor | None = None) -> Iterator[Batch]:
        """Batches of `size` examples (the last may be smaller): those of `order` in its order, or all as stored."""
        for start in range(0, len(self) if order is None else len(order), size):
            if order is None:
                yield {name: tensor[start : start + size] for name, tensor in self.tensors.items()}
            else:
                chosen = order[start : start + size]
                yield {name: tensor.index_select(0, chosen) for name, tensor in self.tensors.items()}

    def order(self, seed: int, epoch: int) -> Tensor:
        """The permutation of epoch `epoch`: the same for the same key, in any process."""
        generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
        return torch.randperm(len(self), generator=generator)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    name: str
    classes: tuple[str, ...]
    checksum: str  # SHA-256 of what was read
    train: Split
    validation: Split
    test: Split

    def limited(self, count: int) -> "Dataset":
        """The first `count` training examples and as many of the others at most: for trials and tests."""
        return Dataset(
            name=self.name,
            classes=self.classes,
            checksum=self.checksum,
            train=self.train.first(count),
            validation=self.validation.first(count),
            test=self.test.first(count),
        )


def from_pixels(
    name: str,
    classes: tuple[str, ...],
    checksum: str,
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Dataset:
    """A data set of grey pictures, uint8 [n, h, w] and classes [n], for train, validation and test."""
    splits = []
    for x, y in zip(pixels, labels, strict=True):
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < len(classes):
            raise BadInput(f"data set {name!r}: labels {y.min()}..{y.max()}, there are {len(classes)} classes")
        inputs = torch.from_numpy(np.array(x)).to(torch.float32).div_(255).unsqueeze(1)
        splits.append(Split(tensors={"x": inputs, "y": torch.from_numpy(y.astype(np.int64))}))
    train, validation, test = splits
    return Dataset(name=name, classes=classes, checksum=checksum, train=train, validation=validation, test=test)
