"""Protobuf's text form, the language of prototxt files, read without a schema.

    layer { name: "conv1" type: "Convolution" bottom: "data" convolution_param { num_output: 20 kernel_size: 5 } }

A message maps each field to its values, in order: text in quotes becomes `str`, a number `int` or `float`, a
bare word (an enumeration, true, false) `Word`, and braces a message again. `#` begins a comment; `:` may stand before a
brace; `[a, b]` repeats a field; `,` and `;` between fields mean nothing. Which fields exist is the reader's business:
it asks a message for what it knows.

Errors    `BadInput` with the line's number; depth, tokens and the length of a file are bounded
Source    the published grammar of protocol buffers' text format
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lamina.core.errors import BadInput, one_line
from lamina.lowering._parts import LARGEST_NUMBER

DEEPEST = 32
MOST_TOKENS = 500_000
TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]{1,16}|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[fF]?(?![A-Za-z0-9_.]))
    | (?P<word>-?[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<mark>[:{}<>\[\]])""",
    re.VERBOSE,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Word(str):
    """A bare word: an enumeration's name or a truth value."""

    __slots__ = ()


@dataclass(slots=True)
class Message:
    """Fields to the lists of their values; the accessors check the kind and name the field."""

    line: int
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def all(self, name: str) -> list[Any]:
        return self.fields.get(name, [])

    def messages(self, name: str) -> list["Message"]:
        for value in self.all(name):
            if not isinstance(value, Message):
                raise self.wrong(name, value, "a block in braces")
        return self.all(name)

    def message(self, name: str) -> "Message":
        """The last block called `name`, as protobuf does; an empty one where there is none."""
        found = self.messages(name)
        return found[-1] if found else Message(line=self.line)

    def text(self, name: str, default: str = "") -> str:
        values = self.all(name)
        if values and not isinstance(values[-1], str):
            raise self.wrong(name, values[-1], "a name")
        return str(values[-1]) if values else default

    def texts(self, name: str) -> list[str]:
        for value in self.all(name):
            if not isinstance(value, str):
                raise self.wrong(name, value, "a name")
        return [str(value) for value in self.all(name)]

    def number(self, name: str, default: float) -> float:
        values = self.all(name)
        if values and (isinstance(values[-1], str | Message)):
            raise self.wrong(name, values[-1], "a number")
        return float(values[-1]) if values else default

    def integers(self, name: str) -> list[int]:
        for value in self.all(name):
            if not isinstance(value, int) or abs(value) > 2**40:
                raise self.wrong(name, value, "a whole number up to 2^40")
        return self.all(name)

    def integer(self, name: str, default: int) -> int:
        values = self.integers(name)
        return values[-1] if values else default

    def truth(self, name: str, default: bool) -> bool:
        values = self.all(name)
        if not values:
            return default
        if str(values[-1]) not in ("true", "false", "0", "1"):
            raise self.wrong(name, values[-1], "true or false")
        return str(values[-1]) in ("true", "1")

    def wrong(self, name: str, value: object, wanted: str) -> BadInput:
        given = "a block" if isinstance(value, Message) else repr(one_line(value, 40))
        return BadInput(f"line {self.line}: {name} is {given} where {wanted} is needed")


Token = tuple[str, str, int]


def parse(text: str) -> Message:
    """The message that `text` writes; raises `BadInput` with the line of what is wrong."""
    root = Message(line=1)
    open_: list[tuple[Message, str]] = [(root, "")]  # blocks around, each with the mark that closes it
    tokens = _tokens(text)
    for kind, token, line in tokens:
        message, closing = open_[-1]
        if kind == "mark" and token == closing:
            open_.pop()
            continue
        if kind != "word":
            raise BadInput(f"line {line}: {one_line(token, 40)!r} where a field's name is needed")
        kind, value, at = next(tokens, ("end", "the end", line))
        block = value in ("{", "<") and kind == "mark"
        if kind == "mark" and value == ":":
            kind, value, at = next(tokens, ("end", "the end", line))
            block = value in ("{", "<") and kind == "mark"
        elif not block:
            raise BadInput(f"line {at}: {one_line(value, 40)!r} after {one_line(token, 40)!r} where ':' is needed")
        values = message.fields.setdefault(token, [])
        if block:
            if len(open_) > DEEPEST:
                raise BadInput(f"line {at}: blocks are nested deeper than {DEEPEST}")
            inner = Message(line=at)
            values.append(inner)
            open_.append((inner, "}" if value == "{" else ">"))
        elif kind == "mark" and value == "[":
            values.extend(_list(tokens, line))
        else:
            values.append(_scalar(kind, value, at))
    if len(open_) > 1:
        raise BadInput(f"line {open_[-1][0].line}: a block is opened and not closed: is the file whole?")
    return root


def _tokens(text: str) -> Iterator[Token]:
    line, at, count = 1, 0, 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise BadInput(f"line {line}: {one_line(text[at : at + 20])!r} is no part of a prototxt")
        at, kind, token = match.end(), str(match.lastgroup), match.group()
        if kind != "space":
            count += 1
            if count > MOST_TOKENS:
                raise BadInput(f"more than {MOST_TOKENS} words: is this a network?")
            yield kind, token, line
        line += token.count("\n")


def _list(tokens: Iterator[Token], line: int) -> list[Any]:
    values: list[Any] = []
    for kind, token, at in tokens:
        if kind == "mark" and token == "]":
            return values
        values.append(_scalar(kind, token, at))
    raise BadInput(f"line {line}: a list is opened and not closed")


def _scalar(kind: str, token: str, line: int) -> Any:
    if kind == "text":
        return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), token[1:-1])
    if kind == "word":
        return Word(token)
    if kind == "number":
        if len(token) > 40:
            raise BadInput(f"line {line}: a number of {len(token)} digits")
        if "x" in token.lower():
            return int(token, 16)
        digits = token.rstrip("fF")
        number = float(digits)
        if not abs(number) <= LARGEST_NUMBER:
            raise BadInput(f"line {line}: the number {token} is too large")
        return int(digits) if re.fullmatch(r"[-+]?\d+", digits) else number
    raise BadInput(f"line {line}: {one_line(token, 40)!r} where a value is needed")
