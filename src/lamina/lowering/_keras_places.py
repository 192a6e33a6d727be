"""Where the tensors of a functional model come from, as its description writes it.

    [layer's name, number of its call, number of the result]

Such a place stands for a tensor in the arguments of a call (`keras_history` of a `__keras_tensor__`), and for the ends
of a model. Errors are `BadInput`; arguments that are nested too deep are refused.
"""

from collections.abc import Mapping
from typing import Any

from lamina.core.errors import BadInput, one_line

DEEPEST = 20  # arguments in arguments


def places(given: Any) -> list[tuple[str, int, int]]:
    """The ends of a model: one place, or a list or table of them."""
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list) and len(given) == 3 and isinstance(given[0], str):
        given = [given]
    if not isinstance(given, list) or not given:
        raise BadInput("the model does not say where it begins or ends")
    return [place(one) for one in given]


def place(given: Any) -> tuple[str, int, int]:
    """One place, checked."""
    if not isinstance(given, list) or len(given) != 3 or type(given[1]) is not int or type(given[2]) is not int:
        raise BadInput(f"{one_line(given, 60)} is no place of a tensor")
    return str(given[0]), given[1], given[2]


def history(argument: Mapping[str, Any]) -> tuple[str, int, int] | None:
    """The place that an argument stands for; None where it is no tensor."""
    if argument.get("class_name") != "__keras_tensor__" or not isinstance(argument.get("config"), dict):
        return None
    return place(argument["config"].get("keras_history"))


def histories(argument: Any, depth: int = 0) -> list[tuple[str, int, int]]:
    """The places of all tensors in a call's arguments."""
    if depth > DEEPEST:
        raise BadInput(f"arguments are nested deeper than {DEEPEST}")
    if isinstance(argument, dict):
        own = history(argument)
        inner = argument.values() if own is None else ()
        return [*([] if own is None else [own]), *(p for part in inner for p in histories(part, depth + 1))]
    return [p for part in argument for p in histories(part, depth + 1)] if isinstance(argument, list) else []
