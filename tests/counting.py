"""Work counted in calls: a measure of speed that no other work on the machine changes."""

import sys
from collections.abc import Callable


def calls(function: Callable[[], object]) -> int:
    """The calls that `function` makes, Python's and C's."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count
