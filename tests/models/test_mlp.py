"""Back-propagation against finite differences; dropout's mean, its generator, and that nothing of it stays."""

import pytest
import torch
from torch.nn import functional as F

import lamina
from lamina.core.errors import BadInput
from lamina.models.mlp import Config
from lamina.nn.dropout import dropout

SIZES = {"shape": (5,), "hidden": (4, 3), "classes": 3}


def batch(dtype=torch.float32):
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(6, 5, generator=generator, dtype=dtype)
    return {"x": x, "y": torch.randint(0, 3, (6,), generator=generator)}


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gradients_are_the_differences_of_the_loss(activation, share):
    model = lamina.models.mlp(Config(activation=activation, dropout=share, **SIZES)).double()
    given, step = batch(torch.float64), 1e-6

    def loss():
        return model.loss(given, generator=torch.Generator().manual_seed(1))

    loss().backward()
    for parameter in model.parameters():
        flat = parameter.detach().view(-1)
        for i in range(len(flat)):
            before = float(flat[i])
            flat[i] = before + step
            above = float(loss().detach())
            flat[i] = before - step
            below = float(loss().detach())
            flat[i] = before
            assert float(parameter.grad.view(-1)[i]) == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_the_layers_are_products_and_the_activation():
    model, given = lamina.models.mlp(Config(activation="sigmoid", **SIZES)), batch()
    h = given["x"]
    for layer in model.layers[:-1]:
        h = 1 / (1 + torch.exp(-(h @ layer.weight.T + layer.bias)))
    wanted = h @ model.layers[-1].weight.T + model.layers[-1].bias
    assert torch.allclose(model(given["x"]), wanted, atol=1e-6)
    assert torch.allclose(model.loss(given), F.cross_entropy(wanted, given["y"]))


def test_dropout_keeps_the_mean_and_takes_its_share_by_its_generator_alone():
    x = torch.full((400, 500), 3.0)
    torch.manual_seed(0)
    first = dropout(x, 0.3, training=True, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    second = dropout(x, 0.3, training=True, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first, second)
    # 200,000 tosses: five standard errors
    assert float((first == 0).float().mean()) == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / x.numel()) ** 0.5)
    assert float(first.mean()) == pytest.approx(3.0, abs=5 * 3 * (0.3 / 0.7 / x.numel()) ** 0.5)
    assert first[first > 0].unique().tolist() == pytest.approx([3 / 0.7])


def test_nothing_of_dropout_stays_outside_training():
    x = torch.rand(3, 4)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
    plain = lamina.models.mlp(Config(activation="tanh", **SIZES))
    model = lamina.models.mlp(Config(activation="tanh", dropout=0.5, input_dropout=0.2, **SIZES))
    given = batch()
    one, two = (model.loss(given, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    assert abs(one - two) > 1e-3
    assert torch.equal(model.eval()(given["x"]), plain(given["x"]))
    exported = torch.export.export(model.train(), (given["x"],)).module()
    assert torch.equal(exported(given["x"]), plain(given["x"])), "exported while it was learning"


def test_dropout_vanishes_from_an_export_that_says_training():
    class Always(torch.nn.Module):
        def forward(self, x):
            return dropout(2 * x, 0.5, training=True)

    x = torch.rand(3, 4)
    assert torch.equal(torch.export.export(Always(), (x,)).module()(x), 2 * x)


def test_bad_input_says_what_is_needed():
    model, given = lamina.models.mlp(Config(**SIZES)), batch()
    with pytest.raises(BadInput, match=r"inputs are \[6, 4\]: \[n, 5\] is needed"):
        model.loss({**given, "x": given["x"][:, :4]})
    with pytest.raises(BadInput, match=r"labels 3..3: the classes are 0..2"):
        model.loss({**given, "y": torch.full((6,), 3)})
    with pytest.raises(BadInput, match="5-0-3: every layer needs a unit"):
        lamina.models.mlp(Config(shape=(5,), hidden=(0,), classes=3))
    with pytest.raises(BadInput, match=r"a share of 1.0 cannot be dropped"):
        dropout(given["x"], 1.0, training=True)
