"""Archives of torch.export.save are read as data: the same network as from the module, nothing unpickled."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import text
from lamina.lowering import lower, pt2
from tests.lowering.test_networks import ENTRIES, built, compare
from tests.lowering.test_torch_rules import flat
from tests.torch_models import SHAPE, Small

READ = (
    "lenet5", "squeeze_and_excitation", "shuffled_groups", "unet", "unpooling_autoencoder", "style_transfer",
    "super_resolution", "lstm_tagger", "bidirectional_gru", "peephole_lstm", "encoder_decoder_with_attention",
    "captioner", "transformer_encoder", "causal_transformer", "dilated_causal", "siamese", "keyword_spotter",
)  # fmt: skip


def exported(module, inputs):
    with torch.no_grad():
        return torch.export.export(module.eval(), (), inputs)


@pytest.fixture
def file(tmp_path):
    torch.export.save(exported(Small(), {"x": torch.zeros(SHAPE)}), tmp_path / "small.pt2")
    return tmp_path / "small.pt2"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READ)
def test_the_file_holds_the_network_of_the_module(name, tmp_path):
    entry = ENTRIES[name]
    module = built(entry.full)
    torch.export.save(exported(module, entry.inputs), tmp_path / f"{name}.pt2")
    (network,) = pt2.read(tmp_path / f"{name}.pt2")
    direct = lower(module, inputs=entry.inputs, name=network.name)
    assert text.print_network(network) == text.print_network(direct)
    given = {k: v.numpy() for k, v in entry.inputs.items()}
    for found, wanted in zip(network.run(given).values(), direct.run(given).values(), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in READ if n != "siamese"])  # torch loses modules that are called twice
def test_decomposed_programs_are_lowered_too(name, tmp_path):
    entry = ENTRIES[name]
    module = built(entry.full)
    torch.export.save(exported(module, entry.inputs).run_decompositions(), tmp_path / "n.pt2")
    (network,) = pt2.read(tmp_path / "n.pt2")
    with torch.no_grad():
        results = module(**entry.inputs)
    expected = [t.numpy() for t in flat(list(results.values()) if isinstance(results, dict) else results)]
    compare(list(network.run({k: v.numpy() for k, v in entry.inputs.items()}).values()), expected)


def edited(file, **changes):
    """The archive with the parts whose name ends so replaced by a function of their bytes; None drops them."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            change = next(
                (c for key, c in changes.items() if entry.filename.endswith(key.replace("_json", ".json"))), 0
            )
            if change is not None:
                new.writestr(entry.filename, change(data) if change else data)
    file.write_bytes(out.getvalue())


def mapped(function):
    def change(data):
        value = json.loads(data)
        function(value)
        return json.dumps(value).encode()

    return change


def graph(model):
    return model["graph_module"]["graph"]


def far(config):
    for weight in config["config"].values():
        weight["tensor_meta"]["strides"] = [{"as_int": 2**40}] * len(weight["tensor_meta"]["sizes"])


def opened(model):
    graph(model)["tensor_values"]["x"]["sizes"][0] = {"as_expr": {"expr_str": "__import__('os').abort()"}}


BROKEN = {
    "no archive": ({}, BadInput, "torch.export.save"),
    "no model": ({"model_json": None}, BadInput, "no models/NAME.json"),
    "no text": ({"model_json": lambda d: d[:500]}, BadInput, "torch.export.save"),
    "deep": ({"model_json": lambda d: b"[" * 100_000}, BadInput, "torch.export.save"),
    "missing weights": ({"weight_0": None}, BadInput, "torch.export.save"),
    "short weights": ({"weight_0": lambda d: d[:8]}, BadInput, "too few"),
    "pickled": (
        {"config_json": mapped(lambda c: [w.update(use_pickle=True) for w in c["config"].values()])},
        Unsupported,
        "nothing is unpickled",
    ),
    "strides": (
        {"config_json": mapped(far)},
        BadInput,
        "too few",
    ),
    "open size": (
        {"model_json": mapped(opened)},
        Unsupported,
        "open size",
    ),
    "unknown operator": (
        {"model_json": mapped(lambda m: graph(m)["nodes"][0].update(target="torch.ops.aten.erfinv.default"))},
        Unsupported,
        "erfinv",
    ),
    "code as operator": (
        {"model_json": mapped(lambda m: graph(m)["nodes"][0].update(target="os.abort"))},
        Unsupported,
        "os.abort",
    ),
    "wrong arguments": (
        {"model_json": mapped(lambda m: graph(m)["nodes"][0].update(inputs=[]))},
        BadInput,
        "pt2",
    ),
    "cycle": (
        {"model_json": mapped(lambda m: graph(m)["nodes"].reverse())},
        (BadInput, Unsupported),
        "no meaning|torch.export.save",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name, file):
    changes, error, said = BROKEN[name]
    if changes:
        edited(file, **changes)
    else:
        file.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(error, match=said) as raised:
        pt2.read(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_huge_constants_are_refused(file):
    def grow(model):
        node = {
            "target": "torch.ops.aten.zeros.default",
            "inputs": [{"name": "size", "arg": {"as_ints": [2**20, 2**20]}, "kind": 1}],
        }
        graph(model)["nodes"].insert(0, node | {"outputs": [{"as_tensor": {"name": "x"}}], "metadata": {}, "name": "z"})

    edited(file, model_json=mapped(grow))
    with pytest.raises(BadInput, match="zeros"):
        pt2.read(file)


def test_nothing_is_unpickled(file, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for place, name in ((pickle, "load"), (pickle, "loads"), (torch, "load"), (torch.export, "load")):
        monkeypatch.setattr(place, name, refuse)
    (network,) = pt2.read(file)
    assert network.parameters == sum(p.numel() for p in Small().parameters())


def test_compressed_archives_are_refused(file):
    parts = {e.filename: zipfile.ZipFile(file).read(e) for e in zipfile.ZipFile(file).infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(Unsupported, match="compressed"):
        pt2.read(file)


@pytest.mark.filterwarnings("ignore")
def test_a_view_of_stored_numbers_is_read_with_its_strides(tmp_path):
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            base = torch.arange(12.0).reshape(3, 4)
            self.register_buffer("turned", base.T[1:, ::2])

        def forward(self, x):
            return x * self.turned

    module, x = Turned(), torch.rand(3, 2)
    torch.export.save(exported(module, {"x": x}), tmp_path / "n.pt2")
    (network,) = pt2.read(tmp_path / "n.pt2")
    assert np.array_equal(network.run({"x": x.numpy()})["output"], module(x).numpy())
