"""Training examples drawn by a seed: the same for every arm of a study, others for every seed.

What a study says of a method then holds for data of that kind, not for the first few thousand of one file.
"""

from dataclasses import replace
from typing import Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive


def drawn(data: Any, count: int, seed: int) -> Any:
    """`data` with `count` of its training examples, drawn by `seed` without putting back; the other splits stay."""
    return replace(data, train=some(data.train, count, derive(seed, "training examples")))


def some(split: Any, count: int, key: int) -> Any:
    """`count` examples of `split`, drawn by `key`; raises `BadInput` where there are fewer."""
    import torch

    if not 1 <= count <= len(split):
        raise BadInput(f"{count:,} examples of {len(split):,} cannot be drawn: 1 to {len(split):,} are allowed")
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(key))[:count]
    return replace(split, tensors={name: tensor[chosen] for name, tensor in split.tensors.items()})
