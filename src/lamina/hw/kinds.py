"""Kinds of work, by the names of operators: what families of machines tell apart besides loop bounds.

ON_THE_FLY    one number in, one out: applied to results as they leave
SIMPLE        sums, differences, products and comparisons, element by element or along axes: what an adder tree,
              a multiplier and a comparator do
MOVES         numbers that only change their place: what a DMA engine does
"""

from lamina.ir.operators import activations

ON_THE_FLY = frozenset(entry.name for entry in activations.OPERATORS) | {
    "lookup",
    "piecewise_linear",
    "quantise",
    "dequantise",
    "cast",
}
POOLING = frozenset({"max_pool2d", "average_pool2d"})
SIMPLE = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "minimum",
        "maximum",
        "batch_norm",
        "reduce_sum",
        "reduce_mean",
        "reduce_max",
        "reduce_min",
    }
)
MOVES = frozenset({"transpose", "concatenate", "slice", "pad", "expand", "tile", "gather"})
