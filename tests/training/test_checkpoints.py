"""Checkpoints cut short or altered at any byte: the one before is used, or the error is clear."""

import pytest
import torch
from torch import nn

from lamina.core import progress
from lamina.core.errors import BadInput
from lamina.training import checkpoints
from lamina.training.checkpoints import Checkpoint


@pytest.fixture(autouse=True)
def quiet():
    progress.set_verbosity(0)
    yield
    progress.set_verbosity(1)


def checkpoint(number):
    tensors = {"w": torch.tensor([1.5, -2.0]) * number, "n": torch.tensor(number)}
    return Checkpoint(state={"step": number, "loss": 0.1 * number}, tensors=tensors)


def same(a, b):
    return dict(a.state) == dict(b.state) and all(torch.equal(a.tensors[k], b.tensors[k]) for k in ("w", "n"))


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path):
    assert checkpoints.load(tmp_path / "none") is None
    for step in (5, 99_999_999, 100_000_001):  # more digits than the name has room for
        checkpoints.save(tmp_path, step, checkpoint(step))
    assert [int(p.name) for p in checkpoints.numbered(tmp_path)] == [99_999_999, 100_000_001]
    assert same(checkpoints.load(tmp_path), checkpoint(100_000_001))
    checkpoints.save(tmp_path, 100_000_001, checkpoint(3))
    assert same(checkpoints.load(tmp_path), checkpoint(3))


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("alter", ["flip", "cut"])
def test_altered_at_any_byte(tmp_path, file, alter):
    checkpoints.save(tmp_path, 1, checkpoint(1))
    checkpoints.save(tmp_path, 2, checkpoint(2))
    path = tmp_path / "00000002" / file
    whole = path.read_bytes()
    passed = 0
    for i in range(len(whole)):
        path.write_bytes(whole[:i] if alter == "cut" else whole[:i] + bytes([whole[i] ^ 0x15]) + whole[i + 1 :])
        found = checkpoints.load(tmp_path)
        # JSON without its last line feed says the same
        intact = alter == "cut" and file == "state.json" and i == len(whole) - 1
        assert same(found, checkpoint(2 if intact else 1)), i
        passed += not intact
    assert passed >= len(whole) - 1


def test_when_none_is_whole_the_error_says_so(tmp_path):
    checkpoints.save(tmp_path, 1, checkpoint(1))
    checkpoints.save(tmp_path, 2, checkpoint(2))
    (tmp_path / "00000002" / "state.safetensors").unlink()
    (tmp_path / "00000001" / "state.json").write_bytes(b"\xff{")
    with pytest.raises(BadInput, match=r"no checkpoint is whole .* delete the run folder"):
        checkpoints.load(tmp_path)


def test_a_damaged_one_is_replaced_when_its_step_comes_again(tmp_path):
    checkpoints.save(tmp_path, 1, checkpoint(1))
    checkpoints.save(tmp_path, 2, checkpoint(2))
    (tmp_path / "00000002" / "state.json").write_text("{}")
    assert same(checkpoints.load(tmp_path), checkpoint(1))
    checkpoints.save(tmp_path, 2, checkpoint(2))
    assert same(checkpoints.load(tmp_path), checkpoint(2))


def test_what_a_killed_process_began_is_removed(tmp_path):
    checkpoints.save(tmp_path, 1, checkpoint(1))
    part = tmp_path / ".00000002.part"
    part.mkdir()
    (part / "state.safetensors").write_bytes(b"half")
    assert same(checkpoints.load(tmp_path), checkpoint(1))
    assert not part.exists()


def test_tied_weights_and_other_memory_formats(tmp_path):
    layer = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    tensors = {"a": layer.weight, "b": layer.weight, "t": torch.arange(6.0).reshape(2, 3).T}
    checkpoints.save(tmp_path, 1, Checkpoint(state={}, tensors=tensors))
    found = checkpoints.load(tmp_path).tensors
    assert all(torch.equal(found[k], v) for k, v in tensors.items())


def test_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, 1, checkpoint(1))

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadInput, match="the disk is full"):
        checkpoints.save(tmp_path, 2, checkpoint(2))
    monkeypatch.undo()
    assert same(checkpoints.load(tmp_path), checkpoint(1))
