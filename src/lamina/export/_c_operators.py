"""Operator to C: one template for each operator of the table. Views (flatten, reshape) have none: they move nothing."""

from collections.abc import Callable, Mapping
from functools import partial

from lamina.export import (
    _c_activations,
    _c_binary,
    _c_coding,
    _c_computed,
    _c_indexing,
    _c_move,
    _c_multiply,
    _c_normalise,
    _c_order,
    _c_pooling,
    _c_random,
    _c_reduce,
    _c_resize,
    _c_scan,
    _c_transposed,
)
from lamina.export._c_kernel import Kernel, Setting

Template = Callable[[Setting], Kernel]


def _family(function: Callable[..., Kernel], *names: str) -> dict[str, Template]:
    """One template for several operators: it is told which."""
    return {name: partial(function, name=name) for name in names}


VIEWS = frozenset({"flatten", "reshape"})
ACTIVATIONS = _family(_c_activations.activation, *_c_activations.EXPRESSIONS, "gelu") | {
    "relu": _c_activations.relu,
    "clip": _c_activations.clip,
    "negate": _c_activations.negate,
    "absolute": _c_activations.absolute,
    "logical_not": _c_activations.logical_not,
}
TEMPLATES: Mapping[str, Template] = {
    "conv2d": _c_multiply.conv2d,
    "linear": _c_multiply.linear,
    "matmul": _c_computed.matmul,
    "conv_transpose2d": _c_transposed.conv_transpose2d,
    "scan": _c_scan.scan,
    "max_pool2d": _c_pooling.max_pool2d,
    "max_pool2d_switches": _c_pooling.max_pool2d_switches,
    "max_unpool2d": _c_indexing.max_unpool2d,
    "average_pool2d": _c_pooling.average_pool2d,
    **ACTIVATIONS,
    **_family(_c_binary.arithmetic, "add", "subtract", "multiply", "divide", "power"),
    **_family(_c_binary.compared, "equal", "less", "less_or_equal", "greater", "greater_or_equal"),
    **_family(_c_binary.logical, "logical_and", "logical_or", "logical_xor"),
    "remainder": _c_binary.remainder,
    "minimum": partial(_c_binary.extreme, comparison="<"),
    "maximum": partial(_c_binary.extreme, comparison=">"),
    "where": _c_binary.where,
    "softmax": _c_normalise.softmax,
    "log_softmax": _c_normalise.log_softmax,
    "batch_norm": _c_normalise.batch_norm,
    "layer_norm": _c_normalise.layer_norm,
    "lrn": _c_normalise.lrn,
    **_family(_c_reduce.reduce, "reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_product"),
    **_family(_c_order.extreme_place, "argmax", "argmin"),
    "top_k": _c_order.top_k,
    "cumulative_sum": _c_order.cumulative_sum,
    "quantise": _c_coding.quantise,
    "dequantise": _c_coding.dequantise,
    "lookup": _c_coding.lookup,
    "piecewise_linear": _c_coding.piecewise_linear,
    "cast": _c_coding.cast,
    "transpose": _c_move.transpose,
    "concatenate": _c_move.concatenate,
    "slice": _c_move.slice_,
    "pad": _c_move.pad,
    "expand": _c_move.expand,
    "tile": _c_move.tile,
    "gather": _c_indexing.gather,
    "gather_elements": _c_indexing.gather_elements,
    "gather_nd": _c_indexing.gather_nd,
    "scatter_elements": _c_indexing.scatter_elements,
    "scatter_nd": _c_indexing.scatter_nd,
    "resize": _c_resize.resize,
    "uniform": _c_random.uniform,
}
IN_PLACE = frozenset({*ACTIVATIONS, "lookup", "piecewise_linear", "softmax", "log_softmax"})
TAKES_CLIPPING = frozenset(
    {"conv2d", "linear", "add", "subtract", "multiply", "matmul", "conv_transpose2d", "batch_norm"}
)
