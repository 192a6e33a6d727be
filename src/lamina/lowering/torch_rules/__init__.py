"""One rule per torch operator; the folder is the registry: each file defines its family's rules.

A rule is a function (builder, name, **arguments by torch's own names); arguments that are tensors arrive as `Value`s,
and it returns one, or a list where the operator gives several. `RULES` maps targets ("aten.conv2d.default") to rules.
"""

import importlib
import pkgutil

from lamina.lowering.torch_rules._rule import RULES as RULES

for _found in pkgutil.iter_modules(__path__):
    if not _found.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_found.name}")
