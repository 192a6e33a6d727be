"""This computer's roofline, measured with NumPy in a few seconds and kept in the cache as cpu.json.

    peak        best of several float32 products of 1024 x 1024 matrices: 2 n^3 operations each
    bandwidth   best of several searches of an array much larger than any cache, and of one that fits the last cache
    call        the median of a NumPy addition of 16 numbers: what an interpreter pays per operation

`cpu` is one thread, because a network at batch 1 runs on one; `cpu_all_cores` is all of them at once, each with a part
of the arrays, kept as cpu_all_cores.json. NumPy's BLAS decides the peak; it is the float32 peak of this Python, not the
data sheet's.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
    threads: int = 1

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    def __str__(self) -> str:
        p = self.parameters
        return (
            f"{self.processor}, {said(self.threads)}: {si(p['peak_ops_per_s'], 'FLOP/s')} float32, "
            f"{si(p['dram_bytes_per_s'], 'B/s')} from DRAM, {si(p['cache_bytes_per_s'], 'B/s')} from a last cache of "
            f"{p['cache_bytes'] / MiB:.0f} MiB, {si(p['call_s'], 's')} a call"
        )


def said(threads: int) -> str:
    """ "one thread", "8 threads"."""
    return "one thread" if threads == 1 else f"{threads} threads"


def path(threads: int = 1) -> Path:
    """Where the measurement is kept."""
    return files.cache_folder() / ("cpu.json" if threads == 1 else "cpu_all_cores.json")


def all_threads() -> int:
    """Threads that this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measured(threads: int = 1) -> Measured:
    """The kept measurement of this processor; made now, saying so, where there is none."""
    place = path(threads)
    if not place.exists():
        return measure(threads)
    value = _kept(place)
    parameters = value.get("parameters")
    usable = isinstance(parameters, dict) and all(_number(parameters.get(f)) for f in _FIELDS)
    if not isinstance(parameters, dict) or not usable or value.get("schema") != SCHEMA:
        remedy = "lamina machine measure" if threads == 1 else "delete it, it is measured again"
        raise BadInput(f"{place}: not a measurement of schema {SCHEMA}, the file is damaged: {remedy}")
    if value.get("processor") != processor() or value.get("threads", 1) != threads:
        say(f"the kept measurement is of another processor ({value.get('processor')}): measuring this one")
        return measure(threads)
    kept = {f: float(parameters[f]) for f in _FIELDS}
    return Measured(processor=str(value["processor"]), date=str(value["date"]), parameters=kept, threads=threads)


def _kept(place: Path) -> dict[str, Any]:
    """What the file holds; nothing usable where it is damaged."""
    try:
        read = json.loads(files.read(place, limit=MiB))
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def measure(threads: int = 1) -> Measured:
    """Measure now (about three seconds) and keep it."""
    say(f"measuring this computer's roofline, {said(threads)} (a few seconds)")
    cache = last_cache_bytes()
    found = Measured(
        processor=processor(),
        date=date.today().isoformat(),
        threads=threads,
        parameters={
            "peak_ops_per_s": _peak(threads),
            "dram_bytes_per_s": _bandwidth(max(DRAM_ARRAY_BYTES, int(4 * cache)), threads),
            "cache_bytes_per_s": _bandwidth(int(cache / 4), threads),
            "cache_bytes": cache,
            "call_s": _call(),
        },
    )
    files.write_json(path(threads), found.to_json())
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


def _peak(threads: int) -> float:
    from threadpoolctl import threadpool_limits

    a = np.ones((SIDE, SIDE), np.float32)
    out = np.empty_like(a)
    with threadpool_limits(limits=threads):
        return 2 * SIDE**3 / _best(lambda: np.matmul(a, a, out=out))


def _bandwidth(size_bytes: int, threads: int) -> float:
    parts = np.array_split(np.ones(max(size_bytes // 8, 1024)), threads)
    size = sum(part.nbytes for part in parts)
    loops = max(1, int(32 * MiB / size))  # short arrays several times, so that the clock's grain does not matter

    def read(part: np.ndarray) -> None:
        for _ in range(loops):
            part.max()

    if threads == 1:
        return loops * size / _best(lambda: read(parts[0]))
    with ThreadPoolExecutor(threads) as pool:
        return loops * size / _best(lambda: list(pool.map(read, parts)))


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
