"""A float network in fixed point Qm.n, as DianNao's 16-bit NFU computes it (Q6.10: real = stored / 2^10).

    x ──quantise──▶ q6.10 ──conv2d, linear, pools, relu, add──▶ q6.10 ──dequantise──▶ y ──softmax──▶ …

Weights      round_half_even(w 2^n), saturated; `saturation` counts how many do
Products     "truncated": every product loses its n low bits before it is added, as a multiplier with a truncated output
             does; sums and biases then have n fraction bits. "exact": sums and biases have 2n.
Results      "truncate": the sum is shifted and saturated (a plain shifter); "power_of_two": rounded half to even
tanh, sigmoid become `piecewise_linear`; rule and error bound are in `ir.segments`
softmax, log_softmax at the end stay floating point, behind the dequantise
"""

from dataclasses import dataclass, field

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.network import Array, Attribute, Constant, Network, Operation, constant
from lamina.ir.segments import FUNCTIONS, fit
from lamina.ir.types import Fixed, Float, Type

MULTIPLY = ("conv2d", "linear")
ROUND = ("average_pool2d", "add")
MOVE = ("relu", "max_pool2d", "flatten", "reshape")
FLOAT_TAIL = ("softmax", "log_softmax")
ACCUMULATOR_BITS = 64  # above 8 bits: INTERFACE, section 5


def to_fixed(
    network: Network,
    element: Fixed,
    *,
    rounding: str = "truncate",
    products: str = "truncated",
    segments: int = 16,
) -> Network:
    """`network` (float) with every value between its quantised inputs and its dequantised outputs in `element`.

    Raises `Unsupported` for an operator without fixed-point meaning, naming it; `BadInput` for a network that is not
    float or has no weights.
    """
    if rounding not in ("truncate", "power_of_two") or products not in ("truncated", "exact"):
        raise BadInput(
            f"rounding {rounding!r} and products {products!r}: truncate or power_of_two, truncated or exact are allowed"
        )
    types = network.types
    for name, type_ in types.items():
        if not isinstance(type_.element, Float):
            raise BadInput(f"network {network.name!r} is not a float network: {name!r} is {type_.element}")
    work = _Work(
        network=network,
        element=element,
        rounding=rounding,
        products=products,
        segments=segments,
        types=types,
        floats={name: name for name in network.inputs},
        names=set(types),
    )
    for operation in network.operations:
        work.add(operation)
    outputs = {name: work.real(value) for name, value in network.outputs.items()}
    return Network(
        name=network.name,
        inputs=network.inputs,
        constants=work.constants,
        operations=tuple(work.operations),
        outputs=outputs,
        carry=network.carry,
    )


def saturation(network: Network, element: Fixed) -> dict[str, int]:
    """How many numbers of each constant of a float network lie outside `element` and would be clipped; zeros left out.

    Biases of exact products have a wider format, so this may count too many of them, never too few.
    """
    counts = {}
    for name in network.constants:
        stored = np.rint(network.data(name).astype(np.float64) * 2.0**element.fraction_bits)
        if count := int(((stored < element.low) | (stored > element.high)).sum()):
            counts[name] = count
    return counts


def bias_element(element: Fixed, products: str) -> Fixed:
    """The format of biases: that of the sums. Raises `Unsupported` where exact sums need more than 64 bits."""
    if products == "truncated":
        return element
    if 2 * element.bits > ACCUMULATOR_BITS:
        raise Unsupported(f"exact products of {element} have {2 * element.bits} bits, 64 are kept: use fewer bits")
    return Fixed(integer_bits=2 * element.integer_bits, fraction_bits=2 * element.fraction_bits)


