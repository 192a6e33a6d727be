"""Smaller networks: a module in, (module, report) out, retraining handed in as a function.

Members are loaded when they are asked for, so that `lamina.compression.packed` reads a file with NumPy alone.
"""

import importlib
from typing import Any

_MEMBERS = (
    "deep_compression",
    "huffman",
    "packed",
    "prune",
    "quantise",
    "quantise_aware",
    "relative_index",
    "share_weights",
)

__all__ = [*_MEMBERS]


def __getattr__(name: str) -> Any:
    if name not in _MEMBERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
