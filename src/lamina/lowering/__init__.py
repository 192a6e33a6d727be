"""The bridge: one reader per format, all ending in `ir`. Readers are imported when they are called."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.lowering.torch_export import lower as lower

__all__ = ["lower"]


def __getattr__(name: str) -> Any:
    if name == "lower":
        from lamina.lowering.torch_export import lower

        return lower
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
