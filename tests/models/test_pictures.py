"""The classifiers of 2012 to 2016: their formulas, their parts, their counts beside the published ones."""

import math

import pytest
import torch
from torch.nn import functional as F

import lamina
from lamina.core.errors import BadInput
from tests.contract.members import batch, build, module, small
from tests.lowering.zoo import classic, residual

SECOND = {  # written by others for the tests of lowering: settings here, network there
    "vgg16": ({"size": 32, "hidden": 32, "classes": 10}, lambda: classic.vgg16(10, 32, 1)),
    "googlenet": ({"size": 96, "classes": 10}, lambda: classic.GoogLeNet(10)),
    "resnet18": (
        {"size": 64, "classes": 10},
        lambda: residual.resnet(residual.Basic, (2, 2, 2, 2), 10),
    ),
}


def test_response_norm_is_the_formula_of_the_paper():
    response_norm = module("alexnet").response_norm
    x = 20 * torch.randn(2, 9, 3, 4, generator=torch.Generator().manual_seed(0))
    found, channels = response_norm(x), x.shape[1]
    for i in range(channels):
        near = x[:, max(0, i - 2) : min(channels - 1, i + 2) + 1]
        wanted = x[:, i] / (2 + 1e-4 * near.square().sum(1)) ** 0.75
        assert torch.allclose(found[:, i], wanted, rtol=1e-5)


def test_the_towers_of_alexnet_meet_in_the_third_convolution_alone():
    model = build("alexnet").eval()
    x = torch.rand(1, 3, 67, 67, generator=torch.Generator().manual_seed(1))
    maps = F.relu(model.conv1(x))
    half = model.conv2.weight.shape[0] // 2
    changed = maps.clone()
    changed[:, maps.shape[1] // 2 :] += 1  # the second tower's
    before, after = model.conv2(maps), model.conv2(changed)
    assert torch.equal(before[:, :half], after[:, :half])
    assert not torch.allclose(before[:, half:], after[:, half:])
    assert (model.conv3(after) != model.conv3(before)).flatten(2).any(2).all()
    # one tower would have the weights between the towers too
    single = build("alexnet", towers=1)
    more = sum(p.numel() for p in single.parameters()) - sum(p.numel() for p in model.parameters())
    widths = small("alexnet").widths
    assert more == sum(
        pairs // 2 * window
        for pairs, window in ((widths[0] * widths[1], 25), (widths[2] * widths[3], 9), (widths[3] * widths[4], 9))
    )


def test_googlenet_s_heads_count_in_training_alone():
    model, given = build("googlenet"), batch("googlenet", 4)
    generator = torch.Generator().manual_seed(0)
    model.train()
    with torch.no_grad():
        before = model.loss(given, generator=generator.manual_seed(0)), model(given["x"]).shape
        for head in model.heads.values():
            head.fc2.bias[0] += 3
        after = model.loss(given, generator=generator.manual_seed(0))
    assert before[0] != after
    assert before[1] == (4, 10)
    model.eval().zero_grad()
    loss = model.loss(given)
    loss.backward()
    assert torch.allclose(loss, F.cross_entropy(model(given["x"]), given["y"]))
    assert all(p.grad is None for p in model.heads.parameters())
    assert all(p.grad is not None for name, p in model.named_parameters() if not name.startswith("heads"))
    (_, entry) = next(iter(model.entries().items()))
    network = lamina.lower(model, inputs=[entry[1]])
    assert not any("heads" in name for name in network.constants)


def test_googlenet_s_loss_is_the_sum_of_three():
    model, given = build("googlenet", dropout=0.0), batch("googlenet", 3)
    model.train()
    logits, seen = model._run(given["x"], None)
    wanted = F.cross_entropy(logits, given["y"])
    for name in ("4a", "4d"):
        heard = model.heads[name](seen[name], True, torch.Generator().manual_seed(4))
        assert heard.shape == (3, 10)
    generator = torch.Generator().manual_seed(4)
    for name in ("4a", "4d"):
        wanted = wanted + 0.3 * F.cross_entropy(model.heads[name](seen[name], True, generator), given["y"])
    assert torch.allclose(model.loss(given, generator=torch.Generator().manual_seed(4)), wanted)


def test_resnet20_s_short_cut_keeps_every_second_place_and_adds_zeros():
    block = module("resnet20").Block(4, 8, 2).eval()
    for convolution in (block.first.conv, block.second.conv):
        torch.nn.init.zeros_(convolution.weight)
    x = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    y = block(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


@pytest.mark.parametrize(("name", "layers"), [("resnet18", 18), ("resnet50", 50), ("resnet20", 20), ("vgg16", 16)])
def test_a_network_has_the_layers_of_its_name(name, layers):
    file = module(name)
    with torch.device("meta"):
        classes = {"resnet18": "ResNet", "resnet50": "ResNet", "resnet20": "ResNet20", "vgg16": "Vgg16"}
        blocks = {"resnet18": ["Basic"], "resnet50": ["Bottleneck"]}.get(name, [])
        model = getattr(file, classes[name])(file.Config(), *[getattr(file, b) for b in blocks])
    counted = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    short = [m for n, m in model.named_modules() if n.endswith("short.conv")]
    assert len(counted) - len(short) == layers
    assert sum(p.numel() for p in model.parameters()) == file.COUNTS[0]


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "googlenet"])
def test_the_first_signal_reaches_the_end(name):
    # He's weights: the last maps are of the size of the first; with torch's own they would be 1e-3 of it or less
    model, given = build(name, seed=2).eval(), batch(name, 6)
    spread = model(given["x"]).std(0).mean()
    assert 1e-3 < float(spread.detach()) < 1e3
    assert math.isfinite(float(model.loss(given).detach()))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("alexnet", {"size": 60}, "at least 67"),
        ("alexnet", {"widths": (4, 5, 6, 8, 8)}, "2 towers divide"),
        ("vgg16", {"size": 48}, "multiple of 32"),
        ("vgg16", {"widths": (4, 4)}, "five numbers of maps"),
        ("googlenet", {"size": 64}, "multiple of 16 from 80 on"),
        ("googlenet", {"narrower": 3}, "divides every width"),
        ("resnet18", {"size": 40}, "multiple of 32"),
        ("resnet50", {"width": 4}, "multiple of 8 maps"),
        ("resnet20", {"depth": 0}, "at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(name, settings, message):
    with pytest.raises(BadInput, match=message):
        build(name, **settings)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "resnet20"])
