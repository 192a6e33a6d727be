"""The one error for counts that are too small."""

from lamina.core.errors import BadInput


def at_least(least: int, **counts: int) -> None:
    """Raises `BadInput` for the first of `counts` below `least`, by its name."""
    for name, count in counts.items():
        if count < least:
            raise BadInput(f"{name}: {count} given, at least {least} needed")
