"""Between kinds of numbers: quantise, dequantise, tables, cast; and random numbers, which are counted, not computed.

What has no gradient here (a table, a key) is the interpreter's own function on the tensor's numbers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lamina.core.errors import BadInput
from lamina.ir.operators._table import Site
from lamina.ir.operators.convert import cast
from lamina.ir.operators.random import OPERATORS as RANDOM
from lamina.ir.types import BOOL, Fixed, Float
from lamina.nn.network_rules._exact import carried, reach
from lamina.nn.network_rules._rule import Rule, held, integer


def quantise(tensors: Sequence[Tensor], site: Site) -> Tensor:
    """clip(rint(x / s) + z), divided in float32; not-a-number is an error."""
    y, x = integer(site.outputs[0].element), tensors[0]
    if bool(torch.isnan(x).any()):
        raise BadInput("NaN cannot be quantised: the input of the network is not finite")
    whole = torch.round(
        (x.to(torch.float32) / torch.tensor(y.scale[0], dtype=torch.float32)).clamp(-(2.0**62), 2.0**62)
    )
    return (whole.to(held(y)) + y.zero_point).clamp(y.low, y.high)


def dequantise(tensors: Sequence[Tensor], site: Site) -> Tensor:
    """s (q - z) in float32."""
    x = integer(site.inputs[0].element)
    (q,) = carried(reach(x), tensors[0])
    return (q - x.zero_point).to(torch.float32) * torch.tensor(x.scale[0], dtype=torch.float32)


def _lookup(tensors: Sequence[Tensor], site: Site) -> Tensor:
    q, table = tensors
    return table[(q - integer(site.inputs[0].element).low).to(torch.int64)]


def _segments(tensors: Sequence[Tensor], site: Site) -> Tensor:
    element = site.inputs[0].element
    assert isinstance(element, Fixed)
    x, starts, slopes, intercepts = (t.to(torch.int64) for t in tensors)
    segment = torch.searchsorted(starts[1:].contiguous(), x.contiguous(), right=True)
    whole = ((slopes[segment] * x) >> element.fraction_bits) + intercepts[segment]
    return whole.clamp(element.low, element.high)


def _cast(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, given, to = tensors[0], site.inputs[0].element, site.outputs[0].element
    if isinstance(to, Float):
        return x.to(held(to))
    if to == BOOL:
        return x != 0
    stored = x.detach().numpy() if isinstance(given, Float) else x.to(torch.int64).numpy()
    return torch.from_numpy(cast(stored, to)).to(held(to))


def _uniform(tensors: Sequence[Tensor], site: Site) -> Tensor:
    (entry,) = RANDOM
    assert entry.moves is not None
    found = entry.moves([tensors[0].numpy()], site)
    assert not isinstance(found, list)
    return torch.from_numpy(found)


RULES = {
    "quantise": Rule(integers=quantise),
    "dequantise": Rule(integers=dequantise),
    "lookup": Rule(integers=_lookup),
    "piecewise_linear": Rule(integers=_segments),
    "cast": Rule(moves=_cast),
    "uniform": Rule(moves=_uniform),
}
