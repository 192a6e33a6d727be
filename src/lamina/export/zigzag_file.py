"""ZigZag workloads: a list of layers in YAML, which the package zigzag-dse reads beside its machine and mapping.

    equation            O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]
    dimension_relations iy=stride*oy+dilation*fy
    pr_loop_sizes       the input's size without padding; `padding` on both sides of each axis
    operand_source      the layer that makes an operand; a layer's own number for constants and the network's input

Fully connected layers and matrix products are the case of one place. A layer of a scan is written once a step. Layers
that multiply nothing are left out and named in the head; transposed convolutions are refused.

Source    zigzag-dse 3.9, parser/workload_validator.py and its documentation of workloads
"""

import json
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.export._workload import left_out, producer, workload
from lamina.ir.layer import Layer
from lamina.ir.network import Network

EQUATION = "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"
DIMENSIONS = ("B", "G", "K", "C", "OY", "OX", "FY", "FX")


def zigzag(network: Network, path: Path) -> Path:
    """Write the workload of `network` to `path`; raises `Unsupported` with the names of layers it cannot express."""
    work = workload(network, "ZigZag")
    head = [f"ZigZag workload of {network.name}: {work.macs} multiply-accumulates", *left_out(work)]
    layers = entries(network)
    # a value of JSON is a value of YAML, and quoting is JSON's
    lines = [f"# {line}\n" for line in head]
    for layer in layers:
        first, *rest = (f"{key}: {json.dumps(value)}\n" for key, value in layer.items())
        lines.append(f"- {first}" + "".join(f"  {line}" for line in rest))
    files.write(path, "".join(lines).encode())
    return path


def entries(network: Network) -> list[dict[str, Any]]:
    """The layers as ZigZag's parser takes them, numbered from 0."""
    found: list[dict[str, Any]] = []
    last: dict[str, int] = {}  # operation -> the number of its last layer
    for operation, layer in workload(network, "ZigZag").layers:
        inner = "/" in layer.name and operation.operator == "scan"
        sources = [None, None] if inner else [producer(network, operation, last, place) for place in (0, 1)]
        for step in range(layer.repeats):
            number = len(found)
            name = f"{layer.name}.{step}" if layer.repeats > 1 else layer.name
            before, weights = (number if source is None else source for source in sources)
            if inner and step:
                before = number - 1  # the state that the step before has left
            found.append(_entry(layer, number, name, {"I": before, "W": weights}))
        last[operation.name] = len(found) - 1
    return found


def _entry(layer: Layer, number: int, name: str, sources: dict[str, int]) -> dict[str, Any]:
    (height, width), (top, bottom, left, right) = layer.input_size, layer.padding
    return {
        "id": number,
        "name": name,
        "operator_type": "Conv" if layer.operator == "conv2d" else "Gemm",
        "equation": EQUATION,
        "dimension_relations": [
            f"iy={layer.stride[0]}*oy+{layer.dilation[0]}*fy",
            f"ix={layer.stride[1]}*ox+{layer.dilation[1]}*fx",
        ],
        "loop_dims": list(DIMENSIONS),
        "loop_sizes": [layer.n, layer.groups, layer.k, layer.c, layer.p, layer.q, layer.r, layer.s],
        "operand_precision": {
            "I": layer.input_bits,
            "W": layer.weight_bits,
            "O": max(32, layer.output_bits),
            "O_final": layer.output_bits,
        },
        "operand_source": sources,
        "pr_loop_dims": ["IY", "IX"],
        "pr_loop_sizes": [height, width],
        "padding": [[top, bottom], [left, right]],
    }
