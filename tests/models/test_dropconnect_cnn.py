"""DropConnect behind convolutions: what is learnt through one mask, and inference against the mean over many."""

import pytest
import torch
from torch.nn import functional as F

import lamina
from lamina.core.errors import BadInput
from lamina.models.dropconnect_cnn import SMALL, Config


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def built(**settings):
    return lamina.models.dropconnect_cnn(Config(maps=(4, 6), hidden=12, **settings), seed=3)


def plain(model, x):
    """The same net without DropConnect, as LeNets are written: ReLU, then the maximum."""
    h = F.max_pool2d(torch.relu(model.conv1(x)), 2)
    v = F.max_pool2d(torch.relu(model.conv2(h)), 2).flatten(1)
    return model.output(torch.relu(model.hidden(v)))


def test_nothing_cut_is_the_plain_net():
    model, x = built(share=0.0), torch.rand(5, 1, 28, 28, generator=seeded())
    assert torch.allclose(model.train().logits(x, seeded()), plain(model, x), atol=1e-6)
    assert torch.allclose(model.eval()(x), plain(model, x), atol=1e-5)


def test_inference_is_the_mean_over_masks():
    model, x = built(), torch.rand(1, 1, 28, 28, generator=seeded())
    model.config = Config(maps=(4, 6), hidden=12, masks="example")
    drawn = torch.cat([model.train().logits(x.expand(500, -1, -1, -1), seeded(i)) for i in range(40)]).detach()
    exact = model.eval()(x)[0]
    assert torch.allclose(drawn.mean(0), exact, atol=5 * float(drawn.std(0).max()) / 20_000**0.5 + 2e-3)
    assert not torch.allclose(plain(model, x)[0], exact, atol=5e-3)


def test_a_batch_shares_a_mask_or_each_example_has_its_own():
    x = torch.rand(1, 1, 28, 28, generator=seeded()).expand(6, -1, -1, -1)
    shared, own = (built(masks=masks).train().logits(x, seeded(1)) for masks in ("batch", "example"))
    assert torch.allclose(shared, shared[:1].expand(6, -1), atol=1e-6)
    assert len(own.unique(dim=0)) == 6


def test_what_does_not_fit_is_refused():
    with pytest.raises(BadInput, match=r"maps \(4, 0\).*at least 1 of each"):
        lamina.models.dropconnect_cnn(Config(maps=(4, 0)))
    with pytest.raises(BadInput, match=r"inputs are \[2, 1, 14, 14\]"):
        lamina.models.dropconnect_cnn(SMALL)(torch.zeros(2, 1, 14, 14))
