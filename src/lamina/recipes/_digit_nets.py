"""Networks that read digits, for studies that compare them: a seed's digits, LeNet-5 or a dense net, what it reads.

    lenet5      two convolutions, three dense layers: 61,706 parameters
    mlp         784 - h - h - 10, h² + 796 h + 10 parameters: 62,506 with h = 72, the least that is not below LeNet-5's

A seed draws the digits out of the training split, their order and the initial weights, and does so alike for every
net. Both learn by `fit` with Adam and one cycle of the learning rate. Chosen on the validation split, with seeds that
no study uses: two hidden layers, which do a little better than one of as many parameters (4.5 against 4.6 % errors),
and the peaks of the rates, which fall over 250 units as their number grows.

Errors     `BadInput` for more digits than there are
"""

import math
from functools import cache
from typing import Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.recipes._drawn import some

LENET5 = 61_706  # parameters
PICTURES = 55_000  # of MNIST's training split
SIDE = 28


def check_training(digits: int, epochs: int, judged: int) -> None:
    """Raises `BadInput` where the settings of a training are out of range."""
    for name, value, most in (("digits", digits, PICTURES), ("epochs", epochs, 1000), ("judged", judged, 10_000)):
        if not 1 <= value <= most:
            raise BadInput(f"{name} is {value}: 1 to {most:,} are allowed")


def dense_parameters(width: int) -> int:
    """Of an MLP with two hidden layers of `width` units on 28 x 28 pixels."""
    return (SIDE**2 + 1) * width + (width + 1) * width + (width + 1) * 10


def equal_width(parameters: int) -> int:
    """The least width at which the MLP has at least `parameters`."""
    near = math.isqrt(398**2 + max(parameters, 11) - 10) - 398  # of h² + 796 h + 10 = parameters
    return next(width for width in (near, near + 1) if dense_parameters(width) >= parameters)


def digits(seed: int, count: int) -> tuple[Any, Any]:
    """`count` pictures of the training split, drawn by `seed`, and their classes."""
    split = some(_mnist().train, count, derive(seed, "digits"))
    return split.inputs, split.labels


def test_digits(count: int) -> tuple[Any, Any]:
    """The first `count` pictures of the test split and their classes."""
    split = _mnist().test.first(count)
    return split.inputs, split.labels


def shuffled(x: Any) -> Any:
    """Pictures with their pixels in another order: one order for all pictures, splits and seeds."""
    import torch

    order = torch.randperm(SIDE**2, generator=torch.Generator().manual_seed(derive(0, "pixels")))
    return x.flatten(1)[:, order].view_as(x)


def trained(net: str, width: int, x: Any, y: Any, *, epochs: int, seed: int) -> Any:
    """LeNet-5, or the MLP of `width`, after its training on the pictures x of classes y."""
    from lamina.recipes._made import made
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    module = model_module(net)
    config = module.Config(hidden=(width, width)) if net == "mlp" else module.Config()
    model = getattr(module, net)(config, seed=seed)
    data = made("digits of MNIST", {"x": x, "y": y}, {"x": x[:0], "y": y[:0]})
    rate = min(1e-2, 2.5 / width) if net == "mlp" else 5e-3
    schedule = FitConfig(epochs=epochs, batch_size=100, learning_rate=rate, optimiser="adam", schedule="one_cycle")
    return fit(model, data, config=schedule, seed=seed).model


def accuracy(model: Any, x: Any, y: Any) -> float:
    """The share of the pictures x that the model takes for their classes y, in per cent."""
    from lamina.data._dataset import Split
    from lamina.training.evaluation import evaluate

    return 100 * evaluate(model, Split(tensors={"x": x, "y": y}), batch_size=500)["accuracy"]


@cache
def _mnist() -> Any:
    from lamina.data.mnist import mnist

    return mnist()
