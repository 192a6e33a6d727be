"""One peer of inference.py in a process of its own: loads a network, then times calls on request, one thread.

    python _inference_worker.py CONTENDER PATH        PATH is an ONNX, .tflite or .npz file, or torch's module

prints the version that is timed, reads lines `CALLS` and answers each with the seconds of one call, the mean of CALLS.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
import numpy as np

Call = Callable[[], Any]


def filled(shape: Any, dtype: Any) -> np.ndarray:
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    return (rng.integers(0, 100, shape) if kind.kind in "iu" else rng.standard_normal(shape)).astype(kind)


def onnxruntime(path: str) -> tuple[str, Call]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
    sizes = {i.name: [s if isinstance(s, int) else 1 for s in i.shape] for i in session.get_inputs()}
    feed = {i.name: filled(sizes[i.name], kinds[i.type]) for i in session.get_inputs()}
    return ort.__version__, lambda: session.run(None, feed)


def openvino(path: str) -> tuple[str, Call]:
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    model = core.read_model(path)
    model.reshape(
        {given: [1 if d.is_dynamic else d.get_length() for d in given.partial_shape] for given in model.inputs}
    )
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    for tensor in request.input_tensors:
        tensor.data[:] = filled(tensor.data.shape, tensor.data.dtype)
    return ov.__version__.split("-")[0], request.infer


def litert(path: str) -> tuple[str, Call]:
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], filled(given["shape"], given["dtype"]))
    return version("ai-edge-litert"), interpreter.invoke


def torch_eager(name: str) -> tuple[str, Call]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    modules: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
        "lenet5": (
            lambda: nn.Sequential(
                nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                nn.Linear(84, 10),
            ),
            (1, 1, 28, 28),
        ),
        "lenet_300_100": (
            lambda: nn.Sequential(
                nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
            ),
            (1, 1, 28, 28),
        ),
        "lstm": (lambda: nn.LSTM(128, 512), (100, 1, 128)),
        "dense": (lambda: nn.Linear(9216, 4096), (1, 9216)),
    }  # fmt: skip
    build, shape = modules[name]
    module, x = build().eval(), torch.randn(shape)

    def call() -> Any:
        with torch.inference_mode():
            return module(x)

    return torch.__version__, call


def scipy_csr(path: str) -> tuple[str, Call]:
    import scipy
    from scipy.sparse import csr_matrix

    matrix = csr_matrix(np.load(path)["weights"])
    x = filled(matrix.shape[1], np.float32)
    return scipy.__version__, lambda: matrix @ x


def torch_csr(path: str) -> tuple[str, Call]:
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    matrix = torch.from_numpy(np.load(path)["weights"]).to_sparse_csr()
    narrow = torch.sparse_csr_tensor(
        matrix.crow_indices().int(), matrix.col_indices().int(), matrix.values(), matrix.shape
    )
    x = torch.from_numpy(filled((matrix.shape[1], 1), np.float32))
    return torch.__version__, lambda: narrow @ x


CONTENDERS = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "litert": litert,
    "torch": torch_eager,
    "scipy_csr": scipy_csr,
    "torch_csr": torch_csr,
}


def main() -> None:
    version, call = CONTENDERS[sys.argv[1]](sys.argv[2])
    for _ in range(3):
        call()
    print(version, flush=True)
    for line in sys.stdin:
        calls = int(line)
        start = time.perf_counter()
        for _ in range(calls):
            call()
        print((time.perf_counter() - start) / calls, flush=True)


if __name__ == "__main__":
    main()
