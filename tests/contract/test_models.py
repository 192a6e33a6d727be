"""What every registered model keeps: found by listing the folder, so that a new file is held to it at once."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

import lamina
from lamina.core import registry as members_of
from lamina.core.errors import BadInput
from lamina.data._dataset import Split
from lamina.hw import registry, table
from lamina.ir.quantise import quantise
from lamina.lowering import lower_all
from lamina.training import FitConfig, fit
from lamina.training.steps import gradients, players
from tests.contract.members import CASES, NAMES, batch, build, entries, module
from tests.export.compiled import Library

LARGE = 2**22  # parameters, from which a network is not compiled or quantised here
TRAINED = [name for name in NAMES if not hasattr(build(name), "solve")]


def flat(results):
    """Every tensor of a result, in order."""
    if isinstance(results, Tensor):
        return [results]
    values = results.values() if isinstance(results, dict) else results
    return [tensor for value in values for tensor in flat(value)]


def as_inputs(example):
    return (example,) if isinstance(example, Tensor) else example


def computed(function, example):
    """What `function` says of an entry's example, as arrays."""
    given = as_inputs(example)
    with torch.no_grad():
        results = function(**given) if isinstance(given, dict) else function(*given)
    return [t.numpy() for t in flat(results)]


def fed(network, example):
    """An entry's example by the network's names."""
    given = as_inputs(example)
    tensors = flat(given)
    return {name: t.numpy() for name, t in zip(network.inputs, tensors, strict=True)}


def lowered(name, model):
    """(entry, network, function, example) of all that can be lowered."""
    refused = getattr(module(name), "REFUSED", {})
    wanted = {key: value for key, value in entries(name, model).items() if key not in refused}
    model.entries = lambda: wanted  # on the model itself, as the command line lowers it
    networks = lower_all(model, name=name)
    del model.entries
    return [(key, network, *wanted[key]) for key, network in zip(wanted, networks, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    file = module(name)
    assert "Shapes " in file.__doc__
    assert "Paper " in file.__doc__
    assert "https://" in file.PAPER
    assert file.INPUT_SHAPE[0] == 1
    assert members_of.summary(file) in file.__doc__
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(file.Config))
    assert all(len(reason) > 20 for reason in getattr(file, "REFUSED", {}).values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(file.Config(), dataclasses.fields(file.Config)[0].name, None)
    with pytest.raises(BadInput, match="unknown setting 'hiden'"):
        build(name, hiden=3)


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_published_or_done_by_hand(name):
    model = getattr(module(name), name)()
    (_, network, *_), *_ = lowered(name, model)
    assert (network.parameters, network.macs) == module(name).COUNTS


@pytest.mark.parametrize(("name", "settings"), [case for case in CASES if case[0] in TRAINED])
def test_losses_and_gradients_are_finite_and_every_weight_has_one(name, settings):
    model, given = build(name, **settings), batch(name, 4, **settings)
    reached = set()
    for player in players(model):
        loss, found = gradients(
            model, given, loss=player.loss, generator=torch.Generator().manual_seed(0), parameters=player.parameters
        )
        assert loss.shape == ()
        assert loss.isfinite()
        for key, gradient in found.items():
            assert gradient.isfinite().all(), key
            if gradient.abs().sum() > 0:
                reached.add(key)
    wanted = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    idle = wanted - reached - set(getattr(module(name), "IDLE", ()))
    assert not idle, f"{sorted(idle)} have no influence on any loss"


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(build(name), "loss")])
def test_the_loss_is_a_mean_and_metrics_are_sums(name):
    model, given = build(name).eval(), batch(name, 5)
    if hasattr(model, "metrics"):
        sums = [model.metrics({k: v[i : i + 1] for k, v in given.items()}) for i in range(5)]
        for key, value in model.metrics(given).items():
            assert value == pytest.approx(sum(one[key] for one in sums), rel=1e-3, abs=1e-4), key
    if getattr(module(name), "SAMPLED_LOSS", False):  # what is drawn for one example depends on its batch
        return
    each = [
        float(
            model.loss({k: v[i : i + 1] for k, v in given.items()}, generator=torch.Generator().manual_seed(0)).detach()
        )
        for i in range(5)
    ]
    whole = float(model.loss(given, generator=torch.Generator().manual_seed(0)).detach())
    assert whole == pytest.approx(sum(each) / 5, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name):
    torch.manual_seed(1)
    first = build(name, seed=3).state_dict()
    torch.manual_seed(2)
    second, other = build(name, seed=3).state_dict(), build(name, seed=4).state_dict()
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    assert any(not torch.equal(tensor, other[key]) for key, tensor in first.items()) or not any(
        tensor.any() for tensor in first.values()
    )


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_it_is_saved_and_loaded(name, settings):
    model, other = build(name, seed=5, **settings).eval(), build(name, seed=6, **settings).eval()
    other.load_state_dict(load(save({k: v.contiguous() for k, v in model.state_dict().items()})))
    for key, (function, example) in entries(name, model).items():
        if key in getattr(module(name), "REFUSED", {}):
            continue
        again = entries(name, other)[key][0]
        for a, b in zip(computed(function, example), computed(again, example), strict=True):
            assert np.array_equal(a, b), key


