"""Resizing to the nearest: ONNX Runtime takes the places of the interpreter, exact ones and ties included.

Runtimes compute places in float32: (i + 1/2) / (1/7) - 1/2 may fall below 3. The exporter knows where.
"""

from itertools import product

import numpy as np
import pytest

from lamina.export.onnx_file import model
from lamina.export.onnx_session import open_session
from lamina.ir import Type
from lamina.ir.build import Builder
from lamina.ir.operators.resize import CHOICES


@pytest.mark.parametrize("coordinates", CHOICES["coordinates"])
def test_every_pair_of_sizes(coordinates: str) -> None:
    pytest.importorskip("onnxruntime")
    for size, wanted, nearest in product(range(1, 9), range(1, 11), CHOICES["nearest"]):
        b = Builder()
        x = b.input("x", Type(shape=(1, 1, 1, size)))
        y = b.emit("resize", [x], size=(1, wanted), coordinates=coordinates, nearest=nearest)
        network = b.network("resized", {"y": y})
        given = {"x": np.arange(size, dtype=np.float32).reshape(1, 1, 1, -1)}
        data = model(network).SerializeToString()
        (found,) = open_session(data, "resized", level="all").run(None, given)
        assert np.array_equal(found, network.run(given)["y"]), f"{size} to {wanted}, {nearest}"
