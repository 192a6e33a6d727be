"""ONNX Runtime trains: a training step written as ONNX, three steps in a row, gives the interpreter's numbers."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import lamina.export
from lamina.ir.optimisers import Adam
from lamina.ir.training import carried, initial, training
from lamina.lowering.torch_export import lower
from tests.export.compiled import close
from tests.ir.training_models import CLASSES, MODELS


@pytest.mark.parametrize("model", MODELS)
def test_models_train_in_onnx_runtime(model: str, tmp_path: Path) -> None:
    torch.manual_seed(8)
    make, loss, _ = MODELS[model]
    module, x = make()
    x = x if x.dtype == torch.int64 else x.float()
    network = lower(module.float(), inputs=[x], name=model)
    step = training(network, loss=loss, optimiser=Adam(epsilon=0.1), learning_rate=0.05)  # see test_c_training
    rng, goal = np.random.default_rng(8), step.inputs["target"].shape
    drawn = rng.integers(0, CLASSES, goal) if loss == "cross_entropy" else rng.normal(size=goal).astype(np.float32)
    theirs = {**initial(step, network), next(iter(network.inputs)): x.numpy(), "target": drawn}
    mine = dict(theirs)
    path = tmp_path / "step.onnx"
    lamina.export.onnx(step, path)
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    for _ in range(3):
        found, wanted = dict(zip(names, session.run(None, mine), strict=True)), step.run(theirs)
        for name, want in wanted.items():
            close(np.asarray(found[name]), want, f"{model} {name}")
        mine |= carried(step, found)
        theirs |= carried(step, wanted)
