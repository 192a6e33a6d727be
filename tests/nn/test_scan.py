"""scan computes what torch's own recurrent layers compute, gradients included, and refuses what has no meaning."""

import pytest
import torch
from torch import Tensor, nn

from lamina.nn.scan import scan


def lstm_cell(layer: nn.LSTM):
    """One step of `layer`, whose weights are ordered input, forget, cell, output."""

    def cell(state, x):
        h, c = state
        gates = x @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return (h, c), h

    return cell


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max())


@pytest.mark.parametrize("reverse", [False, True])
def test_equals_torchs_lstm_and_its_gradients(reverse):
    torch.manual_seed(0)
    layer = nn.LSTM(3, 4).double()
    x = torch.rand(6, 2, 3, dtype=torch.float64)
    zero = torch.zeros(2, 4, dtype=torch.float64)
    (h, c), y = scan(lstm_cell(layer), x, (zero, zero), reverse=reverse)
    expected, (last_h, last_c) = layer(x.flip(0) if reverse else x)
    expected = expected.flip(0) if reverse else expected
    assert max(difference(y, expected), difference(h, last_h[0]), difference(c, last_c[0])) < 1e-12
    ours = torch.autograd.grad((y**2).sum() + c.sum(), layer.parameters())
    theirs = torch.autograd.grad((expected**2).sum() + last_c.sum(), layer.parameters())
    assert max(map(difference, ours, theirs)) < 1e-10


def test_tensors_and_tuples_come_back_as_they_went_in():
    one, many = torch.arange(4.0)[:, None], (torch.arange(4.0), torch.ones(4))
    total, sums = scan(lambda s, x: (s + x, s + x), one, torch.zeros(1))
    assert sums[:, 0].tolist() == [0, 1, 3, 6]
    assert total.tolist() == [6]
    (count,), (a, b) = scan(lambda s, x: ((s[0] + x[1],), (x[0], s[0])), many, (torch.tensor(0.0),), reverse=True)
    assert (count.item(), a.tolist(), b.tolist()) == (4, [0, 1, 2, 3], [3, 2, 1, 0])


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ValueError, match=r"\[3, 4\] steps"):
        scan(lambda s, x: (s, s), (torch.ones(3), torch.ones(4)), torch.zeros(1))
    with pytest.raises(ValueError, match="must be equal"):
        scan(lambda s, x: (torch.cat([s, s]), s), torch.ones(3), torch.zeros(1))
