"""Headless Chromium: what a page looks like after its scripts have run, and what its console said."""

import re
import subprocess
import sys
from dataclasses import dataclass

from tests.requirements import need

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=20000 --enable-logging=stderr"
)


@dataclass(frozen=True, slots=True)
class Seen:
    html: str  # the document after the scripts
    console: tuple[str, ...]  # lines that the page's scripts or its policy wrote


def open_page(path, profile, *, width=1300, height=2000):
    """Open the file `path` with a fresh `profile` folder; skips the test (fails it in CI) without Chromium."""
    command = [need("chromium"), *_FLAGS.split(), f"--user-data-dir={profile}", f"--window-size={width},{height}"]
    done = subprocess.run([*command, "--dump-dom", f"file://{path}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stderr, file=sys.stderr)
    return Seen(done.stdout, tuple(re.findall(r"CONSOLE[^\"]*\"(.*)\", source", done.stderr)))
