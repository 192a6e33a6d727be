"""What was found to work, by model and size of the training set: epochs, learning rates, densities, threads.

Chosen on validation data alone. A model without an entry of its own takes those of `lenet5`.
"""

from dataclasses import dataclass

from lamina.core.errors import BadInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """One call of `fit`."""

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    train: Schedule
    prune: Schedule
    share: Schedule
    density: float  # share of the weights that stays
    clusters: int  # codebook entries of each layer
    threads: int | None  # of torch, None: its default; the bits of a run belong to their number


_FEW = 20_000  # examples; below, a step is too short for a second thread to help
_SMALL = {
    "lenet5": Settings(
        train=Schedule(epochs=30, learning_rate=3e-3, batch_size=64),
        prune=Schedule(epochs=24, learning_rate=2e-3, batch_size=64),
        share=Schedule(epochs=8, learning_rate=5e-4, batch_size=64),
        density=0.08,
        clusters=16,
        threads=1,
    ),
}
_LARGE = {
    "lenet5": Settings(
        train=Schedule(epochs=10, learning_rate=3e-3, batch_size=128),
        prune=Schedule(epochs=10, learning_rate=2e-3, batch_size=128),
        share=Schedule(epochs=4, learning_rate=5e-4, batch_size=128),
        density=0.08,
        clusters=16,
        threads=None,
    ),
    "lenet_300_100": Settings(
        train=Schedule(epochs=12, learning_rate=5e-3, batch_size=128, weight_decay=0.1),
        prune=Schedule(epochs=12, learning_rate=3e-3, batch_size=128, weight_decay=0.05),
        share=Schedule(epochs=4, learning_rate=5e-4, batch_size=128),
        density=0.1,
        clusters=16,
        threads=None,
    ),
    "lenet5_caffe": Settings(
        train=Schedule(epochs=6, learning_rate=3e-3, batch_size=128, weight_decay=0.05),
        prune=Schedule(epochs=5, learning_rate=2e-3, batch_size=128, weight_decay=0.05),
        share=Schedule(epochs=2, learning_rate=5e-4, batch_size=128),
        density=0.06,
        clusters=16,
        threads=None,
    ),
}


def settings(model: str, examples: int) -> Settings:
    """The settings of registered `model` for a training split of `examples`."""
    if examples < 1:
        raise BadInput(f"{examples} training examples: at least 1 is needed")
    table = _SMALL if examples < _FEW else _LARGE
    return table.get(model, table["lenet5"])
