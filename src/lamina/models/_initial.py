"""Initial weights that follow from a seed alone, never from torch's global generator.

Uniform in ±1/sqrt(fan_in), as torch's own layers draw them (He et al. 2015 with a = sqrt(5)); each parameter has a
generator of its own, keyed by (seed, name), so that adding a layer leaves the others as they were.
"""

import math

import torch
from torch import nn

from lamina.core.seeds import derive


def initialise(model: nn.Module, seed: int) -> None:
    """Draw every weight and bias of the convolutions and fully connected layers of `model`."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for kind, parameter in module.named_parameters(recurse=False):
                generator = torch.Generator().manual_seed(derive(seed, "initial", name, kind))
                with torch.no_grad():
                    parameter.uniform_(-bound, bound, generator=generator)
