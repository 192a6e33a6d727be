"""Exported C, compiled and called: many networks in one shared library, inputs and outputs as NumPy arrays.

The state handed to a network is filled with a pattern and followed by a guard, so that what is read before it
is written and what is written beyond the end shows.
"""

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

import lamina.export
from lamina.export.c_source import Report
from lamina.ir import Float, Network
from lamina.ir.network import Array
from lamina.ir.transform import integer_core
from tests.networks import random_inputs
from tests.requirements import need

STRICT = ("-Wall", "-Wextra", "-Werror", "-Wconversion")
_GUARD = 64  # bytes


class Library:
    """Networks compiled together by one call of a compiler."""

    def __init__(self, networks: Sequence[Network], folder: Path, *flags: str, compiler: str = "gcc") -> None:
        self.networks = [integer_core(n.replaced(name=f"{n.name}.{i}")) for i, n in enumerate(networks)]
        self.reports = [lamina.export.c(network, folder) for network in self.networks]
        library = folder / "library.so"
        sources = [str(next(f for f in r.files if f.name == f"{r.name}.c")) for r in self.reports]
        run(need(compiler), "-std=c99", "-shared", "-fPIC", *flags, "-o", str(library), *sources, "-lm")
        self.functions = ctypes.CDLL(str(library))

    def run(self, index: int, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return call(self.functions, self.networks[index], self.reports[index], inputs)

    def check(self, *, seed: int = 0, times: int = 2, fixed: Mapping[str, Array] = MappingProxyType({})) -> None:
        """Every network on random inputs: integers equal the interpreter's, floats to 1e-5 of the largest value.

        `fixed` are inputs that cannot be any number, such as indices.
        """
        rng = np.random.default_rng(seed)
        for index, network in enumerate(self.networks):
            for _ in range(times):
                inputs = random_inputs(network, rng) | fixed
                compare(self.run(index, inputs), network.run(inputs), network)


def call(functions: ctypes.CDLL, network: Network, report: Report, inputs: Mapping[str, Array]) -> dict[str, Array]:
    types = network.types
    results = {n: np.empty(types[v].shape, types[v].element.storage) for n, v in network.outputs.items()}
    state = np.full(report.arena_bytes + _GUARD, 0xA5, np.uint8)
    arrays = [np.ascontiguousarray(inputs[n]) for n in network.inputs] + list(results.values())
    failed = functions[f"{report.name}_run"](*(ctypes.c_void_p(a.ctypes.data) for a in (state, *arrays)))
    assert failed == 0
    assert (state[report.arena_bytes :] == 0xA5).all(), f"{network.name} writes beyond its state"
    return results


def compare(found: Mapping[str, Array], wanted: Mapping[str, Array], network: Network) -> None:
    types = network.types
    for name, want in wanted.items():
        assert found[name].shape == want.shape
        if isinstance(types[network.outputs[name]].element, Float):
            close(found[name], want, f"{network}\n{name}")
        else:
            differ = int((found[name] != want).sum())
            assert differ == 0, f"{network}\n{differ} of {want.size} integers of {name} differ"


def close(found: Array, want: Array, what: str) -> None:
    """To 1e-5 of the largest value that is finite; infinities and NaN stand where they are wanted."""
    assert (np.isnan(found) == np.isnan(want)).all(), f"{what}: NaN elsewhere"
    finite = np.isfinite(want)
    odd = ~finite & ~np.isnan(want)
    assert (found[odd] == want[odd]).all(), f"{what}: infinities elsewhere"
    if finite.any():
        largest = float(np.abs(want[finite]).max())
        off = float(np.abs(found[finite] - want[finite]).max())
        assert off <= 1e-5 * max(largest, 1e-30), f"{what}: off by {off}, the largest value is {largest}"


def run(*command: str, cwd: Path | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)[:500]}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
