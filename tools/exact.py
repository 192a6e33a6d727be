"""How far our recurrent layers are from others' on the same weights, forward and in their gradients.

    largest |a - b| of a tensor over largest |b|, the worst of all tensors and seeds

A layer goes two ways: at once (torch's kernels where they fit) and step by step through `scan`, as it is exported;
both count. The Clockwork RNN that skips what does not tick is compared with a dense one that throws it away.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.models.clockwork_rnn import Config as ClockworkConfig
from lamina.models.clockwork_rnn import allowed, clockwork_rnn
from lamina.models.deep_rnn import Config as DeepConfig
from lamina.models.deep_rnn import deep_rnn
from lamina.nn.recurrent import Recurrent

MOST = 1e-6  # of float32, whose last bit is 1.2e-7, after sums over 4 x 25 steps
SEEDS = range(5)
TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def layer(kind: str) -> float:
    """A layer of `kind` beside torch's."""
    worst = 0.0
    for seed in SEEDS:
        torch.manual_seed(seed)
        ours, theirs = Recurrent(kind, 8, 32), TORCH[kind](8, 32, batch_first=True)
        theirs.load_state_dict({f"{key}_l0": value for key, value in ours.state_dict().items()})
        x = torch.randn(4, 25, 8)
        zero = torch.zeros(4, 32)
        state = (zero, zero) if kind == "lstm" else zero
        wanted = theirs(x)[0]
        share = torch.randn_like(wanted)
        known = torch.autograd.grad((wanted * share).sum(), theirs.parameters())
        _, (steps,) = ours._walk(x, state, lambda s, _: (s[0] if isinstance(s, tuple) else s,), False)
        for found in (ours(x, state)[0], steps):
            gradients = torch.autograd.grad((found * share).sum(), ours.parameters())
            worst = max(worst, _largest([found, *gradients], [wanted, *known]))
    return worst


def stacked() -> float:
    """Three stacked layers beside torch's, forward."""
    worst = 0.0
    for seed in SEEDS:
        model = deep_rnn(DeepConfig(inputs=8, hidden=32, outputs=2, steps=25, depth=3, reads="each"), seed=seed)
        theirs = nn.RNN(8, 32, num_layers=3, batch_first=True)
        theirs.load_state_dict(
            {f"{key}_l{n}": value for n, one in enumerate(model.layers) for key, value in one.state_dict().items()}
        )
        x = torch.randn(4, 25, 8, generator=torch.Generator().manual_seed(seed))
        worst = max(worst, _largest([model(x)], [model.head(theirs(x)[0])]))
    return worst


def clockwork() -> float:
    """A Clockwork RNN beside a dense net that computes every row at every step and throws away what does not tick."""
    worst = 0.0
    for seed in SEEDS:
        model = clockwork_rnn(ClockworkConfig(inputs=8, hidden=32, outputs=2, periods=(1, 2, 4, 8)), seed=seed)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(4, 25, 8, generator=generator)
        found, _ = model.run(x, (torch.zeros(4, 32), torch.tensor(0)))
        wanted = _dense(model, x)
        share = torch.randn(found.shape, generator=generator)
        weights = [model.weight_ih, model.weight_hh, model.bias]
        gradients = [torch.autograd.grad((y * share).sum(), weights) for y in (found, wanted)]
        worst = max(worst, _largest([found, *gradients[0]], [wanted, *gradients[1]]))
    return worst


def _dense(model: nn.Module, x: Tensor) -> Tensor:
    periods = model.config.periods
    weight = model.weight_hh * allowed(model.config)
    h, found = torch.zeros(len(x), model.config.hidden), []
    for t in range(x.shape[1]):
        new = torch.tanh(F.linear(x[:, t], model.weight_ih, model.bias) + h @ weight.T)
        ticks = torch.tensor([t % p == 0 for p in periods]).repeat_interleave(model.config.hidden // len(periods))
        h = torch.where(ticks, new, h)
        found.append(h)
    return torch.stack(found, dim=1)


def _largest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    pairs = [(a.detach(), b.detach()) for a, b in zip(ours, theirs, strict=True)]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
