"""The folder is the registry: a file `name.py` in a package is its member `name`.

Files whose name starts with an underscore are plumbing. Nothing is imported until a member is asked for.
"""

import importlib
import pkgutil
from types import ModuleType

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
