"""The text form: what a person reads, and what parses back to the same network.

    lamina 1
    weights 9f86d081…                          SHA-256 of the weights file beside it; absent where there is none
    network lenet5
    input x: f32[1,1,28,28]
    const conv1.weight: f32[6,1,5,5]
    conv1: f32[1,6,28,28] = conv2d(x, conv1.weight, conv1.bias) padding=[2,2,2,2]
    output logits = fc3
    carry h_next -> h                          an output that comes back as an input
    end

An operation with several results names them all; one with a body is followed by it:

    h: f32[1,8], y: f32[5,1,8] = scan(h0, x, w) sequences=1 {
      input h: f32[1,8]
      …
    }

One line one thing; a file holds one or more networks. Attributes at their default are not printed. Parsing never trusts
a size: a file over 64 MiB, a line over 4 MiB or a broken rule is one `BadInput` with the line's number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.core.units import MiB
from lamina.ir.network import Array, Attribute, Constant, Network, Operation
from lamina.ir.operators import TABLE
from lamina.ir.types import Element, Fixed, Float, Integer, Type, number, parse_number

SCHEMA = 1
MOST_BYTES = 64 * MiB
MOST_LINE = 4 * MiB
MOST_LINES = 1_000_000
MOST_DEPTH = 16  # bodies inside bodies

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_./\-]*"
_VALUE = re.compile(rf"({_NAME}): (.+)\Z")
_OPERATION = re.compile(
    rf"({_NAME}: [^=\s]\S*(?:, {_NAME}: \S+)*) = ([a-z0-9_]+)\(([^()]*)\)((?: [a-z_]+=\S+)*)( {{)?\Z"
)
_OUTPUT = re.compile(rf"({_NAME}) = ({_NAME})\Z")
_CARRY = re.compile(rf"({_NAME}) -> ({_NAME})\Z")
_TYPE = re.compile(
    r"(?:f(32|64)|q([0-9]{1,2})\.([0-9]{1,2})|([iu])([0-9]{1,2})(?:\(([^()]+)\))?)"
    r"\[([0-9,]*)\]( sparse)?(?: codebook\(([0-9]{1,2})\))?\Z"
)
_FIELD = re.compile(r"(scale|axis|zero)=(\[[^\[\]]*\]|[^,\[\]]+)(?:,|\Z)")
_WORD = re.compile(r"[a-z_][a-z_0-9]*\Z")
_INTEGER = re.compile(r"-?[0-9]{1,20}\Z")
_FLOAT = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?(?:e[+-]?[0-9]{1,3})?|2\^-?[0-9]{1,4}|inf)\Z")


def print_network(network: Network) -> str:
    """One network, from `network NAME` to `end`."""
    return "\n".join([f"network {network.name}", *_lines(network), "end"])


def _lines(network: Network) -> list[str]:
    lines = [f"input {name}: {type_}" for name, type_ in network.inputs.items()]
    lines += [f"const {name}: {constant.type}" for name, constant in network.constants.items()]
    for operation in network.operations:
        lines.append(_print_operation(operation))
        if isinstance(body := operation.attributes.get("body"), Network):
            lines[-1] += " {"
            lines += [f"  {line}" for line in _lines(body)] + ["}"]
    lines += [f"output {name} = {value}" for name, value in network.outputs.items()]
    lines += [f"carry {output} -> {into}" for output, into in network.carry.items()]
    return lines


def print_file(networks: list[Network], weights_sha256: str | None = None) -> str:
    """A whole `.lamina` text."""
    head = [f"lamina {SCHEMA}"] + ([f"weights {weights_sha256}"] if weights_sha256 else [])
    return "\n".join([*head, *map(print_network, networks)]) + "\n"


def _print_operation(operation: Operation) -> str:
    defaults = TABLE[operation.operator].attributes
    attributes = "".join(
        f" {name}={_print_attribute(operation.attributes[name])}"
        for name in defaults
        if name in operation.attributes and operation.attributes[name] != defaults[name] and name != "body"
    )
    results = ", ".join(f"{name}: {type_}" for name, type_ in operation.outputs.items())
    return f"{results} = {operation.operator}({', '.join(operation.inputs)}){attributes}"


def _print_attribute(value: Attribute) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{','.join(_print_attribute(part) for part in value)}]"
    return number(value) if isinstance(value, float) else str(value)


@dataclass(slots=True)
class _Draft:
    """A network while its lines are read; a body knows the network around it and the operation it belongs to."""

    name: str
    outside: "_Draft | None" = None
    operation: "Operation | None" = None
    inputs: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    carry: dict[str, str] = field(default_factory=dict)

    def network(self) -> Network:
        return Network(
            name=self.name,
            inputs=self.inputs,
            constants=self.constants,
            operations=tuple(self.operations),
            outputs=self.outputs,
            carry=self.carry,
        )

    def depth(self) -> int:
        return 0 if self.outside is None else 1 + self.outside.depth()


def weights_checksum(text: str) -> str | None:
    """The SHA-256 that a `.lamina` text gives for the weights beside it, if any."""
    for line in text.split("\n", 2)[1:2]:
        if line.startswith("weights "):
            return line[8:].strip()
    return None


def parse(text: str, weights: Mapping[str, Array] | None = None) -> list[Network]:
    """The networks in a `.lamina` text; `weights` maps "network:constant" to arrays, absent ones have only shapes.

    Raises `BadInput` with the line's number.
    """
    if len(text) > MOST_BYTES:
        raise BadInput(f"the text has {len(text)} characters, at most {MOST_BYTES} are read")
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        raise BadInput(f"the text has {len(lines)} lines, at most {MOST_LINES} are read")
    if not re.fullmatch(r"lamina [0-9]{1,9}", lines[0]):
        raise BadInput("line 1: not a .lamina text: it begins with 'lamina 1'")
    if lines[0] != f"lamina {SCHEMA}":
        raise BadInput(
            f"line 1: schema {lines[0][7:]}, this Lamina reads schema {SCHEMA}: use the version that wrote it"
        )
    networks: dict[str, Network] = {}
    draft: _Draft | None = None
    for index, line in enumerate(lines[1:], start=2):
        if not line.strip() or (index == 2 and re.fullmatch(r"weights [0-9a-f]{64}", line)):
            continue
        try:
            if len(line) > MOST_LINE:
                raise BadInput("the line is too long")
            draft = _line(line, draft, networks, weights or {})
        except BadInput as e:
            raise BadInput(f"line {index}: {e}") from e
    if draft is not None:
        raise BadInput(f"line {len(lines)}: network {draft.name!r} has no end: the text is cut short")
    if not networks:
        raise BadInput("the text holds no network")
    return [*networks.values()]


def _line(line: str, draft: _Draft | None, networks: dict[str, Network], weights: Mapping[str, Array]) -> _Draft | None:
    line = line.lstrip(" ")
    word, _, rest = line.partition(" ")
    if draft is None:
        if word != "network" or not re.fullmatch(_NAME, rest):
            raise BadInput(f"{one_line(line, 60)!r}: 'network NAME' is expected")
        if rest in networks:
            raise BadInput(f"network {one_line(rest, 60)!r} is there twice")
        return _Draft(name=rest)
    if line == "end" and draft.outside is None:
        networks[draft.name] = draft.network()
        return None
    if line == "}" and draft.outside is not None and draft.operation is not None:
        whole = replace(draft.operation, attributes={**draft.operation.attributes, "body": draft.network()})
        draft.outside.operations.append(whole)
        return draft.outside
    if match := _OPERATION.match(line):
        operation = _parse_operation(match)
        if match[5]:
            if draft.depth() == MOST_DEPTH:
                raise BadInput(f"bodies lie more than {MOST_DEPTH} deep in one another")
            return _Draft(name=operation.name, outside=draft, operation=operation)
        draft.operations.append(operation)
    elif word in ("input", "const") and (match := _VALUE.match(rest)):
        name, type_ = match[1], parse_type(match[2])
        if name in draft.inputs or name in draft.constants:
            raise BadInput(f"{name!r} is there twice")
        if word == "input":
            draft.inputs[name] = type_
        else:
            data = weights.get(f"{draft.name}:{name}")
            draft.constants[name] = Constant(type=type_, data=data)
    elif word == "output" and (match := _OUTPUT.match(rest)):
        _once(draft.outputs, match[1], match[2])
    elif word == "carry" and (match := _CARRY.match(rest)):
        _once(draft.carry, match[1], match[2])
    else:
        raise BadInput(f"{one_line(line, 80)!r} is not understood")
    return draft


def _once(mapping: dict[str, str], name: str, value: str) -> None:
    if name in mapping:
        raise BadInput(f"{name!r} is there twice")
    mapping[name] = value


def _parse_operation(match: re.Match[str]) -> Operation:
    results, operator, inputs, attribute_text, _ = match.groups()
    outputs: dict[str, Type] = {}
    for result in results.split(", "):
        name, _, type_text = result.partition(": ")
        if name in outputs:
            raise BadInput(f"{name!r} is there twice")
        outputs[name] = parse_type(type_text)
    names = tuple(part.strip() for part in inputs.split(",")) if inputs.strip() else ()
    attributes: dict[str, Attribute] = {}
    for part in attribute_text.split():
        key, _, value = part.partition("=")
        if key in attributes:
            raise BadInput(f"attribute {key} is there twice")
        attributes[key] = _parse_attribute(value)
    return Operation(operator=operator, inputs=names, outputs=outputs, attributes=attributes)


def _parse_attribute(text: str) -> Attribute:
    if text.startswith("[") and text.endswith("]"):
        return tuple(_parse_scalar(part) for part in text[1:-1].split(",")) if text != "[]" else ()
    scalar: Attribute = _parse_scalar(text)
    return scalar


def _parse_scalar(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return parse_number(text)
    if _WORD.match(text):
        return text
    raise BadInput(f"{one_line(text, 40)!r} is not a value: numbers, words and [lists] are allowed")


def parse_type(text: str) -> Type:
    """`u8(scale=2^-8)[1,1,28,28]` as a `Type`; raises `BadInput`."""
    match = _TYPE.match(text)
    if not match:
        raise BadInput(
            f"{one_line(text, 60)!r} is not a type: f32[1,28,28], f64[..], i8[..], u8(scale=2^-8)[..] and q6.10[..] are"
        )
    width, whole, fraction, sign, bits, fields, shape, sparse, codebook = match.groups()
    element: Element
    if width:
        element = Float(bits=int(width))
    elif whole:
        element = Fixed(integer_bits=int(whole), fraction_bits=int(fraction))
    else:
        element = Integer(bits=int(bits), signed=sign == "i", **_parse_fields(fields or ""))
    sizes = shape.split(",") if shape else []
    if any(not size or len(size) > 15 for size in sizes):
        raise BadInput(f"shape [{one_line(shape, 60)}]: sizes are positive integers of at most 15 digits")
    return Type(
        shape=tuple(map(int, sizes)),
        element=element,
        sparse=sparse is not None,
        codebook_bits=int(codebook) if codebook else None,
    )


def _parse_fields(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        if not match or match[1] in given:
            raise BadInput(f"{one_line(text, 60)!r}: scale, zero and axis are the fields of an integer type")
        given[match[1]] = match[2]
        position = match.end()
    result: dict[str, Any] = {}
    if "scale" in given:
        parts = given["scale"].strip("[]").split(",")
        result["scale"] = tuple(_parse_float(part) for part in parts)
    if "axis" in given:
        result["axis"] = _parse_int(given["axis"])
    if "zero" in given:
        result["zero_point"] = _parse_int(given["zero"])
    return result


def _parse_int(text: str) -> int:
    if not _INTEGER.match(text):
        raise BadInput(f"{one_line(text, 40)!r} is not an integer")
    return int(text)


def _parse_float(text: str) -> float:
    if not _FLOAT.match(text):
        raise BadInput(f"{one_line(text, 40)!r} is not a positive number")
    value = parse_number(text)
    if not np.isfinite(value):
        raise BadInput(f"{one_line(text, 40)} is outside the range of a float")
    return value
