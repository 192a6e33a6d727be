"""What families ask of a machine and of a layer alike: sizes that are positive, words that are narrow enough."""

from dataclasses import fields
from typing import Any

from lamina.core.errors import BadInput
from lamina.ir.layer import Layer


def positive(machine: Any) -> None:
    """Raise `BadInput` with family, field and value unless every field of `machine` is a positive finite number."""
    family = type(machine).__module__.rpartition(".")[2]
    for field in fields(machine):
        value = getattr(machine, field.name)
        if not 0 < value < float("inf"):
            raise BadInput(f"{family}: {field.name} is {value}, a positive number is needed")


def too_wide(layer: Layer, bits: int) -> str | None:
    """Why a machine with words of `bits` cannot multiply in `layer`; None where it can, or nothing is multiplied."""
    widest = max(layer.input_bits, layer.weight_bits)
    return f"words of {widest} bits, the machine's have {bits}" if layer.macs and widest > bits else None
