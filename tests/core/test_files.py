"""Files are whole or absent, and what the system refuses is one line with a remedy."""

import errno
import json
import os
import subprocess
import sys

import pytest

from lamina.core import files
from lamina.core.errors import BadInput


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    """ENOSPC at each step: the old bytes stay, nothing else is left, the message says what to do."""
    path = tmp_path / "a.bin"
    files.write(path, b"old")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr(files.os, "fdopen", lambda *a, **k: _Full())
        else:
            patch.setattr(files.os, call, full)
        with pytest.raises(BadInput, match=r"a\.bin: the disk is full: free some space"):
            files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


class _Full:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_disk_is_really_full(tmp_path):
    """A file system of 64 KiB: the kernel itself says no, and the old file stays (needs the right to mount)."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        files.write(mounted / "a.bin", b"x" * 1000)
        with pytest.raises(BadInput, match="the disk is full"):
            files.write(mounted / "a.bin", b"y" * 200_000)
        assert (mounted / "a.bin").read_bytes() == b"x" * 1000
        assert [p.name for p in mounted.iterdir()] == ["a.bin"]
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.parametrize("moment", ["before fsync", "before rename", "after rename"])
def test_killed_while_writing(tmp_path, moment):
    """SIGKILL at three moments: the file is the old one or the new one, never half."""
    path = tmp_path / "a.bin"
    files.write(path, b"old" * 1000)
    code = f"""
import os, signal, sys
from pathlib import Path
from lamina.core import files
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
moment = {moment!r}
if moment == "before fsync": os.fsync = die
if moment == "before rename": os.replace = die
if moment == "after rename": files.sync_folder = die
files.write(Path(sys.argv[1]), b"new" * 1000)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    assert path.read_bytes() == (b"new" if moment == "after rename" else b"old") * 1000


def test_reading(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        files.read(tmp_path / "absent")
    files.write(tmp_path / "a", b"12345")
    with pytest.raises(BadInput, match="5 bytes, and at most 4 are read"):
        files.read(tmp_path / "a", limit=4)
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(BadInput, match="not valid JSON"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(BadInput, match="not valid JSON"):
        files.read_json(tmp_path / "deep.json")


def test_json_refuses_what_json_has_not(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    files.write_json(tmp_path / "a.json", {"a": 1e-9, "b": "µ"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1e-9, "b": "µ"}


def test_checksum_of_a_file_equals_that_of_its_bytes(tmp_path):
    data = os.urandom(3_000_000)
    files.write(tmp_path / "a", data)
    assert files.sha256(tmp_path / "a") == files.sha256(data)
