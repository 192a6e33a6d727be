"""Initial weights of deep ReLU networks: a layer hands on the variance that it gets.

    W ~ N(0, 2 / fan_in)        b = 0        the last layer, behind no ReLU, uniform in ±1/sqrt(fan_in)

A ReLU halves the mean square, hence the 2. With the narrower weights of `_initial` the signal loses most of its
strength in every layer, and nothing of it would be left behind sixteen. Drawn by (seed, name), as there.

Paper     He et al., "Delving Deep into Rectifiers", ICCV 2015, https://arxiv.org/abs/1502.01852
"""

import math

import torch
from torch import nn

from lamina.core.seeds import derive
from lamina.models._initial import initialise


def initialise_he(model: nn.Module, seed: int, *, last: str) -> None:
    """Draw every weight of the convolutions and fully connected layers; the layer named `last` is the classifier."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if name == last:
            initialise(module, derive(seed, last))
            continue
        generator = torch.Generator().manual_seed(derive(seed, "initial", name, "weight"))
        with torch.no_grad():
            module.weight.normal_(0, math.sqrt(2 / module.weight[0].numel()), generator=generator)
            if module.bias is not None:
                module.bias.zero_()
