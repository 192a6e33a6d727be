"""Registered models: one file per architecture, and the folder is the registry.

`lamina.models.lenet5()` builds one. A file has

    a docstring          idea, equation, `Shapes`, `Paper`
    Config               frozen, every field with a default; SMALL: one for tests, where the default is large
    PAPER, INPUT_SHAPE   the citation with its link; the published input, batch 1
    COUNTS               (parameters, multiply-accumulates) of its first entry at the defaults, published or by hand
    example              example(config, count, generator=...) -> batch; without it: pictures and classes
    NAME(config, seed=)  the builder, named as the file; weights follow from the seed alone

A model is an `nn.Module` with `loss(batch, *, generator)`, a mean over the batch; one of several players has
`players()` (name -> loss, parameters, steps), one with a rule of its own `gradients(batch, *, generator)`, one in
closed form `solve(batches)`. `entries()` names what is lowered (name -> function, example inputs), the first of them
the model's face; without it that is `forward`. REFUSED says, by entry, what cannot be written as a network, and why
(sampling, search).
"""

from lamina.core import registry

registry.open_namespace(__name__)
