"""A test split never overlaps what a model was trained on: compared by pixels, whatever the sets are called.

The trap this is for: all 5,000 pictures of `digits` are in the training set of `mnist`, so a model trained on one is
not tested by the other.
"""

import hashlib
from typing import TYPE_CHECKING

from lamina.core import registry
from lamina.core.errors import BadInput

if TYPE_CHECKING:
    from lamina.data._dataset import Dataset, Split


def fingerprints(split: "Split") -> list[bytes]:
    """A hash of each example's pixels as bytes: the same for the same picture in another set."""
    import torch

    pixels = (split.inputs * 255).round().to(torch.uint8).flatten(1).numpy()
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in pixels]


def check_disjoint(train: "Split", test: "Split", what: str) -> None:
    """Raise `BadInput` when a test example is among the training examples, as pixels."""
    seen = set(fingerprints(train))
    shared = sum(print_ in seen for print_ in fingerprints(test))
    if shared:
        raise BadInput(
            f"{what}: {shared} of {len(test)} test pictures were trained on: test on the set's own test split"
        )


def check_tested_on(data: "Dataset", *, trained_on: str) -> None:
    """Raise `BadInput` when a model trained on the registered set `trained_on` has seen test pictures of `data`.

    A set that is no longer in the cache must be fetched again for this.
    """
    import lamina.data as package

    if data.name == trained_on:
        return
    registry.member(package, trained_on, "data set")
    known = getattr(package, trained_on)()
    for split in (known.train, known.validation):
        check_disjoint(split, data.test, f"trained on {trained_on!r}, tested on {data.name!r}")
