"""Files out: `lamina.export.c(network, folder)` and `lamina.export.onnx(network, path)`.

`EXPORTERS` is the registry that `lamina list exporters` prints and `lamina export --to` chooses from: name to function
and summary, each function from (network, folder) to what was written. Exporters are imported when they are called, so
that listing them costs nothing.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.export.c_source import c as c
    from lamina.export.onnx_file import onnx as onnx
    from lamina.export.onnx_session import session as session
    from lamina.export.scalesim_file import scalesim as scalesim
    from lamina.export.timeloop_file import timeloop as timeloop
    from lamina.export.zigzag_file import zigzag as zigzag
    from lamina.ir.network import Network

_PLACES = {
    "c": "c_source",
    "onnx": "onnx_file",
    "session": "onnx_session",
    "scalesim": "scalesim_file",
    "timeloop": "timeloop_file",
    "zigzag": "zigzag_file",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def _c_into(network: "Network", folder: Path) -> Any:
    return __getattr__("c")(network, folder)


def _onnx_into(network: "Network", folder: Path) -> Any:
    return str(__getattr__("onnx")(network, folder / f"{network.name.replace('/', '-')}.onnx"))


def _scalesim_into(network: "Network", folder: Path) -> Any:
    return [str(path) for path in __getattr__("scalesim")(network, folder)]


def _timeloop_into(network: "Network", folder: Path) -> Any:
    return [str(path) for path in __getattr__("timeloop")(network, folder)]


def _zigzag_into(network: "Network", folder: Path) -> Any:
    return str(__getattr__("zigzag")(network, folder / f"{network.name.replace('/', '-')}.yaml"))


EXPORTERS: dict[str, tuple[Callable[["Network", Path], Any], str]] = {
    "c": (_c_into, "C99 source without heap: .c, .h, Makefile and a host test with its own vectors"),
    "onnx": (_onnx_into, "ONNX: float, or integers as QuantizeLinear and DequantizeLinear around float operators"),
    "scalesim": (
        _scalesim_into,
        "SCALE-Sim: a topology of the layers that multiply, and a configuration to run it with",
    ),
    "timeloop": (_timeloop_into, "Timeloop v0.4: one problem for each layer that multiplies, and how often each runs"),
    "zigzag": (_zigzag_into, "ZigZag: the layers that multiply, as a workload of zigzag-dse"),
}
