"""Lamina: one network, carried from data to silicon.

    model ──fit──▶ model ──compress──▶ model ──quantise, lower──▶ network ──cost, emulate──▶ table
                                                                     └────export──▶ C, ONNX

The verbs of the command line are functions here (`lamina.cost(...)`); `lamina.models`, `lamina.data`, `lamina.export`
are namespaces. Everything is imported when it is first used: `import lamina` loads neither torch nor NumPy.
"""

import importlib
from typing import Any

# verb -> where its function is
_VERBS = {
    "fit": "lamina.api.runs:fit",
    "train": "lamina.api.runs:train",
    "compress": "lamina.api.runs:compress",
    "quantise": "lamina.api.runs:quantise",
    "run": "lamina.api.runs:run",
    "report": "lamina.api.runs:report",
    "lower": "lamina.api.networks:lower",
    "cost": "lamina.api.networks:cost",
    "map": "lamina.api.mapping:map",
    "sweep": "lamina.api.sweeping:sweep",
    "emulate": "lamina.api.networks:emulate",
    "diff": "lamina.api.networks:diff",
    "reproduce": "lamina.api.reproducing:reproduce",
    "show": "lamina.api.showing:show",
    "list": "lamina.api.catalogue:members",
    "fetch": "lamina.api.catalogue:fetch",
    "measure": "lamina.api.catalogue:measure",
    "check": "lamina.api.catalogue:check",
    "doctor": "lamina.api.catalogue:doctor",
}
_NAMESPACES = ("models", "data", "export")

__all__ = [*_VERBS, *_NAMESPACES]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        module, _, function = _VERBS[name].partition(":")
        return getattr(importlib.import_module(module), function)
    if name in _NAMESPACES:
        return importlib.import_module(f"lamina.{name}")
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