def test_wrong_pictures_and_labels_are_refused(name):
    model, given = build(name), batch(name, 2)
    shape = given["x"].shape
    with pytest.raises(BadInput, match=r"inputs are \[2, 7, 9, 9\]"):
        model(torch.zeros(2, 7, 9, 9))
    with pytest.raises(BadInput, match=rf"\[n, {shape[1]}, {shape[2]}, {shape[3]}\] is needed"):
        model.loss({**given, "x": given["x"][:, :, :-1]})
    with pytest.raises(BadInput, match=r"labels -1..10: the classes are 0..9"):
        model.loss({**given, "y": torch.tensor([-1, 10])})


@pytest.mark.parametrize("name", SECOND)
def test_outputs_equal_those_of_a_second_writing(name):
    settings, make = SECOND[name]
    file, second = module(name), make().eval()
    model = getattr(file, name)(file.Config(**settings)).eval()
    mine = {key: value for key, value in model.state_dict().items() if not key.startswith("heads")}
    for (key, value), other in zip(mine.items(), second.state_dict().values(), strict=True):
        if key.endswith("running_mean"):
            value.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(len(key)))
        other.copy_(value)
    x = torch.rand(2, 3, settings["size"], settings["size"], generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found, wanted = model(x), second(x)
    assert found.std() > 1e-3
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "resnet20"])
def test_it_runs_at_its_published_size(name):
    file = module(name)
    model = getattr(file, name)().eval()
    with torch.inference_mode():
        logits = model(torch.rand(file.INPUT_SHAPE, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (1, file.Config().classes)
    assert logits.isfinite().all()
    assert logits.std() > 1e-3
