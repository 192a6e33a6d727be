"""Made-up examples as a data set, with the checksum that identifies a run."""

import hashlib
from collections.abc import Mapping
from typing import Any


def made(name: str, train: Mapping[str, Any], validation: Mapping[str, Any]) -> Any:
    """A data set of the tensors `train` and `validation`; the test split is empty, a recipe judges by itself."""
    from lamina.data._dataset import Dataset, Split

    digest = hashlib.sha256()
    for key in sorted(train):
        digest.update(key.encode() + train[key].numpy().tobytes())
    held = Split(tensors=validation)
    return Dataset(
        name=name,
        classes=(),
        checksum=digest.hexdigest(),
        train=Split(tensors=train),
        validation=held,
        test=held.first(0),
    )
