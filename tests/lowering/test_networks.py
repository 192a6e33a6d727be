"""Networks of many kinds, lowered: totals as published or counted by hand, numbers as torch's, and ONNX Runtime's."""

import importlib
import pkgutil

import pytest
import torch

import lamina.export
from lamina.hw.registry import find
from lamina.hw.table import cost
from lamina.lowering import lower, lower_all
from tests.counting import calls
from tests.lowering import zoo
from tests.lowering.test_torch_rules import flat

FILES = [m.name for m in pkgutil.iter_modules(zoo.__path__) if m.name != "entry"]
ENTRIES = {e.name: e for f in FILES for e in importlib.import_module(f"{zoo.__name__}.{f}").ENTRIES}


def built(build, seed=0):
    """The module with weights from a seed; statistics of batch normalisation that are not trivial."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = build().eval()
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return module


def full(entry):
    """The network of the full size, without weights."""
    with torch.device("meta"):
        module = entry.full()
    if isinstance(entry.shape, tuple):
        return module, lower(module, input_shape=entry.shape)
    shapes = {k: v for k, v in entry.shape.items() if isinstance(v, tuple)}
    return module, lower(
        module, input_shape=shapes or None, inputs={k: v for k, v in entry.shape.items() if k not in shapes}
    )


def test_there_are_enough():
    assert len(ENTRIES) >= 25


@pytest.mark.parametrize("name", ENTRIES)
def test_totals(name):
    entry = ENTRIES[name]
    module, network = full(entry)
    assert network.macs == entry.macs
    assert network.parameters == entry.parameters
    assert cost(network, [find("cpu")]).results[0].coverage == 1
    assert entry.parameters == sum(p.numel() for p in module.parameters()) or name == "reservoir"


@pytest.mark.parametrize("name", ENTRIES)
def test_numbers(name, tmp_path):
    entry = ENTRIES[name]
    module = built(entry.small or entry.full)
    network = lower(module, inputs=entry.inputs, name=name)
    given = {k: v.numpy() for k, v in entry.inputs.items()}
    with torch.no_grad():
        results = module(**entry.inputs)
    expected = [t.numpy() for t in flat(list(results.values()) if isinstance(results, dict) else results)]
    compare(list(network.run(given).values()), expected)
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = lamina.export.onnx(network, tmp_path / "n.onnx")
    compare(lamina.export.session(path).run(list(network.outputs), given), expected)


def compare(found, expected):
    for array, wanted in zip(found, expected, strict=True):
        assert array.shape == wanted.shape
        if wanted.dtype.kind == "f":
            assert abs(array - wanted).max() <= 1e-5 * abs(wanted).max()
        else:
            assert (array == wanted).all()


def test_players_become_networks():
    from tests.lowering.zoo.pictures import Pair

    networks = lower_all(built(lambda: Pair(width=4)), name="dcgan")
    assert [n.name for n in networks] == ["dcgan.generator", "dcgan.discriminator"]


def test_reading_the_nests_of_resnet50_costs_a_few_calls_a_layer():
    """How long lowering takes is measured in benchmarks/machines.py."""
    network = lower(built(ENTRIES["resnet50"].full), input_shape=(1, 3, 224, 224))
    found = network.layers()
    assert calls(network.layers) < 150 * len(found)
