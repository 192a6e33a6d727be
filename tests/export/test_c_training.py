"""Training in exported C: three steps, each from what the last one gave, equal the interpreter's.

State goes out of one call and into the next as `carry` says: weights, moments and the counter. Adam has a large epsilon
here, since a gradient that is rounding alone would otherwise be a step of full length, and its sign decides.
"""

from pathlib import Path

import numpy as np
import torch

from lamina.ir.optimisers import Adam, Momentum, Optimiser
from lamina.ir.training import carried, initial, training
from lamina.lowering.torch_export import lower
from tests.export.compiled import STRICT, Library, close
from tests.ir.training_models import CLASSES, MODELS

RULES: dict[str, Optimiser] = {
    "lenet5": Momentum(),
    "transposed": Adam(epsilon=0.1),
    "lstm": Adam(epsilon=0.1),
    "attention": Momentum(nesterov=True),
}
FLAGS = ("-O1", *STRICT, "-fsanitize=undefined", "-fno-sanitize-recover=all")


def test_models_train_in_c(tmp_path: Path) -> None:
    torch.manual_seed(7)
    rng, pairs, sources = np.random.default_rng(7), [], []
    for name, rule in RULES.items():
        make, loss, _ = MODELS[name]
        module, x = make()
        x = x if x.dtype == torch.int64 else x.float()
        network = lower(module.float(), inputs=[x], name=name)
        step = training(network, loss=loss, optimiser=rule, learning_rate=0.05)
        feed = {**initial(step, network), next(iter(network.inputs)): x.numpy()}
        goal = step.inputs["target"].shape
        drawn = rng.integers(0, CLASSES, goal) if loss == "cross_entropy" else rng.normal(size=goal).astype(np.float32)
        pairs.append((step, {**feed, "target": drawn}))
        sources.append(step)
    library = Library(sources, tmp_path, *FLAGS)
    for index, (step, feed) in enumerate(pairs):
        mine, theirs = dict(feed), dict(feed)
        for _ in range(3):
            found, wanted = library.run(index, mine), step.run(theirs)
            for name, want in wanted.items():
                close(found[name], want, f"{step.name} {name}")
            mine |= carried(step, found)
            theirs |= carried(step, wanted)
