"""Configurations are frozen dataclasses; what people type is checked against them, strictly.

`replace(config, {"epochs": "3"})` converts text to the field's type and refuses unknown fields with the nearest
suggestion. A misspelt key never passes silently.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from lamina.core.errors import BadInput, unknown

C = TypeVar("C")


def replace(config: C, values: Mapping[str, Any], what: str = "setting") -> C:
    """`config` (a dataclass instance) with the fields in `values` replaced; text is converted to the field's type."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"{config!r} is not a dataclass instance")
    hints = typing.get_type_hints(type(config))
    known = {f.name for f in dataclasses.fields(config)}
    for name in values:
        if name not in known:
            raise unknown(what, name, known)
    converted = {name: convert(value, hints[name], f"{what} {name!r}") for name, value in values.items()}
    return dataclasses.replace(config, **converted)


def convert(value: Any, target: Any, what: str) -> Any:
    """`value` as type `target`: a number, string, bool, Literal, tuple of them, or optional (`"none"`)."""
    if typing.get_origin(target) is typing.Literal:
        return _one_of(value, typing.get_args(target), what)
    if typing.get_origin(target) in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(target) if a is not type(None)]
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            if len(options) < len(typing.get_args(target)):
                return None
            raise BadInput(f"{what}: a value is needed")
        for option in options[:-1]:
            try:
                return convert(value, option, what)
            except BadInput:
                continue
        return convert(value, options[-1], what)
    if typing.get_origin(target) is tuple:
        parts = value.split("x") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise BadInput(f"{what}: {value!r} is not a list such as 28x28")
        return tuple(convert(p, typing.get_args(target)[0], what) for p in parts)
    return _scalar(value, target, what)


def _one_of(value: Any, allowed: tuple[Any, ...], what: str) -> Any:
    for option in allowed:
        if value == option or str(value) == str(option):
            return option
    raise BadInput(f"{what}: {value!r} is not one of {', '.join(str(a) for a in allowed)}")


def _scalar(value: Any, target: Any, what: str) -> Any:
    if target is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
    elif target is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
            return int(value)
    elif target is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
    elif target is str and isinstance(value, str):
        return value
    expected = getattr(target, "__name__", str(target))
    raise BadInput(f"{what}: {value!r} is not of type {expected}")
