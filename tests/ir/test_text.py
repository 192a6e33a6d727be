"""The text form: what is printed parses back to the same network, and broken lines are refused with their number."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.ir import Fixed, Float, Integer, Network, Type
from lamina.ir.check import completed
from lamina.ir.operators import TABLE
from lamina.ir.store import tensors
from lamina.ir.text import parse, parse_type, print_file, weights_checksum
from lamina.ir.types import number, parse_number
from tests.networks import SEEDS, fixed_network, float_network, integer_network, random_inputs, recurrent_network

BUILDERS: list[Callable[[int], Network]] = [
    lambda seed: float_network(seed, broadcast=True),
    lambda seed: float_network(seed, bits=64),
    integer_network,
    lambda seed: integer_network(seed, rounding="float", per_channel=True),
    fixed_network,
    recurrent_network,
]


def same(a: Network, b: Network) -> bool:
    """Equal in everything that the text and the weights hold."""

    def parts(network: Network) -> tuple[object, ...]:
        operations = [
            (o.operator, o.inputs, dict(o.outputs), completed(TABLE[o.operator], o.attributes))
            for o in network.operations
        ]
        types = {name: c.type for name, c in network.constants.items()}
        order = [*network.inputs], [*network.constants], [*network.outputs]
        return network.name, dict(network.inputs), types, operations, dict(network.outputs), dict(network.carry), order

    return parts(a) == parts(b)


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, builder=st.sampled_from(BUILDERS))
def test_printing_then_parsing_is_the_identity(seed: int, builder: Callable[[int], Network]) -> None:
    network = builder(seed)
    text = print_file([network])
    (shapes,) = parse(text)
    assert same(network, shapes)
    assert all(c.data is None for c in shapes.constants.values())
    (whole,) = parse(text, tensors([network]))
    assert print_file([whole]) == text
    inputs = random_inputs(network, np.random.default_rng(seed))
    for name, array in network.run(inputs).items():
        np.testing.assert_array_equal(whole.run(inputs)[name], array)


def test_the_random_networks_print_everything_the_text_can_say() -> None:
    text = print_file([b(seed).replaced(name=f"n{i}-{seed}") for i, b in enumerate(BUILDERS) for seed in range(40)])
    for part in (
        "axis=0",
        "zero=",
        "scale=[",
        "scale=0.",
        "2^-",
        " sparse",
        " codebook(2)",
        "sparse codebook(2)",
        "q6.10",
    ):
        assert part in text
    for word in ("carry ", "groups=", "dilation=", "rounding=float", "products=truncated", "accumulator=64", "axis=1"):
        assert word in text


def test_several_networks_in_one_file() -> None:
    networks = [builder(3).replaced(name=f"n{i}") for i, builder in enumerate(BUILDERS)]
    found = parse(print_file(networks), tensors(networks))
    assert len(found) == len(networks)
    assert all(same(a, b) for a, b in zip(networks, found, strict=True))


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False, width=64))
def test_numbers_read_back_to_the_same_float(value: float) -> None:
    assert parse_number(number(value)) == value


@given(st.integers(-149, 127))
def test_powers_of_two_are_printed_as_such(exponent: int) -> None:
    assert number(2.0**exponent) == f"2^{exponent}"
    type_ = Type(shape=(1,), element=Integer(scale=(2.0**exponent,)))
    assert parse_type(str(type_)) == type_


elements = st.one_of(
    st.sampled_from([Float(), Float(bits=64)]),
    st.builds(Fixed, integer_bits=st.integers(1, 32), fraction_bits=st.integers(0, 32)),
    st.builds(
        lambda bits, signed, scales: Integer(
            bits=bits, signed=signed, scale=tuple(scales), axis=None if len(scales) == 1 else 1
        ),
        bits=st.integers(1, 63),
        signed=st.booleans(),
        scales=st.lists(st.floats(2.0**-149, 2.0**127, width=32), min_size=1, max_size=5),
    ),
)


@given(
    st.builds(
        Type,
        shape=st.lists(st.integers(1, 10**9), max_size=6).map(tuple),
        element=elements,
        sparse=st.booleans(),
        codebook_bits=st.none() | st.integers(1, 16),
    )
)
def test_types_read_back(type_: Type) -> None:
    assert parse_type(str(type_)) == type_


def test_a_zero_point_and_an_axis_of_one_scale_read_back() -> None:
    for element in (Integer(zero_point=-5), Integer(scale=(0.5,), axis=0), Integer(signed=False, zero_point=200)):
        type_ = Type(shape=(1, 2), element=element)
        assert parse_type(str(type_)) == type_


GOOD = """lamina 1
network n
input x: f32[1,4]
const w: f32[2,4]
y: f32[1,2] = linear(x, w)
output out = y
end
"""
LINES: dict[str, tuple[str, str, str]] = {
    "no head": ("lamina 1", "lamella 1", "line 1: not a .lamina text"),
    "newer schema": ("lamina 1", "lamina 2", "line 1: schema 2, this Lamina reads schema 1"),
    "network without a name": ("network n", "network", "line 2: 'network': 'network NAME' is expected"),
    "input outside a network": ("network n\n", "", "line 2: .* 'network NAME' is expected"),
    "cut short": ("end\n", "", "has no end: the text is cut short"),
    "an input twice": ("input x: f32[1,4]", "input x: f32[1,4]\ninput x: f32[1,4]", "line 4: 'x' is there twice"),
    "an output twice": ("output out = y", "output out = y\noutput out = y", "line 7: 'out' is there twice"),
    "unknown element": ("input x: f32[1,4]", "input x: f16[1,4]", "line 3: 'f16\\[1,4\\]' is not a type"),
    "no shape": ("input x: f32[1,4]", "input x: f32", "is not a type"),
    "empty size": ("input x: f32[1,4]", "input x: f32[1,,4]", "sizes are positive integers"),
    "negative size": ("input x: f32[1,4]", "input x: f32[1,-4]", "is not a type"),
    "huge size": ("input x: f32[1,4]", "input x: f32[1,999999999999999]", "at most 2\\^40 elements"),
    "size of 16 digits": ("input x: f32[1,4]", "input x: f32[1,1000000000000000]", "at most 15 digits"),
    "size in another script": ("input x: f32[1,4]", "input x: f32[1,٤]", "is not a type"),
    "a shape that does not fit": (
        "y: f32[1,2]",
        "y: f32[1,3]",
        "line 7: network 'n', linear 'y': the result 'y' is declared",
    ),
    "unknown operator": ("linear(", "linaer(", "did you mean 'linear'"),
    "attribute twice": ("linear(x, w)", "linear(x, w) accumulator=64 accumulator=64", "accumulator is there twice"),
    "attribute without a value": ("linear(x, w)", "linear(x, w) accumulator=", "is not understood"),
    "attribute that is no value": ("linear(x, w)", "linear(x, w) accumulator=~", "'~' is not a value"),
    "an integer of 30 digits": ("linear(x, w)", f"linear(x, w) accumulator={'9' * 30}", "is not of type int"),
    "no inputs": ("linear(x, w)", "linear()", "0 inputs"),
    "two words": ("output out = y", "output out = y z", "is not understood"),
    "unknown line": ("output out = y", "outputs out = y", "is not understood"),
    "tabs": ("output out = y", "output\tout = y", "is not understood"),
    "scale of 0": ("const w: f32[2,4]", "const w: i8(scale=0.0)[2,4]", "positive"),
    "scale beyond float": ("const w: f32[2,4]", "const w: i8(scale=1e999)[2,4]", "outside the range of a float"),
    "scale of 2^9999": ("const w: f32[2,4]", "const w: i8(scale=2^9999)[2,4]", "outside the range"),
    "scale that is a word": ("const w: f32[2,4]", "const w: i8(scale=big)[2,4]", "not a positive number"),
    "scale twice": ("const w: f32[2,4]", "const w: i8(scale=1.0,scale=1.0)[2,4]", "are the fields"),
    "unknown field": ("const w: f32[2,4]", "const w: i8(offset=1)[2,4]", "are the fields"),
    "empty fields": ("const w: f32[2,4]", "const w: i8()[2,4]", "is not a type"),
}


@pytest.mark.parametrize("case", LINES)
def test_broken_lines_are_refused_with_their_number(case: str) -> None:
    old, new, message = LINES[case]
    assert old in GOOD
    parse(GOOD)
    with pytest.raises(BadInput, match=message) as caught:
        parse(GOOD.replace(old, new, 1))
    assert str(caught.value).startswith("line ")
    assert len(str(caught.value).splitlines()) == 1


def test_two_networks_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="line 8: network 'n' is there twice"):
        parse(GOOD + GOOD.removeprefix("lamina 1\n"))


@pytest.mark.parametrize("text", ["", "\n", "lamina 1", "lamina 1\n", "\ufefflamina 1\n", "lamina 1\nweights 00\n"])
def test_texts_without_a_network_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse(text)


def test_the_checksum_of_the_weights_is_read() -> None:
    checksum = "0123456789abcdef" * 4
    text = print_file([float_network(1)], checksum)
    assert weights_checksum(text) == checksum
    assert len(parse(text)) == 1
    assert weights_checksum(GOOD) is None