@pytest.mark.parametrize("name", TRAINED)
def test_training_goes_on_to_the_same_bits(name, tmp_path, monkeypatch):
    from lamina.training import _loop

    given = batch(name, 12)
    whole = Split(tensors=given)
    data = SimpleNamespace(
        name="made", checksum="0" * 64, classes=(), train=whole, validation=whole.first(0), test=whole
    )
    config = FitConfig(epochs=2, batch_size=6, learning_rate=1e-3)
    unbroken, broken, again = (build(name) for _ in range(3))
    fit(unbroken, data, config=config, out=tmp_path / "a")
    monkeypatch.setattr(_loop, "SAVE_AT_LEAST_S", 0.0)
    original = _loop.Loop._end_of_epoch

    def killed(self, seconds):
        original(self, seconds)
        raise RuntimeError("killed")

    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", killed)
    with pytest.raises(RuntimeError, match="killed"):
        fit(broken, data, config=config, out=tmp_path / "b")
    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", original)
    fit(again, data, config=config, out=tmp_path / "b", resume=True)
    for key, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]), key


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_each_entry_lowers_to_a_network_with_the_same_outputs(name, settings):
    model = build(name, **settings).eval()
    for key, network, function, example in lowered(name, model):
        found = list(network.run(fed(network, example)).values())
        for array, wanted in zip(found, computed(function, example), strict=True):
            assert array.shape == wanted.shape
            assert np.allclose(array, wanted, atol=1e-5 * max(1.0, abs(wanted).max())), key


@pytest.mark.parametrize("name", NAMES)
def test_it_costs_on_every_machine_and_whole_on_processors(name):
    model = build(name).eval()
    for _, network, *_ in lowered(name, model):
        shared = table.nests(network.layers())
        for machine in map(registry.registered, registry.names()):
            result = table.on_machine(shared, machine, allow_partial=True)
            assert 0 <= result.coverage <= 1
            if machine.name in ("cpu", "k20m"):
                assert result.coverage == 1
                assert result.total.latency_s > 0


@pytest.mark.parametrize("name", NAMES)
def test_it_quantises_and_its_c_and_onnx_compute_the_same(name, tmp_path):
    pytest.importorskip("onnxruntime")
    model = build(name).eval()
    for key, network, function, example in lowered(name, model):
        if network.parameters > LARGE:
            continue
        given = fed(network, example)
        path = lamina.export.onnx(network, tmp_path / f"{key}.onnx")
        for array, wanted in zip(
            lamina.export.session(path).run(list(network.outputs), given), computed(function, example), strict=True
        ):
            assert np.allclose(array, wanted, atol=1e-4 * max(1.0, abs(wanted).max())), key
        integer, _ = quantise(network, [given])
        integer.run(given)
        indices = {name: array for name, array in given.items() if array.dtype.kind == "i"}
        Library([network, integer], tmp_path / key).check(times=1, fixed=indices)


@pytest.mark.parametrize("name", [name for name in NAMES if not hasattr(module(name), "example")])
def test_an_example_s_output_does_not_depend_on_its_batch_or_memory_format(name):
    model, x = build(name).eval(), batch(name, 5)["x"]
    alone = torch.cat([model(x[i : i + 1]) for i in range(5)])
    assert torch.allclose(model(x), alone, atol=1e-5)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    assert torch.allclose(last(x.to(memory_format=torch.channels_last)), alone, atol=1e-5)


def test_lenet5_takes_the_choices_of_its_paper():
    x = batch("lenet5")["x"]
    model = build("lenet5", activation="tanh", pooling="average")
    h = F.avg_pool2d(torch.tanh(F.conv2d(F.pad(x, (2, 2, 2, 2)), model.conv1.weight, model.conv1.bias)), 2)
    h = F.avg_pool2d(torch.tanh(F.conv2d(h, model.conv2.weight, model.conv2.bias)), 2).flatten(1)
    for layer in (model.fc1, model.fc2):
        h = torch.tanh(h @ layer.weight.T + layer.bias)
    assert torch.allclose(model(x), h @ model.fc3.weight.T + model.fc3.bias, atol=1e-5)


def test_lenet5_caffe_has_one_relu():
    model, x = build("lenet5_caffe"), batch("lenet5_caffe")["x"]
    h = F.max_pool2d(F.conv2d(x, model.conv1.weight, model.conv1.bias), 2)
    h = F.max_pool2d(F.conv2d(h, model.conv2.weight, model.conv2.bias), 2)
    assert h.min() < 0, "without an activation behind the convolutions some values stay negative"
    h = (h.flatten(1) @ model.fc1.weight.T + model.fc1.bias).clamp(min=0)
    assert torch.allclose(model(x), h @ model.fc2.weight.T + model.fc2.bias, atol=1e-5)
