"""The torch meaning of every operator, assembled from the files of this folder: each defines `RULES`, name to rule.

`scan` has none here: its body is a network, which `nn.network` walks step by step.
"""

import importlib
import pkgutil

from lamina.nn.network_rules._rule import Rule


def _assemble() -> dict[str, Rule]:
    table: dict[str, Rule] = {}
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            for name, rule in importlib.import_module(f"{__name__}.{found.name}").RULES.items():
                if name in table:
                    raise AssertionError(f"two rules are named {name}")
                table[name] = rule
    return table


TABLE = _assemble()
