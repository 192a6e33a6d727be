"""Normalisation to ONNX: batch, layer, local response, softmaxes.

ONNX's LayerNormalization needs a scale: ones where the network has none. Its LRN takes windows of odd size over four
axes; other local responses are written out with an average over channels.
"""

import numpy as np

from lamina.export._onnx_write import Task, Write, plain, reshaped


def _layer_norm(task: Task) -> None:
    axis, x = task.attributes["axis"], task.site.inputs[0].shape
    inputs = [*task.inputs]
    if len(inputs) == 1:
        inputs.append(task.graph.tensor(f"{task.to}:ones", np.ones(x[axis:]), task.dtype))
    task.node("LayerNormalization", *inputs, axis=axis, epsilon=task.attributes["epsilon"])


def _lrn(task: Task) -> None:
    """x / (k + alpha mean(x^2))^beta, the mean over `size` channels with zeros beyond the ends."""
    a = task.attributes
    n, c, *rest = task.site.inputs[0].shape
    if a["size"] % 2 and len(rest) == 2:
        task.node("LRN", *task.inputs, size=a["size"], alpha=a["alpha"], beta=a["beta"], bias=a["k"])
        return
    x, before = task.inputs[0], (a["size"] - 1) // 2
    square = task.node("Mul", x, x, part="square")
    planes = reshaped(task, square, [n, 1, c, -1], "planes")
    mean = task.node(
        "AveragePool",
        planes,
        part="mean",
        kernel_shape=[a["size"], 1],
        pads=[before, 0, a["size"] - 1 - before, 0],
        count_include_pad=1,
    )
    share = task.node(
        "Mul", reshaped(task, mean, [n, c, *rest], "channels"), task.number("alpha", a["alpha"]), part="share"
    )
    base = task.node("Add", share, task.number("k", a["k"]), part="base")
    task.node("Div", x, task.node("Pow", base, task.number("beta", a["beta"]), part="power"))


NORMALISE: dict[str, Write] = {
    "batch_norm": plain("BatchNormalization", epsilon="epsilon"),
    "layer_norm": _layer_norm,
    "lrn": _lrn,
    "softmax": plain("Softmax", axis="axis"),
    "log_softmax": plain("LogSoftmax", axis="axis"),
}
