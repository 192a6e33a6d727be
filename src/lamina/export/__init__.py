"""Files out: `lamina.export.c(network, folder)` and `lamina.export.onnx(network, path)`.

`EXPORTERS` is the registry that `lamina list exporters` prints and `lamina export --to` chooses from: name to summary.
Exporters are loaded when they are asked for, so that listing them imports nothing.
"""

import importlib
from collections.abc import Callable
from typing import Any

from lamina.core.errors import unknown

EXPORTERS = {
    "c": "C99 source without heap: .c, .h, Makefile and a host test with its own vectors",
    "onnx": "ONNX: float, or integers as QuantizeLinear and DequantizeLinear around float operators",
}
_PLACES = {
    "c": ("c_source", "c"),
    "onnx": ("onnx_file", "onnx"),
    "session": ("onnx_session", "session"),
}


def exporter(name: str) -> Callable[..., Any]:
    """The function of exporter `name`: (network, out) -> what was written; an unknown name suggests the nearest."""
    if name not in EXPORTERS:
        raise unknown("exporter", name, EXPORTERS)
    module, function = _PLACES[name]
    found: Callable[..., Any] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _PLACES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)
