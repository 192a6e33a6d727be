"""Modules that multiply weights, normalise or pool.

Linear                   x [n, c], weight [k, c]
SpatialConvolution       x [n, c, h, w], weight [k, c, r, s]; the MM form stores it as [k, c r s]
SpatialFullConvolution   weight [c, k, r, s], adjH and adjW added at the end
TemporalConvolution      x [n, t, c], weight [k, s c], time before channels
BatchNormalization       running_mean, and running_var or the older running_std = 1/sqrt(var + eps)
LookupTable              rows counted from 1
"""

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Value
from lamina.ir.types import INDEX
from lamina.lowering import _parts as parts
from lamina.lowering._pooling import average_pool, max_pool
from lamina.lowering.torch7_rules import Data, Module, Rule, value


def linear(m: Module, x: Data) -> Value:
    x = value(x, (1, 2))
    k, c = _matrix(m, "weight")
    return m.emit("linear", [x, m.weight("weight", (k, c)), *_bias(m, k)])


def _matrix(m: Module, name: str) -> tuple[int, int]:
    array = m.array(name)
    if array.ndim != 2:
        raise BadInput(f"{name} has shape {list(array.shape)}: two axes are needed")
    return array.shape[0], array.shape[1]


def _bias(m: Module, k: int) -> list[Value]:
    return [m.weight("bias", (k,))] if m.has("bias") else []


