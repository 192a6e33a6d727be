"""Numbers moved, chosen by place, or given another type, to ONNX: each has one form for every element type.

A padding's fill is a stored number. Assignments of truth values go through int32, which runtimes can scatter; the
nearest of numbers that they cannot resize, or at places that their float32 misses, is two Gathers.
"""

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._onnx_graph import stored_type
from lamina.export._onnx_write import Task, Write, plain
from lamina.ir.operators._table import Attributes
from lamina.ir.operators.move import fill
from lamina.ir.operators.resize import source, taps
from lamina.ir.types import BOOL


def _slice(task: Task) -> None:
    a, graph = task.attributes, task.graph
    shape = task.site.inputs[0].shape
    parts = [
        (axis, start, stop, step)
        for axis, (start, stop, step) in enumerate(zip(a["starts"], a["stops"], a["steps"], strict=True))
        if (start, step) != (0, 1) or stop < shape[axis]
    ]
    if not parts:
        task.node("Identity", task.inputs[0])
        return
    axes, starts, stops, steps = ([part[i] for part in parts] for i in range(4))
    lists = {"starts": starts, "stops": stops, "axes": axes, "steps": steps}
    task.node("Slice", task.inputs[0], *(graph.places(f"{task.to}:{name}", data) for name, data in lists.items()))


def _pad(task: Task) -> None:
    a, element = task.attributes, task.site.inputs[0].element
    sizes = task.graph.places(f"{task.to}:sizes", [*a["before"], *a["after"]])
    inputs = [task.inputs[0], sizes]
    if a["mode"] == "constant":
        inputs.append(task.number("fill", fill(a["value"], element)))
    task.node("Pad", *inputs, mode=a["mode"])


def _expand(task: Task) -> None:
    task.node("Expand", task.inputs[0], task.graph.places(f"{task.to}:shape", task.attributes["shape"]))


def _tile(task: Task) -> None:
    task.node("Tile", task.inputs[0], task.graph.places(f"{task.to}:repeats", task.attributes["repeats"]))


def _scatter(operator: str, *attributes: str) -> Write:
    write = plain(operator, **{name: name for name in attributes})

    def scatter(task: Task) -> None:
        if task.site.inputs[0].element != BOOL:
            write(task)
            return
        x, indices, updates = task.inputs
        wide = [task.graph.cast(v, np.int32, to=f"{task.to}:{part}") for v, part in ((x, "x"), (updates, "updates"))]
        write(Task(task.graph, task.site, (wide[0], indices, wide[1]), (f"{task.to}:narrow",)))
        task.graph.cast(f"{task.to}:narrow", np.bool_, to=task.to)

    return scatter


def _clear(size: int, a: Attributes, axis: int) -> bool:
    """Whether float32 places, as runtimes compute them, are exact or far from where the nearest number changes."""
    wanted, scale = a["size"][axis], a["scale"][axis]
    ratio = np.float32(scale or wanted / size)
    edge = 0.0 if a["nearest"] in ("floor", "ceil") else 0.5
    for i in range(wanted):
        place = source(i, size, wanted, a["coordinates"], scale)
        if a["coordinates"] == "align_corners":
            short = np.float32(i * (size - 1)) / np.float32(max(wanted - 1, 1))
        elif a["coordinates"] == "asymmetric":
            short = np.float32(i) / ratio
        else:
            short = (np.float32(i) + np.float32(0.5)) / ratio - np.float32(0.5)
        if abs((place + edge + 0.5) % 1 - 0.5) < 1e-4 and float(short) != place:
            return False
    return True


def _resize(task: Task) -> None:
    a, graph, shape = task.attributes, task.graph, task.site.inputs[0].shape
    if a["mode"] == "nearest" and not (
        task.dtype in (np.float32, np.int8, np.uint8) and all(_clear(shape[2 + axis], a, axis) for axis in (0, 1))
    ):
        rows, columns = (taps(shape[2 + axis], a["size"][axis], a, axis)[0][:, 0].tolist() for axis in (0, 1))
        tall = task.node("Gather", task.inputs[0], graph.places(f"{task.to}:rows", rows), part="tall", axis=2)
        task.node("Gather", tall, graph.places(f"{task.to}:columns", columns), axis=3)
        return
    coordinates = a["coordinates"]
    how = {"mode": a["mode"], "coordinate_transformation_mode": coordinates, "cubic_coeff_a": a["cubic_a"]}
    if a["mode"] == "nearest":
        how["nearest_mode"] = a["nearest"]
    if any(a["scale"]):
        scales = [s or size / of for s, size, of in zip(a["scale"], a["size"], shape[2:], strict=True)]
        if [int(np.floor(np.float32(s) * of)) for s, of in zip(scales, shape[2:], strict=True)] != list(a["size"]):
            raise Unsupported(f"{task.to}: scales {scales} of {list(shape[2:])} do not give the size {list(a['size'])}")
        task.node("Resize", task.inputs[0], "", graph.tensor(f"{task.to}:scales", [1, 1, *scales], np.float32), **how)
        return
    task.node("Resize", task.inputs[0], "", "", graph.places(f"{task.to}:size", [*shape[:2], *a["size"]]), **how)


def _cast(task: Task) -> None:
    task.graph.cast(task.inputs[0], stored_type(task.site.outputs[0].element), to=task.to)


def _no_form(task: Task) -> None:
    raise Unsupported(f"{task.to}: numbers drawn by Philox have no form in ONNX: hand them in as an input, or export C")


MOVES: dict[str, Write] = {
    "transpose": plain("Transpose", perm="order"),
    "concatenate": plain("Concat", axis="axis"),
    "slice": _slice,
    "pad": _pad,
    "expand": _expand,
    "tile": _tile,
    "gather": plain("Gather", axis="axis"),
    "gather_elements": plain("GatherElements", axis="axis"),
    "gather_nd": plain("GatherND", batch_dims="batch"),
    "scatter_elements": _scatter("ScatterElements", "axis", "reduction"),
    "scatter_nd": _scatter("ScatterND", "reduction"),
    "resize": _resize,
    "cast": _cast,
    "uniform": _no_form,
}
