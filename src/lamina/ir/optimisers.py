"""Rules of descent, as operations: from a weight, its gradient and its moments to the next ones.

    sgd        w' = w - r g
    momentum   m' = μ m + g;                                    w' = w - r m'        nesterov: w - r (g + μ m')
    adam       m' = β₁ m + (1 - β₁) g;  v' = β₂ v + (1 - β₂) g²;  w' = w - r m̂ / (√v̂ + ε),  m̂ = m'/(1 - β₁ᵗ), v̂ alike

r is the learning rate, t counts steps from 1; every moment starts at 0. With a `weight_decay` λ, g is g + λ w in all
three. As torch.optim defines them. (Polyak 1964; Nesterov 1983; Kingma and Ba, Adam, 2015.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from lamina.core.errors import BadInput
from lamina.ir.gradients._term import Term


class Optimiser(Protocol):
    """What `ir.training` needs to know: which moments there are, whether steps are counted, and the step."""

    moments: ClassVar[tuple[str, ...]]
    counts: ClassVar[bool]

    def pace(self, rate: Term, count: Term) -> list[Term]:
        """What all weights share at step `count`, a float from 1 (0 where nothing counts): the rate first."""
        ...

    def step(self, w: Term, g: Term, moments: Sequence[Term], pace: Sequence[Term]) -> tuple[Term, list[Term]]:
        """The next weight and moments."""
        ...


def _decayed(w: Term, g: Term, decay: float) -> Term:
    return g + w * decay if decay else g


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise BadInput(f"{name} {value}: at least 0 and below 1 is needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sgd:
    weight_decay: float = 0.0

    moments: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[bool] = False

    def pace(self, rate: Term, count: Term) -> list[Term]:
        return [rate]

    def step(self, w: Term, g: Term, moments: Sequence[Term], pace: Sequence[Term]) -> tuple[Term, list[Term]]:
        return w - _decayed(w, g, self.weight_decay) * pace[0], []


@dataclass(frozen=True, kw_only=True, slots=True)
class Momentum:
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0

    moments: ClassVar[tuple[str, ...]] = ("momentum",)
    counts: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _share("momentum", self.momentum)

    def pace(self, rate: Term, count: Term) -> list[Term]:
        return [rate]

    def step(self, w: Term, g: Term, moments: Sequence[Term], pace: Sequence[Term]) -> tuple[Term, list[Term]]:
        g = _decayed(w, g, self.weight_decay)
        following = moments[0] * self.momentum + g
        way = following * self.momentum + g if self.nesterov else following
        return w - way * pace[0], [following]


@dataclass(frozen=True, kw_only=True, slots=True)
class Adam:
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    moments: ClassVar[tuple[str, ...]] = ("mean", "square")
    counts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _share("beta1", self.beta1)
        _share("beta2", self.beta2)

    def pace(self, rate: Term, count: Term) -> list[Term]:
        length = rate / (1 - count.of(self.beta1) ** count)
        return [length, (1 - count.of(self.beta2) ** count).emit("sqrt")]

    def step(self, w: Term, g: Term, moments: Sequence[Term], pace: Sequence[Term]) -> tuple[Term, list[Term]]:
        g = _decayed(w, g, self.weight_decay)
        mean = moments[0] * self.beta1 + g * (1 - self.beta1)
        square = moments[1] * self.beta2 + g * g * (1 - self.beta2)
        return w - mean / (square.emit("sqrt") / pace[1] + self.epsilon) * pace[0], [mean, square]


OPTIMISERS: Mapping[str, Optimiser] = {"sgd": Sgd(), "momentum": Momentum(), "adam": Adam()}
