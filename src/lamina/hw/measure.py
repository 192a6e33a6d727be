"""This computer's roofline, measured with NumPy in a few seconds and kept in the cache as cpu.json.

    peak        best of several float32 products of 1024 x 1024 matrices: 2 n^3 operations each, one thread
    bandwidth   best of several sums over an array much larger than any cache, and over one that fits the last cache
    call        the median of a NumPy addition of 16 numbers: what an interpreter pays per operation

One thread, because a network at batch 1 runs on one. NumPy's BLAS decides the peak; it is the float32 peak of this
Python, not the data sheet's.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.units import MiB, si

SCHEMA = 1
SIDE = 1024  # of the matrices
DRAM_ARRAY_BYTES = 256 * MiB
REPEATS = 7
_FIELDS = ("peak_ops_per_s", "dram_bytes_per_s", "cache_bytes_per_s", "cache_bytes", "call_s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    processor: str
    date: str
    parameters: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    def __str__(self) -> str:
        p = self.parameters
        return (
            f"{self.processor}, one thread: {si(p['peak_ops_per_s'], 'FLOP/s')} float32, "
            f"{si(p['dram_bytes_per_s'], 'B/s')} from DRAM, {si(p['cache_bytes_per_s'], 'B/s')} from a last cache of "
            f"{p['cache_bytes'] / MiB:.0f} MiB, {si(p['call_s'], 's')} a call"
        )


def path() -> Path:
    """Where the measurement is kept."""
    return files.cache_folder() / "cpu.json"


def measured() -> Measured:
    """The kept measurement of this processor; made now, saying so, where there is none."""
    if not path().exists():
        return measure()
    value = _kept()
    parameters = value.get("parameters")
    usable = isinstance(parameters, dict) and all(_number(parameters.get(f)) for f in _FIELDS)
    if not isinstance(parameters, dict) or not usable or value.get("schema") != SCHEMA:
        raise BadInput(f"{path()}: not a measurement of schema {SCHEMA}, the file is damaged: lamina machine measure")
    if value.get("processor") != processor():
        say(f"the kept measurement is of another processor ({value.get('processor')}): measuring this one")
        return measure()
    kept = {f: float(parameters[f]) for f in _FIELDS}
    return Measured(processor=str(value["processor"]), date=str(value["date"]), parameters=kept)


def _kept() -> dict[str, Any]:
    """What the file holds; nothing usable where it is damaged."""
    try:
        read = json.loads(files.read(path(), limit=MiB))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def measure() -> Measured:
    """Measure now (about three seconds) and keep it."""
    say("measuring this computer's roofline (a few seconds)")
    cache = last_cache_bytes()
    found = Measured(
        processor=processor(),
        date=date.today().isoformat(),
        parameters={
            "peak_ops_per_s": _one_thread(_peak),
            "dram_bytes_per_s": _bandwidth(max(DRAM_ARRAY_BYTES, int(4 * cache))),
            "cache_bytes_per_s": _bandwidth(int(cache / 4)),
            "cache_bytes": cache,
            "call_s": _call(),
        },
    )
    files.write_json(path(), found.to_json())
    return found


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists() and (name := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        return name[1].strip()
    return "unknown processor"


def last_cache_bytes() -> float:
    """Size of the last-level cache; 8 MiB where the system does not tell."""
    sizes = []
    for entry in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        if match := re.fullmatch(r"(\d+)([KM])", entry.read_text().strip()):
            sizes.append(int(match[1]) * (1024 if match[2] == "K" else MiB))
    return float(max(sizes, default=8 * MiB))


def _one_thread(function: Callable[[], float]) -> float:
    """Run `function` with BLAS on one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return function()


def _peak() -> float:
    a = np.ones((SIDE, SIDE), np.float32)
    out = np.empty_like(a)
    return 2 * SIDE**3 / _best(lambda: np.matmul(a, a, out=out))


def _bandwidth(size_bytes: int) -> float:
    array = np.ones(max(size_bytes // 8, 1024))
    loops = max(
        1, int(32 * MiB / array.nbytes)
    )  # short arrays several times, so that the clock's grain does not matter

    def read() -> None:
        for _ in range(loops):
            array.max()

    return loops * array.nbytes / _best(read)


def _call() -> float:
    a = np.ones(16, np.float32)
    out = np.empty_like(a)
    times = []
    for _ in range(2001):
        start = time.perf_counter()
        np.add(a, a, out=out)
        times.append(time.perf_counter() - start)
    return median(times)


def _best(function: Callable[[], object]) -> float:
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
