"""The bridge: one reader per format, all ending in `ir`. Readers are imported when they are called."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.lowering.torch_export import lower as lower
    from lamina.lowering.torch_export import lower_all as lower_all

__all__ = ["lower", "lower_all"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from lamina.lowering import torch_export

        return getattr(torch_export, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
