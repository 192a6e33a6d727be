"""Caffe layers that act on each number, on its neighbours or on a whole window.

ReLU      max(x, 0) + slope min(x, 0)             Power   (shift + scale x)^power
Exp       base^(shift + scale x)                  Log     log_base(shift + scale x); base -1 is e
LRN       x / (k + alpha/n sum x^2)^beta over n channels; WITHIN_CHANNEL x / (1 + alpha mean x^2)^beta over n x n
Eltwise   product, weighted sum or maximum of its inputs
Pooling   Caffe's windows (`_pooling.py`)
MVN       (x - mean) / (deviation + eps), each image or each channel by itself
"""

from math import e, inf, log

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Value
from lamina.lowering import _parts as parts
from lamina.lowering._caffe_text import Message
from lamina.lowering._pooling import average_pool, max_pool
from lamina.lowering.caffe_rules import Layer, Rule, axis_of, pair


def _plain(operator: str) -> Rule:
    def rule(layer: Layer, inputs: list[Value]) -> list[Value]:
        return [layer.builder.emit(operator, [inputs[0]], name=layer.name)]

    return rule


def relu(layer: Layer, inputs: list[Value]) -> list[Value]:
    slope = layer.parameters("relu_param").number("negative_slope", 0.0)
    if slope:
        return [layer.builder.emit("leaky_relu", [inputs[0]], name=layer.name, slope=slope)]
    return [layer.builder.emit("relu", [inputs[0]], name=layer.name)]


