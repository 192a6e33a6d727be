"""Run `fit` in processes that are killed: one interpreter, a fork for each attempt.

    python -m tests.training.killing FOLDER    prints one JSON object: what each kill left, beside the unbroken run

A kill is a real SIGKILL that the process sends to itself at its n-th event. Events are what a disk sees (the half of a
write, before and after fsync, before and after a rename, each file removed) and the moment behind an update.
"""

import builtins
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

KILLS = 20


class Events:
    """Counts events; kills at number `at`."""

    def __init__(self, at: int | None = None, *, number: int = signal.SIGKILL) -> None:
        self.at, self.signal, self.names = at, number, []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.at:
            os.kill(os.getpid(), self.signal)

    def around(self, name: str, function: Callable) -> Callable:
        def called(*arguments, **keywords):
            self(f"before {name}")
            found = function(*arguments, **keywords)
            self(f"after {name}")
            return found

        return called

    def install(self) -> None:
        os.fsync, os.replace = self.around("fsync", os.fsync), self.around("rename", os.replace)
        os.unlink, os.rmdir = self.around("unlink", os.unlink), self.around("rmdir", os.rmdir)
        opened, events = os.fdopen, self

        class Halves(io.FileIO):
            def write(self, data) -> int:
                done = super().write(data[: len(data) // 2])
                events("half a write")
                return done + super().write(data[done:])

        os.fdopen = lambda handle, mode: Halves(handle, mode) if mode == "wb" else opened(handle, mode)
        path_open = io.open

        def append_in_halves(path, mode="r", *rest, **keywords):
            if mode != "ab":
                return path_open(path, mode, *rest, **keywords)
            return Halves(path, "ab")

        io.open = builtins.open = append_in_halves


def attempt(work: Callable[[Events], None], events: Events, *, install: bool = True) -> tuple[int, list[str]]:
    """`work` in a fork; its status as waitpid gives it, and the events it saw if it lived."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            if install:
                events.install()
            work(events)
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os.write(writer, json.dumps([name for name in events.names if len(events.names) < 2000]).encode())
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    return os.waitpid(child, 0)[1], json.loads(text) if text else []


def main(folder: Path) -> dict:
    import torch

    from lamina import training
    from lamina.core.progress import set_verbosity
    from lamina.training import _loop
    from tests.training.tiny import Tiny, blobs, noisy

    torch.set_num_threads(1)
    set_verbosity(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
    _loop.SAVE_AT_LEAST_S = -1.0
    data = blobs()
    found: dict = {"cases": []}
    # what torch loads at the first step is loaded before the forks
    training.fit(Tiny(), data, config=training.FitConfig(steps=1), loss=noisy)

    def work_in(name: str, config: training.FitConfig, every: float) -> Callable[[Events], None]:
        def work(events: Events) -> None:
            _loop.SAVE_EVERY_S = every
            training.fit(
                Tiny(dropout=0.2),
                data,
                out=folder / name,
                config=config,
                loss=noisy,
                seed=7,
                after_update=lambda _: events("update"),
            )

        return work

    cases = {
        "adam": (training.FitConfig(epochs=6, batch_size=25, patience=1, learning_rate=1.0, schedule="constant"), -1.0),
        "momentum": (training.FitConfig(epochs=3, batch_size=40, optimiser="momentum", learning_rate=0.1), -1.0),
    }
    for case, (config, every) in cases.items():
        status, names = attempt(work_in(case, config, every), Events())
        assert status == 0, status
        unbroken = left(folder / case)
        # every kind of event, then the rest spread over the run
        kinds = {name: 1 + len(names) // 2 + names[len(names) // 2 :].index(name) for name in dict.fromkeys(names[60:])}
        spread = [1 + round(i * (len(names) - 1) / (KILLS - 1)) for i in range(KILLS)]
        for at in sorted({*kinds.values(), *spread}):
            target = f"{case}-{at}"
            killed, _ = attempt(work_in(target, config, every), Events(at))
            again = max(2, at // 2)  # the resumed run is killed too, where it lives that long
            second, _ = attempt(work_in(target, config, every), Events(again))
            last, _ = attempt(work_in(target, config, every), Events(), install=False)
            found["cases"].append(
                {
                    "case": case,
                    "at": at,
                    "event": names[at - 1],
                    "killed_by": [os.WTERMSIG(s) if os.WIFSIGNALED(s) else 0 for s in (killed, second)],
                    "status": last,
                    "equal": left(folder / target) == unbroken,
                    "rows": left(folder / target)["rows"],
                }
            )
            shutil.rmtree(folder / target)
        found[case] = unbroken["rows"]

    config, every = cases["momentum"][0], 1e9
    _, names = attempt(work_in("counted", config, every), Events())
    updates = [i for i, name in enumerate(names, start=1) if name == "update"]
    status, _ = attempt(work_in("interrupted", config, every), Events(updates[3], number=signal.SIGINT))
    found["interrupted"] = {
        "code": os.waitstatus_to_exitcode(status),
        "checkpoints": sorted(p.name for p in (folder / "interrupted" / "checkpoint").iterdir()),
    }
    status, _ = attempt(work_in("interrupted", config, every), Events(), install=False)
    found["interrupted"] |= {"status": status, "equal": left(folder / "interrupted") == unbroken}
    return found


def left(folder: Path) -> dict:
    """What a run left that must not depend on kills."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]
    return {"rows": rows, "weights": (folder / "weights.safetensors").read_bytes().hex()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
