"""One published figure of a machine beside ours, and the table of all of them (docs/reproduced.md).

    ratio = ours / published         within: 1/1.15 <= ratio <= 1.15

A figure that is further off says in one line why. The geometric mean of the ratios of a family tells whether it leans
to one side, the spread (geometric standard deviation) how far single figures may be trusted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from lamina.core import registry
from lamina.hw.cost import Mark

TOLERANCE = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """One figure: what a paper prints, what the model says."""

    row: str  # of the survey: "H9"
    machine: str  # a registered machine
    name: str  # snake_case, unique for its machine
    title: str  # what a person reads
    unit: str
    published: float  # > 0
    ours: float  # > 0
    mark: Mark  # of the published figure: "published", or "unverified" where it was recalled and not read
    source: str  # citation with its table, figure or page
    reason: str = ""  # one line, where the ratio is further from 1 than TOLERANCE
    fitted: str = ""  # what was taken from this figure's own source; it is then no pure prediction

    @property
    def remark(self) -> str:
        """Why it is off, and what was fitted to it."""
        return "; ".join(filter(None, (self.reason, self.fitted and f"fitted: {self.fitted}")))

    @property
    def ratio(self) -> float:
        return self.ours / self.published

    @property
    def within(self) -> bool:
        """Whether ours is within 15 % of the published figure, either way."""
        return abs(log(self.ratio)) <= log(1 + TOLERANCE)


def figures() -> list[Reproduction]:
    """The figures of every machine, in the order of their rows."""
    import lamina.recipes._reproduced as package

    found = [
        figure
        for name in registry.names(package)
        for figure in registry.member(package, name, "reproduced machine").figures()
    ]
    return sorted(found, key=lambda f: (f.row[0], int(f.row[1:]), f.machine))


def geometric_mean(ratios: Sequence[float]) -> float:
    """exp of the mean of the logarithms."""
    return exp(sum(map(log, ratios)) / len(ratios))


def spread(ratios: Sequence[float]) -> float:
    """The geometric standard deviation: 1 where all ratios are equal."""
    centre = log(geometric_mean(ratios))
    return exp((sum((log(r) - centre) ** 2 for r in ratios) / len(ratios)) ** 0.5)
