"""The links of the chain that random graphs are run on; `LINKS` maps a name to what computes a graph's outputs.

A link takes graphs and gives, for each graph, the outputs for each of its inputs; or a sentence why it refuses.
Outputs are what the interpreter gives: dequantised integers (equal only where the integers are), truth values, places.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import lamina.export
from lamina.core.errors import Unsupported
from lamina.export.onnx_session import session
from lamina.ir.interpreter import trace
from lamina.ir.network import Array, Network
from lamina.ir.types import Float
from lamina.nn.network import NetworkModule
from tests.chain.random_graphs import Made
from tests.export.compiled import Library
from tests.requirements import need

Results = list[dict[str, Array]] | str
Link = Callable[[Sequence[Made], Path], list[Results]]


def interpreted(made: Made) -> list[dict[str, Array]]:
    return [made.network.run(inputs) for inputs in made.inputs]


def torched(graphs: Sequence[Made], folder: Path) -> list[Results]:
    """The network as a torch module, whose integers are whole numbers in float64."""
    found: list[Results] = []
    for made in graphs:
        module, ends = NetworkModule(made.network), made.network.outputs
        values = [module.trace(inputs) for inputs in made.inputs]
        found.append([{name: one[value] for name, value in ends.items()} for one in values])
    return found


def compiled(graphs: Sequence[Made], folder: Path) -> list[Results]:
    """Exported C, all graphs in one library, which computes integers; they are dequantised here."""
    need("gcc")
    library = Library([made.network for made in graphs], folder, "-O1")
    return [[_dequantised(library, i, made, inputs) for inputs in made.inputs] for i, made in enumerate(graphs)]


def _dequantised(library: Library, index: int, made: Made, inputs: dict[str, Array]) -> dict[str, Array]:
    core, types = library.networks[index], made.network.types
    values = trace(made.network, inputs)
    found = library.run(index, {name: values[_taken(made, core, name)] for name in core.inputs})
    outputs = {}
    for name, value in core.outputs.items():
        element = core.types[value].element
        outside = types[made.network.outputs[name]].element
        if isinstance(outside, Float) and not isinstance(element, Float):
            wide = (found[name].astype(np.int64) - element.zero_point).astype(np.float32)
            outputs[name] = wide * np.float32(element.scale[0])
        else:
            outputs[name] = found[name]
    return outputs


def _taken(made: Made, core: Network, name: str) -> str:
    """What the core of a network takes as its input: the input, or the integers that it is quantised to."""
    if core.inputs[name] == made.network.inputs[name]:
        return name
    return next(o.name for o in made.network.operations if o.operator == "quantise" and o.inputs == (name,))


def onnxruntime(graphs: Sequence[Made], folder: Path) -> list[Results]:
    """The exported file in ONNX Runtime, with the settings of `lamina.export.session`."""
    found: list[Results] = []
    for made in graphs:
        try:
            path = lamina.export.onnx(made.network, folder / f"{made.network.name}.onnx")
        except Unsupported as e:
            found.append(str(e))
            continue
        opened = session(path)
        names = [output.name for output in opened.get_outputs()]
        found.append([dict(zip(names, opened.run(names, inputs), strict=True)) for inputs in made.inputs])
        path.unlink()
    return found


LINKS: dict[str, Link] = {"torch": torched, "c": compiled, "onnxruntime": onnxruntime}
