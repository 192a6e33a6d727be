"""The folder is the registry: a file `name.py` in a package is its member `name`.

Files whose name starts with an underscore are plumbing. Nothing is imported until a member is asked for. Where a
package is a `Namespace`, its member `name` is the object of that name in the file: `lamina.models.lenet5()` calls the
function `lenet5` of `models/lenet5.py`.
"""

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any

from lamina.core.errors import unknown


def names(package: ModuleType) -> list[str]:
    """The members of `package`, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def member(package: ModuleType, name: str, kind: str) -> ModuleType:
    """The module of member `name`; an unknown name raises with the nearest suggestion (`kind` as people say it)."""
    known = names(package)
    if name not in known:
        raise unknown(kind, name, known)
    return importlib.import_module(f"{package.__name__}.{name}")


def summary(module: ModuleType) -> str:
    """The first line of a member's docstring, without its full stop."""
    return (module.__doc__ or "").strip().splitlines()[0].rstrip(".")


class Namespace(ModuleType):
    """A package whose attributes are its members' objects rather than its sub-modules."""

    def __setattr__(self, name: str, value: Any) -> None:
        # importing `package.member` would bind the sub-module to the name that the member's object has
        if not (isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}"):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            qualified = f"{self.__name__}.{name}"
            if qualified in sys.modules:  # plumbing keeps its ordinary meaning
                return sys.modules[qualified]
        elif name in names(self):
            return getattr(importlib.import_module(f"{self.__name__}.{name}"), name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *names(self)]


def open_namespace(package: str) -> None:
    """Make the package of that name a `Namespace`; called once, in its `__init__.py`."""
    sys.modules[package].__class__ = Namespace
