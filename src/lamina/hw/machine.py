"""A machine: parameters of a family, and where every one of them comes from."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any

from lamina.hw.cost import Mark, weakest

QUANTITIES = ("cycles", "latency_s", "energy_j", "dram_bytes", "utilisation", "area_m2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    name: str
    parameters: Any  # the family's dataclass
    sources: Mapping[str, tuple[Mark, str]]  # field -> mark and citation with table or page
    paper: str
    published: Mapping[str, Any] = field(default_factory=dict)  # quantity -> the figure the model is held to

    @property
    def family(self) -> ModuleType:
        """The module whose `cost` computes this machine."""
        return sys.modules[type(self.parameters).__module__]

    @property
    def fields(self) -> dict[str, Any]:
        return asdict(self.parameters)

    @property
    def all_sources(self) -> dict[str, tuple[Mark, str]]:
        """Of the machine's own fields and of the components its family uses."""
        found = dict(self.sources)
        for component in self.family.COMPONENTS:
            found.update(component.SOURCES)
        return found

    def marks(self) -> dict[str, Mark]:
        """One mark per quantity: modelled, or weaker where a constant it depends on is."""
        sources = self.all_sources
        marks: dict[str, Mark] = {}
        for quantity in QUANTITIES:
            if quantity in self.family.USES:
                used: list[Mark] = [sources[name][0] for name in self.family.USES[quantity] if name in sources]
                marks[quantity] = weakest(["modelled", *used])
        return marks
