"""Operator to C: one template for each operator of the table. Views (flatten, reshape) have none: they move nothing."""

from collections.abc import Callable

from lamina.export import _c_elementwise, _c_multiply, _c_pooling
from lamina.export._c_kernel import Kernel, Setting

VIEWS = frozenset({"flatten", "reshape"})
IN_PLACE = frozenset({"relu", "tanh", "sigmoid", "lookup", "piecewise_linear", "softmax", "log_softmax"})
TEMPLATES: dict[str, Callable[[Setting], Kernel]] = {
    "conv2d": _c_multiply.conv2d,
    "linear": _c_multiply.linear,
    "max_pool2d": _c_pooling.max_pool2d,
    "average_pool2d": _c_pooling.average_pool2d,
    "relu": _c_elementwise.relu,
    "tanh": _c_elementwise.tanh,
    "sigmoid": _c_elementwise.sigmoid,
    "softmax": _c_elementwise.softmax,
    "log_softmax": _c_elementwise.log_softmax,
    "add": _c_elementwise.add,
    "quantise": _c_elementwise.quantise,
    "dequantise": _c_elementwise.dequantise,
    "lookup": _c_elementwise.lookup,
    "piecewise_linear": _c_elementwise.piecewise_linear,
}
