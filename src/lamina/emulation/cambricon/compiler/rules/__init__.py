"""How each operator becomes instructions: a file holds rules in `RULES`; left out: what has no instruction.

A rule is called as rule(scope, operation) and gives the results their homes. An operation whose operands are all
constant is computed here and now; one without a rule is refused by name.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import lru_cache

from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.ir.check import site
from lamina.ir.interpreter import meaning
from lamina.ir.network import Operation

Rule = Callable[[Scope, Operation], None]


@lru_cache(maxsize=1)
def table() -> dict[str, Rule]:
    """Operator -> rule, from every file of this folder."""
    found: dict[str, Rule] = {}
    for member in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{member.name}").RULES
    return found


def rule(operation: Operation) -> Rule:
    """The rule of `operation`; raises `Unsupported` where there is none."""
    known = table()
    if operation.operator not in known:
        raise refuse(operation, f"no rule makes it of instructions; {', '.join(sorted(known))} have one")
    return _folding(known[operation.operator])


def shown(scope: Scope, operation: Operation) -> str | None:
    """The value whose numbers the result of `operation` shows as they are, or none."""
    from lamina.emulation.cambricon.compiler.rules.elementwise import is_condition_itself

    if operation.operator in ("reshape", "flatten") or is_condition_itself(scope, operation):
        return operation.inputs[0]
    return None


def _folding(inner: Rule) -> Rule:
    def folded(scope: Scope, operation: Operation) -> None:
        if operation.operator == "scan" or not all(name in scope.constants for name in operation.inputs):
            inner(scope, operation)
            return
        arrays = [scope.constants[name] for name in operation.inputs]
        results = meaning(operation, site(operation, scope.types), arrays)
        scope.constants.update(zip(operation.outputs, results, strict=True))

    return folded
