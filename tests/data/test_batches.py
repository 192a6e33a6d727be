"""Batches and orders: every example once, in an order that follows from the key alone."""

import pytest
import torch

import lamina
from lamina.core.errors import BadInput
from lamina.data._dataset import Split, from_pixels


def split_of(count):
    return Split(tensors={"x": torch.arange(count).float().reshape(count, 1, 1, 1), "y": torch.arange(count)})


@pytest.mark.parametrize(("count", "size"), [(10, 3), (10, 10), (10, 11), (1, 1), (12, 4)])
def test_an_epoch_has_every_example_once(count, size):
    split = split_of(count)
    order = split.order(3, 1)
    batches = list(split.batches(size, order=order))
    assert torch.cat([b["y"] for b in batches]).tolist() == order.tolist()
    assert torch.cat([b["x"] for b in batches]).flatten().tolist() == order.tolist()
    assert sorted(order.tolist()) == list(range(count))
    assert [len(b["y"]) for b in batches] == [size] * (count // size) + [count % size] * (count % size > 0)
    assert torch.equal(torch.cat([b["y"] for b in split.batches(size)]), split.labels)


def test_part_of_an_order_gives_part_of_the_epoch():
    split = split_of(10)
    order = split.order(0, 0)
    assert [b["y"].tolist() for b in split.batches(3, order=order[6:])] == [order[6:9].tolist(), order[9:].tolist()]
    assert list(split.batches(3, order=order[10:])) == []


def test_an_order_follows_from_its_key():
    split = split_of(1000)
    torch.manual_seed(1)
    first = split.order(5, 2)
    torch.manual_seed(2)
    assert torch.equal(split.order(5, 2), first)
    for other in (split.order(5, 3), split.order(6, 2)):
        # of a random permutation about one place in 1,000 stays
        assert (other == first).sum() < 20


def test_limited_keeps_the_splits_apart():
    data = lamina.data.digits().limited(20)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [20, 20, 20]


def test_labels_that_no_class_has():
    pixels = torch.zeros(2, 3, 3, dtype=torch.uint8).numpy()
    labels = torch.tensor([0, 2]).numpy()
    with pytest.raises(BadInput, match=r"labels 0\.\.2, there are 2 classes"):
        from_pixels("x", ("a", "b"), "", (pixels,) * 3, (labels,) * 3)