def prelu(layer: Layer, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    if layer.parameters("prelu_param").truth("channel_shared", False):
        return [parts.prelu(layer.builder, layer.name, x, layer.weight(0, (1,), "weight"))]
    if len(x.shape) < 2:
        raise BadInput(f"PReLU of a value of shape {list(x.shape)}: channels on axis 1 are needed")
    slope = layer.weight(0, (x.shape[1], *[1] * (len(x.shape) - 2)), "weight")
    return [parts.prelu(layer.builder, layer.name, x, slope)]


def elu(layer: Layer, inputs: list[Value]) -> list[Value]:
    alpha = layer.parameters("elu_param").number("alpha", 1.0)
    return [layer.builder.emit("elu", [inputs[0]], name=layer.name, alpha=alpha)]


def clip(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings = layer.parameters("clip_param")
    low, high = settings.number("min", 0.0), settings.number("max", 0.0)
    if low > high:
        raise BadInput(f"clipping between {low} and {high}")
    return [layer.builder.emit("clip", [inputs[0]], name=layer.name, low=low, high=high)]


def swish(layer: Layer, inputs: list[Value]) -> list[Value]:
    return [parts.swish(layer.builder, layer.name, inputs[0], layer.parameters("swish_param").number("beta", 1.0))]


def threshold(layer: Layer, inputs: list[Value]) -> list[Value]:
    b, x = layer.builder, inputs[0]
    limit = b.scalar(layer.parameters("threshold_param").number("threshold", 0.0), x)
    above = b.emit("greater", [x, limit], name=f"{layer.name}.above")
    return [b.emit("cast", [above], name=layer.name, element=x.type.element)]


def power(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, b = layer.parameters("power_param"), layer.builder
    exponent = settings.number("power", 1.0)
    if exponent == 1.0:
        return [_line(layer, layer.name, inputs[0], settings)]
    x = _line(layer, f"{layer.name}.line", inputs[0], settings)
    return [b.emit("power", [x, b.scalar(exponent, x)], name=layer.name)]


def _line(layer: Layer, name: str, x: Value, settings: Message) -> Value:
    """shift + scale x."""
    return parts.affine(layer.builder, name, x, settings.number("scale", 1.0), settings.number("shift", 0.0))


def exponential(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings = layer.parameters("exp_param")
    natural = _natural(settings)
    x = _line(layer, f"{layer.name}.line", inputs[0], settings)
    return [layer.builder.emit("exp", [parts.affine(layer.builder, f"{layer.name}.base", x, natural)], name=layer.name)]


def logarithm(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, b = layer.parameters("log_param"), layer.builder
    natural = _natural(settings)
    x = b.emit("log", [_line(layer, f"{layer.name}.line", inputs[0], settings)], name=f"{layer.name}.natural")
    return [parts.affine(b, layer.name, x, 1.0 / natural)]


def _natural(settings: Message) -> float:
    """The natural logarithm of the base."""
    base = settings.number("base", -1.0)
    if base != -1.0 and (not 0 < base < inf or base == 1.0):
        raise BadInput(f"base {base}: positive numbers but 1 are allowed, and -1 for e")
    return log(e if base == -1.0 else base)


def lrn(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x, b = layer.parameters("lrn_param"), inputs[0], layer.builder
    size = settings.integer("local_size", 5)
    alpha, beta, k = settings.number("alpha", 1.0), settings.number("beta", 0.75), settings.number("k", 1.0)
    if size < 1 or size % 2 == 0 or len(x.shape) != 4:
        raise BadInput(
            f"normalisation over {size} neighbours of {list(x.shape)}: odd sizes and [n, c, h, w] are needed"
        )
    if settings.text("norm_region", "ACROSS_CHANNELS") == "ACROSS_CHANNELS":
        return [b.emit("lrn", [x], name=layer.name, size=size, alpha=alpha, beta=beta, k=k)]
    square = b.emit("multiply", [x, x], name=f"{layer.name}.square")
    edge = (size - 1) // 2
    mean = average_pool(b, f"{layer.name}.mean", square, kernel=(size, size), stride=(1, 1), padding=(edge, edge))
    below = parts.affine(b, f"{layer.name}.below", mean, alpha, 1.0)
    scale = b.emit("power", [below, b.scalar(-beta, x)], name=f"{layer.name}.scale")
    return [b.emit("multiply", [x, scale], name=layer.name)]


def pooling(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("pooling_param"), inputs[0]
    method = settings.text("pool", "MAX")
    if method not in ("MAX", "AVE"):
        raise Unsupported(f"pooling by {method!r}: MAX and AVE are read")
    if len(layer.text.all("top")) > 1:
        raise Unsupported("pooling with a second top, the places of the maxima")
    if len(x.shape) != 4:
        raise BadInput(f"pooling of a value of shape {list(x.shape)}: [n, c, h, w] is needed")
    whole = settings.truth("global_pooling", False)
    pool = max_pool if method == "MAX" else average_pool
    y = pool(
        layer.builder,
        layer.name,
        x,
        kernel=x.shape[2:] if whole else pair(settings, "kernel_size", None, short="kernel"),
        stride=(1, 1) if whole else pair(settings, "stride", 1),
        padding=(0, 0) if whole else pair(settings, "pad", 0),
        ceil=settings.text("round_mode", "CEIL") != "FLOOR",
    )
    return [y]


def eltwise(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, b = layer.parameters("eltwise_param"), layer.builder
    method = settings.text("operation", "SUM")
    operators = {"SUM": "add", "PROD": "multiply", "MAX": "maximum"}
    if method not in operators:
        raise BadInput(f"operation {method!r}: {', '.join(operators)} are allowed")
    if any(x.shape != inputs[0].shape for x in inputs):
        raise BadInput(f"inputs of shapes {[list(x.shape) for x in inputs]}: they have to be equal")
    factors = settings.all("coeff") or [1.0] * len(inputs)
    if len(factors) != len(inputs) or not all(isinstance(f, int | float) for f in factors):
        raise BadInput(f"{len(factors)} factors for {len(inputs)} inputs")
    if method == "SUM":
        inputs = [
            parts.affine(b, f"{layer.name}.{i}", x, float(f))
            for i, (x, f) in enumerate(zip(inputs, factors, strict=True))
        ]
    y = inputs[0]
    for x in inputs[1:]:
        y = b.emit(operators[method], [y, x], name=layer.name)
    return [y]


def softmax(layer: Layer, inputs: list[Value]) -> list[Value]:
    axis = axis_of(layer.parameters("softmax_param").integer("axis", 1), inputs[0])
    return [layer.builder.emit("softmax", [inputs[0]], name=layer.name, axis=axis)]


def mvn(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x, b = layer.parameters("mvn_param"), inputs[0], layer.builder
    if len(x.shape) != 4:
        raise BadInput(f"MVN of a value of shape {list(x.shape)}: [n, c, h, w] is needed")
    axes = (1, 2, 3) if settings.truth("across_channels", False) else (2, 3)
    mean = b.emit("reduce_mean", [x], name=f"{layer.name}.mean", axes=axes, keep=True)
    y = b.emit("subtract", [x, mean], name=f"{layer.name}.centred")
    if not settings.truth("normalize_variance", True):
        return [y]
    square = b.emit("multiply", [y, y], name=f"{layer.name}.square")
    variance = b.emit("reduce_mean", [square], name=f"{layer.name}.variance", axes=axes, keep=True)
    deviation = b.emit("sqrt", [variance], name=f"{layer.name}.deviation")
    below = parts.affine(b, f"{layer.name}.below", deviation, 1.0, settings.number("eps", 1e-9))
    return [b.emit("divide", [y, below], name=layer.name)]


RULES: dict[str, Rule] = {
    "ReLU": relu,
    "PReLU": prelu,
    "Sigmoid": _plain("sigmoid"),
    "TanH": _plain("tanh"),
    "AbsVal": _plain("absolute"),
    "BNLL": _plain("softplus"),
    "ELU": elu,
    "Clip": clip,
    "Swish": swish,
    "Threshold": threshold,
    "Power": power,
    "Exp": exponential,
    "Log": logarithm,
    "LRN": lrn,
    "Pooling": pooling,
    "Eltwise": eltwise,
    "Softmax": softmax,
    "MVN": mvn,
}
