"""Sums, products and means in integers: operands keep their scales, the result is requantised (INTERFACE, section 5).

add, subtract       both operands to the result's scale, one rounding each
multiply            (x - z_x)(y - z_y), one rounding
negate, absolute    one rounding
average_pool2d, reduce_sum, reduce_mean     the exact sum, one rounding
"""

from lamina.ir.network import Operation
from lamina.ir.quantise.settings import Form
from lamina.ir.quantise.write import Writer


def _rounded(w: Writer, operation: Operation) -> None:
    w.emit(operation, [w.stored(name) for name in operation.inputs], **w.rounding())


NAMES = ("add", "subtract", "multiply", "negate", "absolute", "average_pool2d", "reduce_sum", "reduce_mean")
ROUNDING = {name: Form(write=_rounded) for name in NAMES}
