"""The networks that inference.py times, by name: float, int8, compressed; weights random, since time ignores them.

lenet5, lenet_300_100           float; int8; compressed: 8 % of the weights, of 32 values
lstm                            128 inputs, 512 cells, 100 steps: float; int8; int8 with 10 % of the weights, single
                                ones or blocks of 8 in a row of outputs
dense                           9216 to 4096: float; 9 % of the weights, of 32 values
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from lamina.core.seeds import numpy_generator
from lamina.ir import Constant, Network, Type
from lamina.ir.build import Builder
from lamina.ir.network import Array
from lamina.ir.quantise import quantise

Change = Callable[[str, Constant], Constant]
STEPS, INPUTS, CELLS = 100, 128, 512


def lenet5() -> Network:
    from lamina.lowering import lower
    from lamina.models.lenet5 import INPUT_SHAPE
    from lamina.models.lenet5 import lenet5 as build

    return lower(build(), input_shape=INPUT_SHAPE, name="lenet5")


def lenet_300_100() -> Network:
    from lamina.lowering import lower
    from lamina.models.lenet_300_100 import INPUT_SHAPE
    from lamina.models.lenet_300_100 import lenet_300_100 as build

    return lower(build(), input_shape=INPUT_SHAPE, name="lenet_300_100")


def lstm() -> Network:
    import torch

    from lamina.lowering import lower

    class Tagger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.lstm = torch.nn.LSTM(INPUTS, CELLS)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(x)[0]

    return lower(Tagger(), input_shape=(STEPS, 1, INPUTS), name="lstm")


def dense() -> Network:
    b, rng = Builder(), numpy_generator(0, "dense")
    x = b.input("x", Type(shape=(1, 9216)))
    weights = rng.standard_normal((4096, 9216), np.float32) / 96
    y = b.emit("linear", [x, b.constant("weights", weights)], name="dense")
    return b.network("dense", {"y": y})


def int8(network: Network) -> Network:
    """`network` in 8 bits, power-of-two scales, calibrated on random inputs."""
    (name, type_), rng = next(iter(network.inputs.items())), numpy_generator(0, "calibration")
    given = [{name: rng.random(type_.shape).astype(np.float32)} for _ in range(4)]
    return quantise(network, given, bits=8)[0]


def changed(network: Network, change: Change) -> Network:
    """`network` with every matrix of weights changed."""
    weights = {n for n in network.weights if len(network.constants[n].type.shape) > 1}
    constants = {n: change(n, c) if n in weights else c for n, c in network.constants.items()}
    return network.replaced(constants=constants)


def pruned(density: float, *, block: int = 1) -> Change:
    """Keep a random share of the weights, in blocks of neighbouring outputs."""

    def change(name: str, constant: Constant) -> Constant:
        assert constant.data is not None
        data = constant.data
        rows = -(-data.shape[0] // block)
        keep = numpy_generator(0, "kept", name).random((rows, *data.shape[1:])) < density
        kept = np.where(np.repeat(keep, block, axis=0)[: data.shape[0]], data, data.dtype.type(0))
        return Constant(type=replace(constant.type, sparse=True), data=kept)

    return change


def shared(bits: int) -> Change:
    """Let the weights that are left be one of 2^bits values, evenly spread."""

    def change(name: str, constant: Constant) -> Constant:
        assert constant.data is not None
        data: Array = constant.data
        left = data != 0
        low, high = float(data.min()), float(data.max())
        book = np.linspace(low, high, 2**bits).astype(np.float32)
        nearest = np.clip(np.rint((data - low) / (high - low) * (2**bits - 1)), 0, 2**bits - 1).astype(np.int64)
        values = np.where(left, np.where(book[nearest] == 0, book[0], book[nearest]), np.float32(0))
        return Constant(type=replace(constant.type, codebook_bits=bits), data=values.astype(np.float32))

    return change


def networks() -> Mapping[str, Callable[[], Network]]:
    """Every case by name."""
    compressed = lambda n: changed(changed(n, pruned(0.08)), shared(5))  # noqa: E731
    return {
        "lenet5_float": lenet5,
        "lenet5_int8": lambda: int8(lenet5()),
        "lenet5_compressed": lambda: compressed(lenet5()),
        "lenet_300_100_float": lenet_300_100,
        "lenet_300_100_int8": lambda: int8(lenet_300_100()),
        "lenet_300_100_compressed": lambda: compressed(lenet_300_100()),
        "lstm_float": lstm,
        "lstm_int8": lambda: int8(lstm()),
        "lstm_int8_10_percent": lambda: changed(int8(lstm()), pruned(0.10)),
        "lstm_int8_10_percent_blocks": lambda: changed(int8(lstm()), pruned(0.10, block=8)),
        "dense_float": dense,
        "dense_9_percent": lambda: changed(changed(dense(), pruned(0.09)), shared(5)),
    }
