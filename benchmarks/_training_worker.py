"""Train LeNet-5 for one epoch on request: the contenders of training.py, each in the environment that has it.

    python _training_worker.py INPUTS.npy LABELS.npy THREADS

reads lines `CONTENDER BATCH` from standard input and answers each with the seconds of one epoch, on the clock and of
CPU time. A contender's first epoch is thrown away: imports, allocations and kernel choices are in it. All train the
same layers from the same sizes with Adam, and none validates. Lightning and Keras are timed from the start of their
epoch to its end, without set-up; ours and the plain loop from the call to its return.
"""

import functools
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("OMP_NUM_THREADS", sys.argv[3])
import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE = 1e-3
Epoch = Callable[[], "Span"]


class Span:
    """Seconds on the clock and of CPU time from `begin` to `end`."""

    def begin(self, *_: object) -> None:
        self.cpu_s, self.clock_s = -time.process_time(), -time.perf_counter()

    def end(self, *_: object) -> None:
        self.clock_s += time.perf_counter()
        self.cpu_s += time.process_time()


def layers() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def plain(x: Tensor, y: Tensor, batch: int, *, memory_format: torch.memory_format) -> Epoch:
    """The loop people write by hand: tensors in memory, gathered by a permutation, a fused optimiser."""

    def epoch() -> Span:
        model = layers().to(memory_format=memory_format)
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        span = Span()
        span.begin()
        order = torch.randperm(len(y))
        for start in range(0, len(y), batch):
            chosen = order[start : start + batch]
            optimiser.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x.index_select(0, chosen)), y.index_select(0, chosen))
            loss.backward()
            optimiser.step()
        span.end()
        return span

    return epoch


def lamina_fit(x: Tensor, y: Tensor, batch: int, *, folder: bool) -> Epoch:
    import tempfile
    from pathlib import Path

    import lamina
    from lamina.data._dataset import Dataset, Split
    from lamina.training import FitConfig, fit

    train = Split(inputs=x, labels=y)
    none = train.first(0)
    data = Dataset(name="x", classes=tuple("0123456789"), checksum="", train=train, validation=none, test=none)
    config = FitConfig(epochs=1, batch_size=batch, learning_rate=RATE)

    def epoch() -> Span:
        model, span = lamina.models.lenet5(), Span()
        with tempfile.TemporaryDirectory() as path:
            span.begin()
            fit(model, data, config=config, out=Path(path) / "run" if folder else None)
            span.end()
        return span

    return epoch


def lightning(x: Tensor, y: Tensor, batch: int) -> Epoch:
    warnings.simplefilter("ignore")
    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=batch, shuffle=True)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers().to(memory_format=torch.channels_last)
            self.span = Span()

        def training_step(self, pair: tuple[Tensor, Tensor], index: int) -> Tensor:
            return F.cross_entropy(self.layers(pair[0]), pair[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE, fused=True)

        def on_train_epoch_start(self) -> None:
            self.span.begin()

        def on_train_epoch_end(self) -> None:
            self.span.end()

    def epoch() -> Span:
        module = Module()
        trainer = L.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return module.span

    return epoch


def keras(x: Tensor, y: Tensor, batch: int) -> Epoch:
    import keras as k

    k.config.set_image_data_format("channels_first")  # as torch computes: its own default transposes
    inputs, labels = x.numpy(), y.numpy()

    class Clock(k.callbacks.Callback):
        span = Span()

        def on_epoch_begin(self, *_: object) -> None:
            self.span.begin()

        def on_epoch_end(self, *_: object) -> None:
            self.span.end()

    def epoch() -> Span:
        model = k.Sequential(
            [
                k.layers.Input((1, 28, 28)),
                k.layers.Conv2D(6, 5, padding="same", activation="relu"),
                k.layers.MaxPooling2D(2),
                k.layers.Conv2D(16, 5, activation="relu"),
                k.layers.MaxPooling2D(2),
                k.layers.Flatten(),
                k.layers.Dense(120, activation="relu"),
                k.layers.Dense(84, activation="relu"),
                k.layers.Dense(10),
            ]
        )
        model.compile(optimizer=k.optimizers.Adam(RATE), loss=k.losses.SparseCategoricalCrossentropy(from_logits=True))
        clock = Clock()
        model.fit(inputs, labels, batch_size=batch, epochs=1, verbose=0, callbacks=[clock])
        return clock.span

    return epoch


CONTENDERS = {
    "plain": functools.partial(plain, memory_format=torch.channels_last),
    "plain_contiguous": functools.partial(plain, memory_format=torch.contiguous_format),
    "fit": functools.partial(lamina_fit, folder=False),
    "fit_in_a_run_folder": functools.partial(lamina_fit, folder=True),
    "lightning": lightning,
    "keras": keras,
}


def main() -> None:
    inputs, labels, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    x, y = torch.from_numpy(np.load(inputs)), torch.from_numpy(np.load(labels))
    ready: dict[tuple[str, int], Epoch] = {}
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is not an answer
    for line in sys.stdin:
        name, batch = line.split()
        key = (name, int(batch))
        if key not in ready:
            ready[key] = CONTENDERS[name](x, y, int(batch))
            ready[key]()
        span = ready[key]()
        print(span.clock_s, span.cpu_s, file=answers, flush=True)


if __name__ == "__main__":
    main()
