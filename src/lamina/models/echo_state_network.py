"""Echo state network: a fixed random reservoir, of which a read-out alone is learned, in closed form.

    s[t] = (1 - a) s[t-1] + a tanh(W_in x[t] + W s[t-1] + b)            y[t] = V s[t] + c

W is scaled to a spectral radius: old inputs fade if it lies below 1. It is sparse in groups: of G groups of units each
reads every G-th unit, so that one batched product of small dense matrices does a step, 1/G of the dense work, and after
two steps each unit has heard of all. V and c solve the ridge problem of all steps behind the washout, summed up batch
by batch in float64:  Vᵀ = (Σ ŝ ŝᵀ + λ I)⁻¹ Σ ŝ ŷᵀ, with ŝ and ŷ centred, so that c pays nothing. With the next step as
the target (teacher forcing), `forecast` lets the network go on from its own answers.

Shapes     x [n, t, inputs], states [n, t, hidden], y [n, t, outputs]; the first `washout` steps teach nothing
Errors     `BadInput` for other shapes, sequences of length 0 or within the washout, and a forecast of other values
Paper      Jaeger, "The echo state approach to analysing and training recurrent neural networks", GMD Report 148, 2001,
           https://www.ai.rug.nl/minds/uploads/EchoStatesTechRep.pdf
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.nn.scan import scan

ROWS = ("M34",)
INPUT_SHAPE = (1, 100, 1)
# W_in, W, b, V and c; at each of 100 steps W_in, W (a tenth of it) and V are used
COUNTS = (1000 + 10 * 100 * 100 + 1000 + 1000 + 1, 100 * (1000 + 10 * 100 * 100 + 1000))
PAPER = "Jaeger, GMD Report 148, 2001, https://www.ai.rug.nl/minds/uploads/EchoStatesTechRep.pdf"
AT_ONCE = 1024  # steps whose states are summed up together

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    inputs: int = 1
    hidden: int = 1000  # units of the reservoir, a multiple of `groups`
    outputs: int = 1
    groups: int = 10  # a unit reads hidden/groups others
    spectral_radius: float = 0.95
    leak: float = 1.0  # a: share of a state that is new
    input_scaling: float = 0.5  # inputs' weights are uniform within it
    bias_scaling: float = 0.2
    ridge: float = 1e-8
    washout: int = 100
    steps: int = 100  # of the sequence that is lowered and costed; any length is taken

    def __post_init__(self) -> None:
        for name in ("inputs", "hidden", "outputs", "groups", "steps"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}: at least 1 is needed")
        if self.hidden % self.groups:
            raise BadInput(f"hidden is {self.hidden} and groups {self.groups}: a multiple is needed")
        if not 0 < self.leak <= 1:
            raise BadInput(f"leak is {self.leak}: more than 0 and at most 1 is allowed")
        for name in ("spectral_radius", "input_scaling", "bias_scaling", "ridge", "washout"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)}: 0 or more is needed")


SMALL = Config(inputs=2, hidden=12, outputs=3, groups=3, washout=0, steps=4, bias_scaling=0.1, leak=0.7)


class EchoStateNetwork(nn.Module):
    def __init__(self, config: Config, seed: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("w_in", config.input_scaling * _uniform(seed, "input", config.hidden, config.inputs))
        self.register_buffer("bias", config.bias_scaling * _uniform(seed, "bias", config.hidden))
        self.register_buffer("recurrent", _reservoir(config, seed))
        bound = config.hidden**-0.5
        self.register_buffer("read_out", bound * _uniform(seed, "read-out", config.outputs, config.hidden))
        self.register_buffer("offset", torch.zeros(config.outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Answers y for every step, from a silent reservoir."""
        return self._answer(self.run(x)[0])

    def run(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The states at every step of x, and the last of them [n, hidden], from `state` (None: silence)."""
        config = self.config
        if x.dim() != 3 or x.shape[1] < 1 or x.shape[2] != config.inputs or not x.is_floating_point():
            needed = f"numbers [n, t, {config.inputs}] with t of at least 1 are needed"
            raise BadInput(f"sequences are {x.dtype} {list(x.shape)}: {needed}")
        before = x.new_zeros(len(x), config.hidden) if state is None else state
        if torch.compiler.is_exporting():
            last, states = scan(self._cell, x.transpose(0, 1), before)
            return states[0].transpose(0, 1), last
        driven = torch.addmm(self.bias, x.flatten(0, 1), self.w_in.T).view(*x.shape[:2], config.hidden)
        states = torch.from_numpy(_walk(driven.numpy(), before.numpy(), self.recurrent.numpy(), config.leak))
        return states, states[:, -1]

    def solve(self, batches: Iterable[Batch]) -> None:
        """Fit the read-out to all of `batches`, read once; every example begins in silence."""
        config = self.config
        sums = _Sums(config.hidden, config.outputs)
        for batch in batches:
            x, y = self._checked(batch)
            state: Tensor | None = None
            for start in range(0, x.shape[1], AT_ONCE):
                states, state = self.run(x[:, start : start + AT_ONCE], state)
                skipped = max(config.washout - start, 0)
                sums.add(states[:, skipped:], y[:, start + skipped : start + AT_ONCE])
        weight, offset = sums.solve(config.ridge)
        self.read_out.copy_(torch.from_numpy(weight))
        self.offset.copy_(torch.from_numpy(offset))

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Squared error behind the washout, a mean over batch, steps and outputs."""
        x, y = self._checked(batch)
        return nn.functional.mse_loss(self(x)[:, self.config.washout :], y[:, self.config.washout :])

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss` (the squared error), `count` examples."""
        return {"loss": float(self.loss(batch)) * len(batch["x"]), "count": len(batch["x"])}

    def forecast(self, x: Tensor, steps: int) -> Tensor:
        """`steps` answers [n, steps, outputs] behind x, each answer fed back as the next input (free running)."""
        if self.config.outputs != self.config.inputs:
            raise BadInput(f"{self.config.outputs} outputs cannot be the next {self.config.inputs} inputs")
        if steps < 1:
            raise BadInput(f"a forecast of {steps} steps: at least 1 is needed")
        states, state = self.run(x)
        answers = [self._answer(states[:, -1:])]
        for _ in range(steps - 1):
            states, state = self.run(answers[-1], state)
            answers.append(self._answer(states))
        return torch.cat(answers, dim=1)

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The network on one made-up sequence."""
        return {"main": (self.forward, example(self.config, 1, generator=torch.Generator().manual_seed(0))["x"])}

    def _cell(self, state: Tensor, x: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        config = self.config
        read = state.reshape(-1, config.hidden // config.groups, config.groups).transpose(1, 2)  # n groups units
        heard = torch.matmul(self.recurrent, read.unsqueeze(-1)).reshape(-1, config.hidden)
        new = torch.tanh(nn.functional.linear(x, self.w_in, self.bias) + heard)
        following = new if config.leak == 1 else (1 - config.leak) * state + config.leak * new
        return following, (following,)

    def _answer(self, states: Tensor) -> Tensor:
        return nn.functional.linear(states, self.read_out, self.offset)

    def _checked(self, batch: Batch) -> tuple[Tensor, Tensor]:
        x, y, config = batch["x"], batch["y"], self.config
        if y.shape != (*x.shape[:2], config.outputs):
            raise BadInput(f"targets are {list(y.shape)} for {list(x.shape)}: {config.outputs} a step are needed")
        if x.shape[1] <= config.washout:
            raise BadInput(f"sequences of {x.shape[1]} steps, washout {config.washout}: longer ones are needed")
        return x, y


class _Sums:
    """Products of states and targets, summed up in float64, of which the ridge read-out follows."""

    def __init__(self, hidden: int, outputs: int) -> None:
        self.gram, self.moment = np.zeros((hidden, hidden)), np.zeros((hidden, outputs))
        self.states, self.targets, self.count = np.zeros(hidden), np.zeros(outputs), 0

    def add(self, states: Tensor, targets: Tensor) -> None:
        s, y = (t.detach().flatten(0, 1).double().numpy() for t in (states, targets))
        self.gram += s.T @ s
        self.moment += s.T @ y
        self.states += s.sum(0)
        self.targets += y.sum(0)
        self.count += len(s)

    def solve(self, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights [outputs, hidden] and offset [outputs]; `BadInput` where the sums have no single solution."""
        if self.count == 0:
            raise BadInput("no steps to fit the read-out to: the batches are empty")
        mean_s, mean_y = self.states / self.count, self.targets / self.count
        gram = self.gram - self.count * np.outer(mean_s, mean_s)
        gram[np.diag_indices_from(gram)] += ridge
        try:
            weight = np.linalg.solve(gram, self.moment - self.count * np.outer(mean_s, mean_y)).T
        except np.linalg.LinAlgError:
            weight = np.full((len(mean_y), len(mean_s)), np.nan)
        if not np.isfinite(weight).all():
            raise BadInput(f"ridge is {ridge}, and the read-out has no finite solution: a larger one is needed")
        return weight, mean_y - weight @ mean_s


def _walk(driven: np.ndarray, before: np.ndarray, recurrent: np.ndarray, leak: float) -> np.ndarray:
    """States [n, t, hidden] of the inputs' share `driven`, in place, step by step."""
    count, steps, hidden = driven.shape
    groups, units, _ = recurrent.shape
    states = np.empty_like(driven)
    read = np.empty((groups, units, count), driven.dtype)
    heard = np.empty((groups, units, count), driven.dtype)
    rows, state = heard.reshape(hidden, count).T, before
    for t in range(steps):
        np.copyto(read, state.reshape(count, units, groups).transpose(2, 1, 0))
        np.matmul(recurrent, read, out=heard)
        new = states[:, t]
        np.add(rows, driven[:, t], out=new)
        np.tanh(new, out=new)
        if leak != 1:
            new *= leak
            new += (1 - leak) * state
        state = new
    return states


def _reservoir(config: Config, seed: int) -> Tensor:
    """W by groups [groups, units, units], scaled so that the largest eigenvalue of the whole has the radius's modulus.

    Row u of group g reads units j * groups + g.
    """
    units = config.hidden // config.groups
    blocks = _uniform(seed, "reservoir", config.groups, units, units)
    radius = float(torch.linalg.eigvals(dense(blocks)).abs().max())
    return blocks * (config.spectral_radius / radius)


def dense(blocks: Tensor) -> Tensor:
    """The whole matrix W [hidden, hidden] of its groups [groups, units, units]."""
    groups, units, _ = blocks.shape
    whole = blocks.new_zeros(groups, units, units, groups)
    for group in range(groups):
        whole[group, :, :, group] = blocks[group]
    return whole.reshape(groups * units, units * groups)


def _uniform(seed: int, purpose: str, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive(seed, "initial", purpose))
    return torch.rand(*shape, generator=generator) * 2 - 1


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    """`count` sequences of noise with any targets."""
    return {
        "x": torch.rand(count, config.steps, config.inputs, generator=generator),
        "y": torch.rand(count, config.steps, config.outputs, generator=generator),
    }


def echo_state_network(config: Config = Config(), *, seed: int = 0) -> EchoStateNetwork:
    """Jaeger 2001, the reservoir and the read-out's first weights from `seed`."""
    return EchoStateNetwork(config, seed)
