"""Registered models as the contract sees them: built small where the default is large, with batches of their own."""

import dataclasses
import importlib
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

import lamina.models as package
from lamina.core import registry
from lamina.core.configuration import replace

NAMES = registry.names(package)


def module(name: str) -> Any:
    return importlib.import_module(f"lamina.models.{name}")


def small(name: str) -> Any:
    """The configuration that tests build."""
    return getattr(module(name), "SMALL", None) or module(name).Config()


def build(name: str, *, seed: int = 0, **settings: Any) -> nn.Module:
    return getattr(module(name), name)(replace(small(name), settings), seed=seed)


def batch(name: str, count: int = 3, *, seed: int = 0, **settings: Any) -> dict[str, Tensor]:
    """Made-up examples that the model takes."""
    generator = torch.Generator().manual_seed(seed)
    if hasattr(module(name), "example"):
        return module(name).example(replace(small(name), settings), count, generator=generator)
    return {
        "x": torch.rand(count, *module(name).INPUT_SHAPE[1:], generator=generator),
        "y": torch.randint(0, 10, (count,), generator=generator),
    }


def entries(name: str, model: nn.Module) -> dict[str, tuple[Any, Any]]:
    """What of the model is lowered: name -> (function, inputs by name or in order)."""
    if hasattr(model, "entries"):
        return model.entries()
    return {"main": (model.forward, batch(name, 1)["x"])}


def variants(name: str) -> list[dict[str, Any]]:
    """Settings: the defaults, and each other choice of a field that has choices."""
    config = module(name).Config
    hints = get_type_hints(config)
    found: list[dict[str, Any]] = [{}]
    for field in dataclasses.fields(config):
        for choice in getattr(hints[field.name], "__args__", ()):
            if isinstance(choice, str) and choice != getattr(small(name), field.name):
                found.append({field.name: choice})
    return found


CASES = [(name, settings) for name in NAMES for settings in variants(name)]
