"""Captioned scenes, stamps and the Brown corpus: disjoint splits, captions that are true, files that are read."""

import functools
import importlib
import io
import tarfile

import numpy as np
import pytest
import torch

import lamina.data
from lamina.core.errors import BadInput
from lamina.data import _deb, _fetch, _overlap

scenes = importlib.import_module("lamina.data.composed_scenes")
stamps = importlib.import_module("lamina.data.stamps")
brown = importlib.import_module("lamina.data.brown")


@functools.cache
def whole(name):
    if not _fetch.folder_of(name).exists():
        pytest.skip(f"{name} is not here: lamina data fetch {name}")
    return getattr(lamina.data, name)()


@functools.cache
def composed():
    return lamina.data.composed_scenes()


def splits(data):
    return data.train, data.validation, data.test


def test_scenes_share_neither_captions_nor_pictures():
    data = composed()
    assert len(set(data.classes)) == 800
    used = [set(split.labels.tolist()) for split in splits(data)]
    assert [len(captions) for captions in used] == [640, 80, 80]
    assert len(set.union(*used)) == 800
    for split, count in zip(splits(data), (6400, 800, 1600), strict=True):
        assert split.inputs.shape == (count, 1, 32, 32)
        assert set(np.bincount(split.labels.numpy(), minlength=800)) == {0, count // len(set(split.labels.tolist()))}
        assert len(set(_overlap.fingerprints(split))) == count
    assert set(" ".join(data.classes).split()) == set(scenes.CAPTION_WORDS)


def test_a_caption_is_true_of_its_scene():
    data = composed()
    for x, y in list(zip(data.test.inputs, data.test.labels.tolist(), strict=True))[::7]:
        caption = data.classes[y].split()
        cells = x[0].unflatten(0, (2, 16)).unflatten(2, (2, 16)).amax((1, 3))  # the brightest pixel of each cell
        lit = [tuple(place) for place in (cells > 0).nonzero().tolist()]
        assert len(lit) == 2
        (first, second) = lit  # row by row: the left or the upper one first
        assert ((first[0] == second[0]), (first[1] == second[1])) == ("left" in caption, "above" in caption)
        shades = [word for word in caption if word in scenes.SHADES]
        for cell, shade in zip(lit, shades, strict=True):
            assert (float(cells[cell]) > 0.41) == (shade == "bright")


def test_scenes_are_the_same_each_time():
    assert lamina.data.composed_scenes().checksum == composed().checksum


def archive(files):
    """A Debian package that holds `files`."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    found = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0"), ("data.tar.xz", tar.getvalue())):
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return found


def png(size, colour):
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.new("RGBA", size, colour).save(out, "PNG")
    return out.getvalue()


def test_a_package_is_read_in_place():
    made = archive({"usr/a.txt": b"one", "usr/deep/b": b"", "etc/c": b"three"})
    assert list(_deb.members(made, "usr/")) == [("usr/a.txt", b"one"), ("usr/deep/b", b"")]
    for broken in (b"", b"!<arch>\n", made[:90]):
        with pytest.raises(BadInput, match="no Debian package"):
            list(_deb.members(broken, "usr/"))


def test_pictures_are_fitted_on_white():
    found = stamps.picture(png((64, 32), (255, 0, 0, 255)), "a.png")
    assert found.shape == (3, 32, 32)
    assert found[:, 16, 16].tolist() == [255, 0, 0]
    assert found[:, 0, 0].tolist() == [255, 255, 255]
    assert stamps.picture(png((3, 3), (0, 0, 0, 0)), "b.png").min() == 255
    with pytest.raises(BadInput, match=r"c\.png: not a PNG"):
        stamps.picture(b"GIF89a", "c.png")


def test_stamps_are_put_together_from_a_package(monkeypatch):
    files = {}
    for number in range(30):
        files[f"{stamps.FOLDER}x/{number}.png"] = png((8, 8), (8 * number, 0, 0, 255))
        files[f"{stamps.FOLDER}x/{number}.txt"] = f"{_red(number)}\nde.utf8=Ding".encode()
    files[f"{stamps.FOLDER}alone.png"] = png((8, 8), "red")  # a picture without a caption
    files[f"{stamps.FOLDER}alone.txt"] = b"A"
    files[f"{stamps.FOLDER}caption.txt"] = b"A caption without a picture."
    made = archive(files)
    monkeypatch.setattr(stamps, "read", lambda origin: {stamps.ARCHIVE: made})
    data = stamps.stamps()
    assert [len(split) for split in splits(data)] == [26, 2, 2]
    assert data.classes[:2] == ("A Red thing 0.", "A Red thing 1.")
    used = [{data.classes[y].lower() for y in split.labels.tolist()} for split in splits(data)]
    assert sum(map(len, used)) == len(set.union(*used)) == 15  # the same words in capitals are no other caption
    for split in splits(data):
        for x, y in zip(split.inputs, split.labels, strict=True):
            number = round(float(x[0, 0, 0]) * 255) // 8
            assert data.classes[y] == _red(number)


def _red(number):
    return f"A {'Rr'[number % 2]}ed thing {number // 2}."


@pytest.mark.slow
def test_the_stamps_are_those_of_the_package():
    data = whole("stamps")
    used = [set(split.labels.tolist()) for split in splits(data)]
    assert sum(map(len, used)) == len(set.union(*used)) == len(data.classes)
    assert sum(map(len, splits(data))) > 400
    assert "A koala." not in data.classes  # two words


def test_the_corpus_is_brown_s():
    data = whole("brown")
    assert data.classes[4] == "the"
    assert len(data.classes) == 8004
    assert [len(split) > 3000 for split in splits(data)] == [True, True, True]
    for split in splits(data):
        x = split.inputs
        assert bool((x[:, 0] == 1).all())
        assert bool(((x == 2).sum(1) == 1).all())
        lengths = (x > 2).sum(1)
        assert 4 <= int(lengths.min()) <= int(lengths.max()) <= 30
        assert torch.equal((x == 0).sum(1), 30 - lengths)
        assert float((x == 3).sum() / lengths.sum()) < 0.15


def test_a_corpus_that_is_not_whole_is_refused(monkeypatch):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("package/ca01")
        info.size = 6
        tar.addfile(info, io.BytesIO(b"The/at"))
    monkeypatch.setattr(brown, "read", lambda origin: {brown.ARCHIVE: out.getvalue()})
    with pytest.raises(BadInput, match="has 500 texts"):
        brown.brown()
    assert brown._words("The/at 1/2/cd ./.") == ["the", "1/2", "."]
