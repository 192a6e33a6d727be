"""What every registered model keeps: found by listing the folder, so that a new file is held to it at once."""

import copy
import dataclasses
import importlib
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

import lamina
import lamina.models as package
from lamina.core import registry
from lamina.core.configuration import replace
from lamina.core.errors import BadInput

NAMES = registry.names(package)

# Counted by hand: (parameters, multiply-accumulates of one input). A convolution has k·(c·r·s) weights and k biases,
# used at p·q places; the papers' own totals beside them.
COUNTS = {
    "lenet5": (
        6 * 25 + 6 + 16 * 6 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 840 + 10,  # 61,706
        6 * 25 * 28 * 28 + 16 * 150 * 10 * 10 + 400 * 120 + 120 * 84 + 840,  # 416,520
    ),
    "lenet5_caffe": (
        20 * 25 + 20 + 50 * 500 + 50 + 800 * 500 + 500 + 5000 + 10,  # 431,080: Deep Compression's "431K"
        500 * 24 * 24 + 25_000 * 8 * 8 + 800 * 500 + 5000,  # 2,293,000
    ),
    "lenet_300_100": (
        784 * 300 + 300 + 300 * 100 + 100 + 1000 + 10,  # 266,610: Deep Compression's "267K"
        784 * 300 + 300 * 100 + 1000,  # 266,200
    ),
}


def module(name):
    return importlib.import_module(f"lamina.models.{name}")


def build(name, *, seed=0, **settings):
    return getattr(lamina.models, name)(replace(module(name).Config(), settings), seed=seed)


def batch(name, count=3, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = module(name).INPUT_SHAPE
    return {
        "x": torch.rand(count, *shape[1:], generator=generator),
        "y": torch.randint(0, 10, (count,), generator=generator),
    }


def counted(model, x):
    """Parameters and multiply-accumulates of one forward pass, by hooks on the layers that have any."""
    macs = 0

    def count(layer, inputs, output):
        nonlocal macs
        macs += output[0].numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    model(x)
    for hook in hooks:
        hook.remove()
    return sum(p.numel() for p in model.parameters()), macs


def variants(name):
    """Settings: the defaults, and each other choice of a field that has choices."""
    config = module(name).Config
    hints = importlib.import_module("typing").get_type_hints(config)
    found = [{}]
    for field in dataclasses.fields(config):
        for choice in getattr(hints[field.name], "__args__", ()):
            if isinstance(choice, str) and choice != field.default:
                found.append({field.name: choice})
    return found


CASES = [(name, settings) for name in NAMES for settings in variants(name)]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    file = module(name)
    assert "Shapes " in file.__doc__
    assert "Paper " in file.__doc__
    assert "https://" in file.PAPER
    assert file.INPUT_SHAPE[0] == 1
    assert registry.summary(file) in file.__doc__
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(file.Config))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(file.Config(), dataclasses.fields(file.Config)[0].name, None)
    with pytest.raises(BadInput, match="unknown setting 'hiden'"):
        build(name, hiden=3)


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_done_by_hand(name):
    assert name in COUNTS, "count its parameters and multiply-accumulates by hand and add them to COUNTS"
    x = torch.zeros(module(name).INPUT_SHAPE)
    assert counted(build(name), x) == COUNTS[name]
    network = lamina.lower(build(name), input_shape=module(name).INPUT_SHAPE)
    assert (network.parameters, network.macs) == COUNTS[name]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_loss_and_gradients_are_finite(name, settings):
    model = build(name, **settings)
    given = batch(name)
    loss = model.loss(given, generator=torch.Generator().manual_seed(0))
    assert loss.shape == ()
    assert 1 < loss.item() < 6, "before training about ln 10 = 2.3 nats"
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, f"{parameter_name} has no influence on the loss"


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_a_mean_and_metrics_are_sums(name):
    model, given = build(name), batch(name, 7)
    each = [model.loss({k: v[i : i + 1] for k, v in given.items()}).item() for i in range(7)]
    assert model.loss(given).item() == pytest.approx(sum(each) / 7, rel=1e-5)
    logits = model(given["x"]).detach().numpy().astype(np.float64)
    chosen = logits[np.arange(7), given["y"]]
    expected = (np.log(np.exp(logits).sum(1)) - chosen).sum()
    found = model.metrics(given)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert (found["correct"], found["count"]) == ((logits.argmax(1) == given["y"].numpy()).sum(), 7)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name):
    torch.manual_seed(1)
    first = build(name, seed=3).state_dict()
    torch.manual_seed(2)
    second, other = build(name, seed=3).state_dict(), build(name, seed=4).state_dict()
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key])
        assert not torch.equal(tensor, other[key])
        bound = 1 / math.sqrt(first[key.replace("bias", "weight")][0].numel())
        assert tensor.abs().max() <= bound
        if tensor.numel() > 100:  # uniform: the standard deviation is bound / √3
            assert tensor.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    assert torch.equal(build(name, seed=3)(batch(name)["x"]), build(name, seed=3)(batch(name)["x"]))


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_it_is_saved_and_loaded(name, settings):
    model = build(name, seed=5, **settings).eval()
    other = build(name, seed=6, **settings).eval()
    other.load_state_dict(load(save(model.state_dict())))
    x = batch(name)["x"]
    assert torch.equal(model(x), other(x))


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_an_example_s_output_does_not_depend_on_its_batch_or_memory_format(name, settings):
    model, x = build(name, **settings).eval(), batch(name, 5)["x"]
    alone = torch.cat([model(x[i : i + 1]) for i in range(5)])
    assert torch.allclose(model(x), alone, atol=1e-5)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    assert torch.allclose(last(x.to(memory_format=torch.channels_last)), alone, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_it_lowers_to_a_network_with_the_same_outputs(name, settings):
    model, x = build(name, **settings).eval(), batch(name, 1)["x"]
    network = lamina.lower(model, input_shape=module(name).INPUT_SHAPE)
    (found,) = network.run({next(iter(network.inputs)): x.numpy()}).values()
    assert np.allclose(found, model(x).detach().numpy(), atol=1e-5)


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
