"""The environments that `make` needs, made in one step and remade only when what they are made from changes.

    python3 tools/environment.py main       .venv: the packages of requirements.lock, then Lamina itself, editable
    python3 tools/environment.py scalesim   .venv-scalesim: SCALE-Sim 3.0.0 with a NumPy that it still runs on
    python3 tools/environment.py zigzag     .venv-zigzag: ZigZag, which the tests hand our workloads to
    python3 tools/environment.py bench      .venv-bench: Lightning, Keras 3 and the runtimes that the benchmarks race
    python3 tools/environment.py tensorflow .venv-tensorflow: what writes LiteRT's files for the benchmarks
    python3 tools/environment.py lock       write requirements.lock anew from pyproject.toml

A finished environment carries a stamp: the hash of what it was made from. The stamp is removed first and written
last, so that one interrupted half-way is made again. A change of pyproject.toml alone installs Lamina again and keeps
the packages. Runs before there is an environment: it uses the standard library only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
EXTRAS = ("onnx", "dev")
# Ranges in the lock: torch has one build a platform (its local version, "+cpu", is not on every index).
RANGES = ("torch",)
SCALESIM = ("scalesim==3.0.0", "numpy==2.2.*")
BENCH = (
    "torch==2.13.*",
    "lightning==2.6.*",
    "keras==3.15.*",
    "onnxruntime==1.32.*",
    "openvino==2026.4.*",
    "ai-edge-litert==2.3.*",
    "scipy==1.17.*",
    "scikit-learn==1.*",
    "reservoirpy==0.4.*",
    "albumentations==2.*",
)
ZIGZAG = ("zigzag-dse==3.9.*", "six")  # which it forgets to ask for
TENSORFLOW = ("tensorflow-cpu==2.21.*",)
HEADER = """\
# Written by `make lock` from pyproject.toml (dependencies and the extras onnx and dev); not edited by hand.
# torch stays a range: each platform has a build of its own.
"""


def main(arguments: Sequence[str]) -> int:
    tasks = {
        "main": make_main,
        "scalesim": lambda: make(ROOT / ".venv-scalesim", of=" ".join(SCALESIM).encode(), packages=SCALESIM),
        "zigzag": lambda: make(ROOT / ".venv-zigzag", of=" ".join(ZIGZAG).encode(), packages=ZIGZAG),
        "bench": lambda: make(ROOT / ".venv-bench", of=" ".join(BENCH).encode(), packages=BENCH),
        "tensorflow": lambda: make(ROOT / ".venv-tensorflow", of=" ".join(TENSORFLOW).encode(), packages=TENSORFLOW),
        "lock": write_lock,
    }
    if len(arguments) != 1 or arguments[0] not in tasks:
        print(f"usage: environment.py {'|'.join(tasks)}", file=sys.stderr)
        return 2
    with (ROOT / "Makefile").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two `make` at once: the second waits and finds the work done
        try:
            tasks[arguments[0]]()
        except subprocess.CalledProcessError as e:
            print(f"failed: {' '.join(map(str, e.cmd))}", file=sys.stderr)
            return e.returncode
    return 0


def make_main() -> None:
    """.venv, ready to run and test Lamina."""
    folder = ROOT / ".venv"
    fresh = make(folder, of=LOCK.read_bytes(), packages=("-r", str(LOCK)))
    stamp, made_from = folder / ".lamina", digest(LOCK.read_bytes() + PROJECT.read_bytes())
    if not fresh and read(stamp) == made_from:
        return
    stamp.unlink(missing_ok=True)
    pip(folder, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    check = [folder / "bin" / "python", "-m", "pip", "check"]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    if found.returncode:
        print(f"requirements.lock does not satisfy pyproject.toml: run `make lock`\n{found.stdout}", file=sys.stderr)
        raise subprocess.CalledProcessError(found.returncode, check)
    stamp.write_text(made_from)


def make(folder: Path, *, of: bytes, packages: Sequence[str]) -> bool:
    """Make the environment `folder` with `packages` unless its stamp says that it was made from `of`; True if made."""
    stamp, made_from = folder / ".packages", digest(of + sys.version.encode())
    if read(stamp) == made_from:
        return False
    say(f"making {folder.name} (once; about a minute)")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip(folder, "install", *packages)
    stamp.write_text(made_from)
    say(f"made {folder.name} in {time.monotonic() - began:.0f} s")
    return True


def write_lock() -> None:
    """Resolve pyproject.toml in a new environment and freeze what came out."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    wanted = [*project["dependencies"], *(r for e in EXTRAS for r in project["optional-dependencies"][e])]
    ranges = [r for r in wanted if name(r) in RANGES]
    wanted.append("setuptools>=77")  # builds Lamina itself
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip(Path(folder), "install", "--upgrade", *wanted)
        freeze = [f"{folder}/bin/python", "-m", "pip", "freeze", "--all", "--exclude", "pip"]
        frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.split("\n")
    lines = [line for line in frozen if line and name(line) not in RANGES]
    LOCK.write_text(HEADER + "".join(f"{line}\n" for line in sorted([*lines, *ranges], key=str.lower)))
    say(f"wrote {LOCK.name}: {len(lines) + len(ranges)} packages")


def name(requirement: str) -> str:
    """The package named by a requirement such as `torch==2.13.*`.

    >>> name("torch==2.13.*"), name("onnx >=1.18")
    ('torch', 'onnx')
    """
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return requirement[:end].lower()


def pip(folder: Path, *arguments: str) -> None:
    """Run pip of the environment `folder`; only errors are printed."""
    quiet = ["-qq", "--no-input", "--disable-pip-version-check"]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", arguments[0], *quiet, *arguments[1:]], check=True, env=environment
    )


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
