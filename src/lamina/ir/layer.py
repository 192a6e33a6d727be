"""One layer as a loop nest: the only thing a cost model may know about a network.

    O[n, g*k+i, p, q] += W[g*k+i, j, r, s] * I[n, g*c+j, p*stride+r*dilation-pad, q*stride+s*dilation-pad]

`k` and `c` count channels per group. A fully connected layer is the case p = q = r = s = 1. Pooling, elementwise and
data-moving operations are layers too, with `macs == 0` and their arithmetic in `ops`, so that nothing is costed as
nothing by being left out. Sizes are counts, bits are per element, density is the share of weights that are not zero.
"""

from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    name: str = "layer"
    operator: str = "conv2d"  # the operator's name; "conv2d" and "linear" multiply, others have macs == 0
    n: int = 1  # batch
    k: int = 1  # output channels of one group (neurons)
    c: int = 1  # input channels of one group (synapses per neuron)
    p: int = 1  # output height
    q: int = 1  # output width
    r: int = 1  # kernel height
    s: int = 1  # kernel width
    groups: int = 1
    stride: tuple[int, int] = (1, 1)  # along height, width
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, bottom, left, right
    height: int | None = None  # of the unpadded input; None: just what the kernel touches
    width: int | None = None
    has_weights: bool = True
    has_bias: bool = False
    ops: int = 0  # additions, comparisons, look-ups of a layer without weights
    input_bits: int = 8
    weight_bits: int = 8
    output_bits: int = 8
    density: float = 1.0  # share of the weights that are not zero
    input_density: float = 1.0  # share of the activations read that are not zero; 1: unknown, taken as dense
    output_density: float = 1.0  # the same of the results
    operands: int = 1  # activations read (2 for an addition of two tensors)
    result_size: tuple[int, int] | None = None  # height and width of the result; None: p, q (not so where transposed)
    repeats: int = 1  # times the whole nest runs, one after the other (the steps of a scan)

    # counted once: cost models ask for them many times
    macs: int = field(init=False, repr=False, compare=False)  # multiply-accumulates of the dense layer, all repeats
    weights: int = field(init=False, repr=False, compare=False)  # this and the others of one run
    inputs: int = field(init=False, repr=False, compare=False)  # activations read, each once, all operands
    outputs: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        weights = self.groups * self.k * self.c * self.r * self.s if self.has_weights else 0
        put(self, "weights", weights)
        put(self, "macs", self.repeats * self.n * self.p * self.q * weights)
        put(self, "inputs", self.operands * self.n * self.groups * self.c * prod(self.input_size))
        put(self, "outputs", self.n * self.groups * self.k * prod(self.result_size or (self.p, self.q)))

    @property
    def biases(self) -> int:
        return self.groups * self.k if self.has_bias else 0

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the unpadded input of one channel."""
        top, bottom, left, right = self.padding
        touched_h = (self.p - 1) * self.stride[0] + (self.r - 1) * self.dilation[0] + 1 - top - bottom
        touched_w = (self.q - 1) * self.stride[1] + (self.s - 1) * self.dilation[1] + 1 - left - right
        return (
            self.height if self.height is not None else touched_h,
            self.width if self.width is not None else touched_w,
        )

    @property
    def weight_bytes(self) -> float:
        return self.weights * self.weight_bits / 8

    @property
    def input_bytes(self) -> float:
        return self.inputs * self.input_bits / 8

    @property
    def output_bytes(self) -> float:
        return self.outputs * self.output_bits / 8


def dense(inputs: int, outputs: int, *, batch: int = 1, bits: int = 8, name: str = "dense") -> Layer:
    """A fully connected layer of `inputs` to `outputs` neurons, every operand `bits` wide."""
    return Layer(
        name=name, operator="linear", n=batch, k=outputs, c=inputs, input_bits=bits, weight_bits=bits, output_bits=bits
    )
