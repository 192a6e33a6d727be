"""Rules for ONNX operators, one file a family; the folder is the registry."""

import importlib
import pkgutil

from lamina.lowering.onnx_rules._rule import RULES as RULES

for _found in pkgutil.iter_modules(__path__):
    if not _found.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_found.name}")
