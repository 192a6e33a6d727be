"""The host test that exported C carries, built and run here.

    NAME_test.c, NAME.c ──cc──▶ a program in a temporary folder, run beside the sources

Errors     `CheckFailed` with the last line of the compiler or of the test
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from lamina.core.errors import CheckFailed, one_line

COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=c99", "-O1", "-ffp-contract=off")
MOST_SECONDS = 300


def compiler() -> str | None:
    """The path of a C compiler; None where there is none."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


def host_test(folder: Path, name: str) -> str | None:
    """What the test of network `name` in `folder` says when it holds; None without a compiler."""
    found = compiler()
    if found is None:
        return None
    with tempfile.TemporaryDirectory(prefix="lamina-") as temporary:
        program = f"{temporary}/host_test"
        _do([found, *FLAGS, "-o", program, f"{name}_test.c", f"{name}.c", "-lm"], folder)
        return one_line(_do([program], folder))


def _do(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, cwd=folder, timeout=MOST_SECONDS, text=True, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CheckFailed(f"{Path(command[0]).name} did not run in {folder}: {one_line(e)}") from e
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip().splitlines() or ["no message"]
        raise CheckFailed(f"{Path(command[0]).name} in {folder} ended with {done.returncode}: {one_line(said[-1])}")
    return done.stdout
