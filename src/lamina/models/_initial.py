"""Initial weights that follow from a seed alone, never from torch's global generator.

Uniform in ±1/sqrt(fan_in), as torch's own layers draw them (He et al. 2015 with a = sqrt(5)), in recurrent layers
±1/sqrt(hidden), embeddings normal; each parameter has a generator of its own, keyed by (seed, name), so that adding a
layer leaves the others as they were.
"""

import math

import torch
from torch import nn

from lamina.core.seeds import derive
from lamina.nn.recurrent import Recurrent


def initialise(model: nn.Module, seed: int) -> None:
    """Draw every weight and bias of the convolutions, fully connected and recurrent layers, embeddings of `model`."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | Recurrent | nn.Embedding):
            continue
        for kind, parameter in module.named_parameters(recurse=False):
            generator = torch.Generator().manual_seed(derive(seed, "initial", name, kind))
            with torch.no_grad():
                if isinstance(module, nn.Embedding):
                    parameter.normal_(generator=generator)
                    continue
                fan_in = module.hidden if isinstance(module, Recurrent) else module.weight[0].numel()
                bound = 1 / math.sqrt(fan_in)
                parameter.uniform_(-bound, bound, generator=generator)