def convolution(m: Module, x: Data) -> Value:
    x = value(x, (4,))
    c, k = m.whole("nInputPlane", least=1), m.whole("nOutputPlane", least=1)
    kernel, groups = m.pair("kH", "kW", least=1), m.whole("groups", 1, least=1)
    if c % groups or k % groups:
        raise BadInput(f"{c} input and {k} output channels in {groups} groups")
    height, width = _padding(m)
    return m.emit(
        "conv2d",
        [x, m.weight("weight", (k, c // groups, *kernel)), *_bias(m, k)],
        stride=m.pair("dH", "dW", 1, least=1),
        dilation=m.pair("dilationH", "dilationW", 1, least=1),
        padding=(height, height, width, width),
        groups=groups,
    )


def _padding(m: Module) -> tuple[int, int]:
    """padH and padW; one `padding` for both in older files."""
    both = m.whole("padding", 0)
    return m.pair("padH", "padW", both)


def full_convolution(m: Module, x: Data) -> Value:
    x = value(x, (4,))
    c, k = m.whole("nInputPlane", least=1), m.whole("nOutputPlane", least=1)
    kernel, (height, width) = m.pair("kH", "kW", least=1), _padding(m)
    return m.emit(
        "conv_transpose2d",
        [x, m.weight("weight", (c, k, *kernel)), *_bias(m, k)],
        stride=m.pair("dH", "dW", 1, least=1),
        padding=(height, height, width, width),
        output_padding=m.pair("adjH", "adjW", 0),
    )


def temporal_convolution(m: Module, x: Data) -> Value:
    x = value(x, (3,))
    c, k = m.whole("inputFrameSize", least=1), m.whole("outputFrameSize", least=1)
    s = m.whole("kW", least=1)
    array = m.array("weight")
    if array.size != k * s * c:
        raise BadInput(f"weight has shape {list(array.shape)}, {[k, s * c]} is needed")
    w = m.constant("weight", np.ascontiguousarray(array.reshape(k, s, c).transpose(0, 2, 1))[:, :, None, :])
    y = m.emit("conv2d", [_upright(m, x), w, *_bias(m, k)], stride=(1, m.whole("dW", 1, least=1)))
    return _lying(m, y)


def _upright(m: Module, x: Value) -> Value:
    """[n, t, c] as a picture [n, c, 1, t]."""
    n, t, c = x.shape
    return parts.reshape(
        m.builder, f"{m.name}.picture", m.emit("transpose", [x], part="turned", order=(0, 2, 1)), (n, c, 1, t)
    )


def _lying(m: Module, y: Value) -> Value:
    n, c, _, t = y.shape
    flat = parts.reshape(m.builder, f"{m.name}.frames", y, (n, c, t))
    return m.emit("transpose", [flat], part="back", order=(0, 2, 1))


def temporal_max_pooling(m: Module, x: Data) -> Value:
    x = value(x, (3,))
    y = max_pool(
        m.builder, m.name, _upright(m, x), kernel=(1, m.whole("kW", least=1)), stride=(1, m.whole("dW", least=1)),
        padding=(0, 0), ceil=False,
    )  # fmt: skip
    return _lying(m, y)


def max_pooling(m: Module, x: Data) -> Value:
    return max_pool(
        m.builder,
        m.name,
        value(x, (4,)),
        kernel=m.pair("kH", "kW", least=1),
        stride=m.pair("dH", "dW", 1, least=1),
        padding=m.pair("padH", "padW", 0),
        dilation=m.pair("dilationH", "dilationW", 1, least=1),
        ceil=m.truth("ceil_mode"),
    )


def average_pooling(m: Module, x: Data) -> Value:
    kernel = m.pair("kH", "kW", least=1)
    y = average_pool(
        m.builder,
        m.name,
        value(x, (4,)),
        kernel=kernel,
        stride=m.pair("dH", "dW", 1, least=1),
        padding=m.pair("padH", "padW", 0),
        ceil=m.truth("ceil_mode"),
        count_padding=m.truth("count_include_pad", True),
    )
    if not m.truth("divide", True):
        raise Unsupported("pooling by sums (divide = false)")
    return y


def adaptive_pooling(m: Module, x: Data) -> Value:
    x = value(x, (4,))
    size = m.pair("H", "W", least=1)
    if any(given % wanted for given, wanted in zip(x.shape[2:], size, strict=True)):
        raise Unsupported(f"adaptive pooling of {list(x.shape[2:])} to {list(size)}: sizes that divide are read")
    kernel = tuple(given // wanted for given, wanted in zip(x.shape[2:], size, strict=True))
    pool = "max_pool2d" if m.kind == "SpatialAdaptiveMaxPooling" else "average_pool2d"
    return m.emit(pool, [x], kernel=kernel, stride=kernel)


def batch_normalisation(m: Module, x: Data) -> Value:
    x = value(x, (2, 3, 4))
    c = x.shape[1]
    mean, epsilon = m.weight("running_mean", (c,)), m.number("eps", 1e-5)
    if m.has("running_var"):
        variance = m.weight("running_var", (c,))
    else:
        deviation = m.array("running_std").astype(np.float64).reshape(-1)
        if deviation.size != c or not (deviation > 1e-19).all():  # the variance has to fit float32
            raise BadInput(f"running_std holds {deviation.size} numbers, {c} positive ones are needed")
        variance = m.constant("running_var", deviation**-2 - epsilon)
    scale = m.weight("weight", (c,)) if m.has("weight") else m.constant("weight", np.ones(c))
    bias = m.weight("bias", (c,)) if m.has("bias") else m.constant("bias", np.zeros(c))
    return m.emit("batch_norm", [x, scale, bias, mean, variance], epsilon=epsilon)


def local_normalisation(m: Module, x: Data) -> Value:
    return m.emit(
        "lrn",
        [value(x, (4,))],
        size=m.whole("size", 5, least=1),
        alpha=m.number("alpha", 1e-4),
        beta=m.number("beta", 0.75),
        k=m.number("k", 1),
    )


def lookup_table(m: Module, x: Data) -> Value:
    rows, width = _matrix(m, "weight")
    places = value(x)
    if places.type.element != INDEX:
        places = m.emit("cast", [places], part="places", element=INDEX)
    one = m.builder.constant(f"{m.name}.one", np.asarray(1))
    first = m.emit("subtract", [places, one], part="from_zero")
    return m.emit("gather", [m.weight("weight", (rows, width)), first], axis=0)


RULES: dict[str, Rule] = {
    "Linear": linear,
    "SpatialConvolution": convolution,
    "SpatialConvolutionMM": convolution,
    "SpatialDilatedConvolution": convolution,
    "SpatialFullConvolution": full_convolution,
    "TemporalConvolution": temporal_convolution,
    "TemporalMaxPooling": temporal_max_pooling,
    "SpatialMaxPooling": max_pooling,
    "SpatialDilatedMaxPooling": max_pooling,
    "SpatialAveragePooling": average_pooling,
    "SpatialAdaptiveMaxPooling": adaptive_pooling,
    "SpatialAdaptiveAveragePooling": adaptive_pooling,
    "BatchNormalization": batch_normalisation,
    "SpatialBatchNormalization": batch_normalisation,
    "SpatialCrossMapLRN": local_normalisation,
    "LookupTable": lookup_table,
}