@dataclass(kw_only=True, slots=True)
class _Work:
    """The fixed-point network while it is built; maps go from values of the float network to names in the new one."""

    network: Network
    element: Fixed
    rounding: str
    products: str
    segments: int
    types: dict[str, Type]
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    fixed: dict[str, str] = field(default_factory=dict)
    floats: dict[str, str] = field(default_factory=dict)
    biases: dict[str, str] = field(default_factory=dict)
    functions: dict[str, tuple[str, ...]] = field(default_factory=dict)  # operator -> its tables
    names: set[str] = field(default_factory=set)

    def add(self, operation: Operation) -> None:
        operator, name, inputs = operation.operator, operation.name, operation.inputs
        attributes: dict[str, Attribute] = dict(operation.attributes)
        if operator in FLOAT_TAIL:
            self.floats[name] = self.append(operator, [self.real(inputs[0])], name, self.types[name], attributes)
            return
        if operator in FUNCTIONS:
            names = [self.stored(inputs[0]), *self.tables(operator)]
            operator = "piecewise_linear"
        elif operator in MULTIPLY:
            names = [*map(self.stored, inputs[:2]), *map(self.bias, inputs[2:])]
            attributes |= {"rounding": self.rounding, "products": self.products, "accumulator": ACCUMULATOR_BITS}
        elif operator in ROUND or operator in MOVE:
            names = [*map(self.stored, inputs)]
            attributes |= {"rounding": self.rounding} if operator in ROUND else {}
        else:
            raise Unsupported(
                f"{operator} {name!r} has no fixed-point meaning: {', '.join((*MULTIPLY, *ROUND, *MOVE, *FUNCTIONS))} "
                f"have, and {', '.join(FLOAT_TAIL)} at the end"
            )
        self.fixed[name] = self.append(operator, names, name, self.in_fixed(name), attributes)

    def append(
        self, operator: str, inputs: list[str], name: str, type_: Type, attributes: dict[str, Attribute] | None = None
    ) -> str:
        self.operations.append(
            Operation(operator=operator, inputs=tuple(inputs), outputs={name: type_}, attributes=attributes or {})
        )
        return name

    def in_fixed(self, value: str) -> Type:
        return Type(shape=self.types[value].shape, element=self.element)

    def stored(self, value: str) -> str:
        """The name of `value` in fixed point, quantised where it is an input of the network."""
        if value not in self.fixed:
            if value in self.network.constants:
                self.fixed[value] = self.constant(value, self.element)
            elif value in self.network.inputs:
                self.fixed[value] = self.append("quantise", [value], self.free(f"{value}.fixed"), self.in_fixed(value))
            else:
                made = self.network.producer(value)
                raise Unsupported(
                    f"{made.operator if made else 'value'} {value!r} has a fixed-point meaning at the end of a network "
                    "alone, where it stays floating point"
                )
        return self.fixed[value]

    def real(self, value: str) -> str:
        """The name of `value` in floating point, dequantised where it was computed in fixed point."""
        if value not in self.floats:
            source = self.stored(value)
            self.floats[value] = self.append("dequantise", [source], self.free(f"{value}.real"), self.types[value])
        return self.floats[value]

    def bias(self, value: str) -> str:
        """A bias in the format of the sums; a computed one has `element` and is refused beside exact products."""
        if self.products == "truncated" or value not in self.network.constants:
            return self.stored(value)
        if value not in self.biases:
            self.biases[value] = self.constant(value, bias_element(self.element, self.products))
        return self.biases[value]

    def constant(self, value: str, element: Fixed) -> str:
        name = self.free(f"{value}.fixed") if value in self.constants else value
        given = self.network.constants[value].type
        self.constants[name] = Constant(
            type=Type(shape=given.shape, element=element, sparse=given.sparse, codebook_bits=given.codebook_bits),
            data=_rounded(self.network.data(value), element),
        )
        return name

    def tables(self, function: str) -> tuple[str, ...]:
        """Names of starts, slopes and intercepts of `function`, one set for the whole network."""
        if function not in self.functions:
            found = fit(function, self.element, self.segments)
            parts = (("starts", found.starts), ("slopes", found.slopes), ("intercepts", found.intercepts))
            names = tuple(self.free(f"{function}.{what}") for what, _ in parts)
            for name, (_, data) in zip(names, parts, strict=True):
                self.constants[name] = constant(data, Type(shape=data.shape, element=self.element))
            self.functions[function] = names
        return self.functions[function]

    def free(self, name: str) -> str:
        """`name`, or the next one like it that nothing has."""
        found, number = name, 1
        while found in self.names:
            number += 1
            found = f"{name}{number}"
        self.names.add(found)
        return found


def _rounded(data: Array, element: Fixed) -> Array:
    """round_half_even(data 2^n), saturated."""
    high = float(element.high) if element.bits <= 53 else float(np.nextafter(2.0 ** (element.bits - 1), 0))
    stored = np.rint(data.astype(np.float64) * 2.0**element.fraction_bits)
    return np.asarray(np.clip(stored, element.low, high), element.storage)
