"""DynamicQuantizeLSTM of ONNX Runtime: an LSTM whose weights are stored bytes.

    x W'  =  s_x s_w (q_x - z_x)(q_w - z_w)        q_x: uint8 with the scale of what came, for all steps at once
    h R'  the same, with the scale of this step's states

Sums of bytes are exact: float32 where the stored weights keep them below 2^24, else float64.
"""

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._onnx_node import Node, Tensor, known
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.cast import converted
from lamina.lowering.onnx_rules.coding import dynamically
from lamina.lowering.onnx_rules.qlinear import exact
from lamina.lowering.onnx_rules.recurrent import Product, directions

REAL = np.dtype(np.float32)


@rule("com.microsoft:DynamicQuantizeLSTM")
def dynamic_lstm(node: Node) -> Results:
    r = node.x(2)
    if r.rank != 3 or r.shape[2] != 4 * r.shape[1]:
        raise BadInput(f"weights of shape {list(r.shape)}, [directions, hidden, 4 hidden] is needed")
    if node.x(1).rank != 3 or node.x(1).shape[2] != r.shape[2]:
        raise BadInput(f"weights of shape {list(node.x(1).shape)} beside {list(r.shape)}")
    return directions(node, "LSTM", r.shape[1], _quantised)


def _quantised(node: Node, way: int) -> tuple[Product, Product]:
    return _times(node, way, 1, 8), _times(node, way, 2, 10)


def _times(node: Node, way: int, at: int, scale_at: int) -> Product:
    """The product with operand `at`, its scale and zero point at `scale_at` and behind."""
    stored, scale = node.array(at, "the weights")[way], node.array(scale_at, "the weights' scale")[way]
    offset = np.int64(0)
    if node.given(scale_at + 1) is not None:
        offset = node.array(scale_at + 1, "the weights' zero point")[way].astype(np.int64)
    whole = (stored.astype(np.int64) - offset).T  # [4 hidden, size]
    if scale.size not in (1, len(whole)):
        raise Unsupported(f"{scale.size} scales for {len(whole)} rows of weights")
    wide = 255 * int(np.abs(whole).sum(axis=1).max(initial=0)) >= 2**24
    weights = known(node.x(at).name, whole.astype(np.float64 if wide else np.float32))
    factor = known(f"{node.x(at).name}/scale", scale.reshape(-1).astype(np.float32))

    def product(node: Node, x: Tensor, bias: Tensor | None) -> Tensor:
        q, x_scale, x_zero = dynamically(node, x)
        sums = converted(node, node.step("linear", exact(node, q, x_zero, wide), weights), REAL)
        made: Tensor = node.step("multiply", sums, node.step("multiply", x_scale, factor))
        return made if bias is None else node.step("add", made, bias)

    return product
