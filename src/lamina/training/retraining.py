"""Retraining as a function: what compression is handed, so that it needs to know nothing of data or optimisers.

    retrain = retrainer(data, FitConfig(epochs=3))
    retrain(model, after_update=masks.apply)         trains `model` in place, keeps nothing on disk

The k-th call draws with the seed's k-th key, so that a compression of several stages is repeated bit by bit.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from lamina.core.seeds import derive
from lamina.training.fitting import FitConfig, fit
from lamina.training.steps import Loss


def retrainer(
    data: Any, config: FitConfig, *, seed: int = 0, name: str = "retrain", loss: Loss | None = None
) -> Callable[..., None]:
    """A function (model, *, after_update) that trains by `config` on `data`; `loss` as `fit` takes it."""
    calls = 0

    def retrain(model: nn.Module, *, after_update: Callable[[float], None]) -> None:
        nonlocal calls
        key = derive(seed, name, calls)
        fit(model, data, config=config, loss=loss, seed=key, after_update=after_update, stage=name)
        calls += 1

    return retrain
