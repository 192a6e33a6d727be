"""Links of the chain, opened so that they can be compared value by value.

    SOURCE          the interpreter: every value by name
    FILE.onnx       onnxruntime: the values the file shares with us by name
    exported C      a folder that `lamina export --to c` wrote, compiled here: its outputs

Two links are compared on the same inputs over the values that both can tell, in the network's order; equal means equal
bits for integers and 1e-5 of the largest value for floats.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamina.api import sources
from lamina.core.errors import BadInput
from lamina.ir.interpreter import trace
from lamina.ir.network import Array, Network

FLOAT_TOLERANCE = 1e-5  # of the largest value


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    name: str
    network: Network | None
    run: Callable[[Mapping[str, Array]], Mapping[str, Array]]  # inputs -> values by name, in order


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What a comparison found; `layer` is None where all compared values are equal."""

    a: str
    b: str
    compared: int  # values
    layer: str | None = None
    differing: int = 0  # numbers of that value
    size: int = 0
    index: tuple[int, ...] = ()  # of the first one
    values: tuple[float, float] = (0.0, 0.0)

    @property
    def equal(self) -> bool:
        return self.layer is None

    @property
    def holds(self) -> bool:
        """The command exits with 1 where the links differ."""
        return self.equal

    def to_json(self) -> dict[str, Any]:
        found = {"a": self.a, "b": self.b, "equal": self.equal, "compared": self.compared}
        if self.equal:
            return found
        return found | {
            "layer": self.layer,
            "differing": self.differing,
            "size": self.size,
            "index": list(self.index),
            "values": list(self.values),
        }

    def __str__(self) -> str:
        if self.equal:
            return f"{self.a} = {self.b}: {self.compared} values compared, no number differs"
        return (
            f"{self.a} and {self.b} differ first at {self.layer!r}: {self.differing} of {self.size} numbers, "
            f"at {list(self.index)} {self.values[0]!r} against {self.values[1]!r}"
        )


def open_link(source: str | Path | Network) -> Link:
    """The link that `source` names."""
    if isinstance(source, Network):
        return _interpreted(source, source.name)
    path = Path(source)
    if path.suffix == ".onnx":
        from lamina.export import onnx_file

        return Link(name=str(source), network=None, run=lambda inputs: onnx_file.trace(path, inputs))
    if path.is_dir() and list(path.glob("*_test.c")):
        from lamina.export import c_source

        return Link(name=str(source), network=None, run=lambda inputs: c_source.run(path, inputs))
    return _interpreted(sources.network(source), str(source))


def _interpreted(network: Network, name: str) -> Link:
    """What the layers compute: constants are no layers."""

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {n: values for n, values in trace(network, inputs).items() if n not in network.constants}

    return Link(name=name, network=network, run=run)


def compare(a: Link, b: Link, inputs: Mapping[str, Array]) -> Difference:
    """The first value both can tell that differs; raises `BadInput` where they share none."""
    left, right = a.run(inputs), b.run(inputs)
    shared = [name for name in left if name in right and name not in inputs]
    if not shared:
        raise BadInput(f"{a.name} and {b.name} have no value of the same name: are they the same network?")
    for name in shared:
        x, y = np.asarray(left[name]), np.asarray(right[name])
        if x.shape != y.shape:
            raise BadInput(f"value {name!r} has shape {list(x.shape)} in {a.name} and {list(y.shape)} in {b.name}")
        wrong = _differs(x, y)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return Difference(
                a=a.name,
                b=b.name,
                compared=len(shared),
                layer=name,
                differing=int(wrong.sum()),
                size=x.size,
                index=index,
                values=(x[index].item(), y[index].item()),
            )
    return Difference(a=a.name, b=b.name, compared=len(shared))


def _differs(x: Array, y: Array) -> Array:
    if x.dtype.kind in "iu" and y.dtype.kind in "iu":
        return np.asarray(x != y)
    scale = max(float(np.abs(x).max(initial=0.0)), 1e-30)
    return np.asarray(np.abs(x.astype(np.float64) - y.astype(np.float64)) > FLOAT_TOLERANCE * scale)
