"""Numbers and templates as C text.

Floats are printed with the fewest digits that read back to the same number, integers exactly; a template is C with
`$name` places, filled by `fill`, so that braces stay C's own.
"""

from string import Template
from typing import Any

import numpy as np

from lamina.ir.network import Array

_TYPES = {"f4": "float", "f8": "double", "i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "u2": "uint16_t",
          "i4": "int32_t", "u4": "uint32_t", "i8": "int64_t", "u8": "uint64_t"}  # fmt: skip
_PER_LINE = 16


def ctype(storage: Any) -> str:
    """The C type of a NumPy dtype."""
    return _TYPES[np.dtype(storage).str[1:]]


def fill(template: str, **values: object) -> str:
    """`template` with every `$name` replaced; a missing or misspelt name raises."""
    return Template(template).substitute({k: str(v) for k, v in values.items()})


def real(value: Any, c_type: str = "float") -> str:
    """A float or double literal that reads back to `value`."""
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = repr(float(value)) if c_type == "double" else str(np.float32(value))
    if "." not in text and "e" not in text:
        text += ".0"
    return text if c_type == "double" else text + "f"


def whole(value: int) -> str:
    """An integer literal of the type that holds it."""
    if -(2**31) < value < 2**31:
        return str(value)
    if value == -(2**63):
        return "(-INT64_C(9223372036854775807) - 1)"
    return f"UINT64_C({value})" if value >= 2**63 else f"INT64_C({value})"


def numbers(data: Array) -> list[str]:
    """Every entry of `data` as a literal, in memory order."""
    if data.dtype.kind == "f":
        if not np.isfinite(data).all():
            return [real(v, ctype(data.dtype)) for v in data.ravel()]
        end = "" if data.dtype.itemsize == 8 else "f"
        return [f"{text}{end}" for text in data.ravel().astype("U").tolist()]  # the shortest that reads back
    return [whole(v) for v in data.ravel().tolist()]


def initialiser(data: Array) -> str:
    """`{1, 2, ...}` in lines."""
    entries = numbers(data)
    lines = [", ".join(entries[i : i + _PER_LINE]) for i in range(0, len(entries), _PER_LINE)]
    return "{\n    " + ",\n    ".join(lines) + "\n}"


def indent(text: str, by: int = 4) -> str:
    """Every line that has something moved right by `by` spaces."""
    return "\n".join(" " * by + line if line.strip() else line for line in text.splitlines())


def unsigned(value: int) -> str:
    """A size as an unsigned literal."""
    return f"{value}u"
