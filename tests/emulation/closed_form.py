"""Take `hw`'s closed forms away while an emulator runs, so that its count can only come from its own loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from unittest import mock


@contextmanager
def forbidden(family: ModuleType) -> Iterator[None]:
    """Every function of a family's module raises."""

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError(f"the emulator asked {family.__name__} for the answer")

    own = [name for name, value in vars(family).items() if isinstance(value, FunctionType)]
    assert "cost" in own
    assert "cycles" in own
    with mock.patch.multiple(family, **dict.fromkeys(own, refuse)):
        yield
