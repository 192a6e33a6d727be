"""Every network of the lowering zoo in integers: close to its floats, and the same integers in exported C.

What stays float is known by name: operators without an integer meaning. Where nothing stays, C and ONNX Runtime run.
"""

import importlib
import pkgutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import tests.lowering.zoo as package
from lamina.ir.quantise import quantise
from lamina.lowering import lower
from tests.chain.graph_links import LINKS, interpreted
from tests.chain.random_graphs import Made, differing

ENTRIES: dict[str, Any] = {
    entry.name: entry
    for found in pkgutil.iter_modules(package.__path__)
    for entry in getattr(importlib.import_module(f"{package.__name__}.{found.name}"), "ENTRIES", ())
}
FLOAT = {"softmax", "log_softmax", "layer_norm", "lrn", "where", "resize", "divide"}
LEAST = 20.0  # dB, of weights from a seed on one input
MOST_WEIGHTS = 500_000  # of a network that is compiled


@pytest.mark.slow
@pytest.mark.parametrize("form", ["power_of_two", "float"])
@pytest.mark.parametrize("name", ENTRIES)
def test_in_integers(name: str, form: str, tmp_path: Path) -> None:
    entry = ENTRIES[name]
    torch.manual_seed(0)
    network = lower((entry.small or entry.full)().eval(), inputs=entry.inputs)
    given = {n: entry.inputs[n].numpy() for n in network.inputs}
    made, report = quantise(network, [given], scales=form)
    ratios = [ratio for ratio in report.outputs.values() if ratio is not None]
    assert ratios
    assert min(ratios) > LEAST, str(report)
    assert {row.operator for row in report.float_layers} <= FLOAT
    assert report.float_share < 0.15
    if report.float_layers or network.parameters > MOST_WEIGHTS:
        return
    graph = Made(made, Counter(), (given,))
    (want,) = interpreted(graph)
    for link_name, link in LINKS.items():
        (found,) = link([graph], tmp_path)
        assert not isinstance(found, str), found
        differ, count = differing(found[0], want)
        print(f"{link_name}: {differ} of {count} differ")
        if form == "power_of_two" or link_name == "c":
            assert differ == 0, f"{link_name}: {differ} of {count} numbers differ"
