"""Clockwork RNN: modules with clocks of their own; what does not tick is not computed.

    h_i[t] = tanh(W_i x[t] + Σ_(j >= i) W_ij h_j[t-1] + b_i)   where period i divides t, else h_i[t-1]

Module 0 ticks fastest; a module hears itself and slower ones, so W is block upper-triangular (its other weights are
zeros that no gradient reaches). Every period divides the next: at each step the modules that tick are the first ones,
and a product of the first rows of W, known beforehand, is all that is done. With periods 1, 2, 4, ..., 128 this is a
quarter of the rows. The backward pass skips the same. Lowered to a network, each step computes every row and keeps
the old state where the clock stands: the same numbers, the dense work.

Shapes     x [n, t, inputs], or int64 tokens [n, t]; y [n, outputs] or [n, t, outputs]; the state is (h [n, hidden], t)
Errors     `BadInput` for periods that do not divide each other, units not shared evenly, and what `_sequence` names
Paper      Koutnik et al., "A Clockwork RNN", ICML 2014, https://arxiv.org/abs/1402.3511
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.models._initial import initialise
from lamina.models._sequence import SequenceConfig, SequenceModel, small
from lamina.models._sequence import example as example
from lamina.nn.scan import scan

ROWS = ("M36",)
INPUT_SHAPE = (1, 100, 2)
# lowered: W_in, W, b and the head; when 8 modules tick in 100 steps. All rows at each step, the head at the last one
COUNTS = (2 * 128 + 128 * 128 + 128 + 128 + 1 + 100 * 8, 100 * (2 * 128 + 128 * 128) + 128)
PAPER = "Koutnik et al., ICML 2014, https://arxiv.org/abs/1402.3511"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(SequenceConfig):
    periods: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)  # of the modules, fastest first

    def __post_init__(self) -> None:
        SequenceConfig.__post_init__(self)
        chain = (1, *self.periods)
        if not self.periods or any(b < 1 or b % a for a, b in zip(chain, self.periods, strict=False)):
            raise BadInput(f"periods are {self.periods}: each has to divide the next, such as (1, 2, 4)")
        if self.hidden % len(self.periods):
            raise BadInput(f"hidden is {self.hidden}: a multiple of {len(self.periods)} modules is needed")


SMALL = small(Config, hidden=6, periods=(1, 2, 6))


class ClockworkRNN(SequenceModel):
    def __init__(self, config: Config, seed: int) -> None:
        super().__init__(config, config.hidden)
        self.weight_ih = nn.Parameter(torch.empty(config.hidden, config.inputs))
        self.weight_hh = nn.Parameter(torch.empty(config.hidden, config.hidden))
        self.bias = nn.Parameter(torch.empty(config.hidden))
        initialise(self, seed)
        for name in ("weight_ih", "weight_hh", "bias"):
            generator = torch.Generator().manual_seed(derive(seed, "initial", "clockwork", name))
            with torch.no_grad():
                getattr(self, name).uniform_(-(config.hidden**-0.5), config.hidden**-0.5, generator=generator)
        with torch.no_grad():
            self.weight_hh *= allowed(config)

    def run(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """All states [n, t, hidden], and the last with the steps that the clocks have run."""
        before, start = (x.new_zeros(len(x), self.config.hidden), 0) if state is None else (state[0], int(state[1]))
        if torch.compiler.is_exporting():
            h = self._masked(x, before, start)
        else:
            periods = self.config.periods
            weights = self.weight_ih, self.weight_hh, self.bias
            h = _Clockwork.apply(x.permute(1, 2, 0), before.T, *weights, periods, start).transpose(1, 2)
        return h.transpose(0, 1), (h[-1], torch.tensor(start + len(h)))

    def _masked(self, x: Tensor, before: Tensor, start: int) -> Tensor:
        """The same with every row computed, and kept where it ticks: a scan, for lowering."""
        periods = self.config.periods
        shape = (len(x), len(periods), self.config.hidden // len(periods))
        ticks = torch.tensor([[[float(t % p == 0)] for p in periods] for t in range(start, start + x.shape[1])])

        def cell(state: Tensor, step: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor]]:
            a, tick = step
            new = torch.tanh(a + F.linear(state, self.weight_hh)).reshape(shape)
            following = (tick * new + (1 - tick) * state.reshape(shape)).flatten(1)
            return following, (following,)

        _, (h,) = scan(cell, (F.linear(x, self.weight_ih, self.bias).transpose(0, 1), ticks), before)
        return h


def allowed(config: Config) -> Tensor:
    """1 where a weight of W [hidden, hidden] may be: a module hears itself and slower ones."""
    modules = len(config.periods)
    units = config.hidden // modules
    return torch.ones(modules, modules).triu().repeat_interleave(units, 0).repeat_interleave(units, 1)


class _Clockwork(torch.autograd.Function):
    """All steps; x [t, inputs, n] and states [t, hidden, n]: what ticks lies together. Only that is computed."""

    @staticmethod
    def forward(ctx, x, before, weight_ih, weight_hh, bias, periods, start):
        steps, hidden = len(x), len(bias)
        active = _active(periods, hidden, start, steps)
        states = x.new_empty(steps + 1, *before.shape)
        states[0], h = before, states[1:]
        # every module's input products at its own ticks, beforehand
        for rows, ticks in _modules(periods, hidden, start):
            h[ticks, rows] = weight_ih[rows] @ x[ticks] + bias[rows, None]
        state = before.clone(memory_format=torch.contiguous_format)
        heard = {rows: (weight_hh[:rows], state[:rows]) for rows in set(active)}
        for step, rows in zip(h.unbind(0), active, strict=True):
            if rows:
                weight, standing = heard[rows]
                part = step[:rows]
                standing.copy_(torch.addmm(part, weight, state, out=part).tanh_())
        for period, (rows, ticks) in zip(periods, _modules(periods, hidden, start), strict=True):
            _hold(states[:, rows], 1 + ticks.start, period)
        ctx.save_for_backward(x, weight_ih, weight_hh, states)
        ctx.periods, ctx.start, ctx.active = periods, start, active
        return h

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, given):
        x, weight_ih, weight_hh, states = ctx.saved_tensors
        h, earlier = states[1:], states[:-1]
        steps, hidden = h.shape[:2]
        # the slope of tanh, which becomes the gradient of the sums below it where those were computed
        behind = torch.addcmul(h.new_ones(()), h, h, value=-1)
        heard = {rows: weight_hh[:rows].T for rows in set(ctx.active)}
        # of each state, all that comes after it included; what stands still hands its own on
        whole, direct = given[steps - 1], [torch.zeros_like(given[0]), *given.unbind(0)]
        for t in range(steps - 1, -1, -1):
            rows, own = ctx.active[t], direct[t]
            if rows:
                now = behind[t, :rows].mul_(whole[:rows])
                standing = whole[rows:]
                whole = torch.addmm(own, heard[rows], now)
                whole[rows:] += standing
            else:
                whole = own + whole
        dx = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        d_ih, d_hh = torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        d_bias = weight_hh.new_zeros(hidden)
        for rows, ticks in _modules(ctx.periods, hidden, ctx.start):
            now = behind[ticks, rows]
            d_ih[rows] = (now @ x[ticks].mT).sum(0)
            d_hh[rows, rows.start :] = (now @ earlier[ticks, rows.start :].mT).sum(0)
            d_bias[rows] = now.sum((0, 2))
            if dx is not None:
                dx[ticks] += weight_ih[rows].T @ now
        return dx, whole, d_ih, d_hh, d_bias, None, None


def _hold(states: Tensor, first: int, period: int) -> None:
    """Between its ticks, of which the first is `first`, a module's state [t, units, n] stands still: fill that in."""
    states[1:first] = states[0]
    blocks = max(0, len(states) - first) // period
    whole = states[first : first + blocks * period].unflatten(0, (blocks, period))
    whole[:, 1:] = whole[:, :1]
    rest = states[first + blocks * period :]
    rest[1:] = rest[:1]


def _active(periods: tuple[int, ...], hidden: int, start: int, steps: int) -> list[int]:
    """How many rows tick at each step: those of all modules up to the slowest that does."""
    units = hidden // len(periods)
    whole = math.lcm(*periods)
    cycle = [units * sum(t % p == 0 for p in periods) for t in range(min(whole, start + steps))]
    return [cycle[t % whole] for t in range(start, start + steps)]


def _modules(periods: tuple[int, ...], hidden: int, start: int) -> list[tuple[slice, slice]]:
    """Each module's rows, and the steps at which it ticks."""
    units = hidden // len(periods)
    return [(slice(i * units, (i + 1) * units), slice(-start % p, None, p)) for i, p in enumerate(periods)]


def clockwork_rnn(config: Config = Config(), *, seed: int = 0) -> ClockworkRNN:
    """Koutnik et al. 2014, initial weights from `seed`."""
    return ClockworkRNN(config, seed)
