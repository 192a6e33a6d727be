"""A program for test_resume.py: runs the recipe in children that kill themselves (SIGKILL) at chosen moments.

    python -m tests.recipes.killed_run FOLDER

FOLDER/unbroken is one run. FOLDER/killed is another, of many children: each goes on where the one before it died.

A moment is [stage, "fsync", n, when] (the n-th of a child) or [stage, "marker", 0, when] (the rename that ends a
stage); printed are the moments and whether a child died at each.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

from lamina.recipes import _stages
from lamina.recipes.digits import Config, digits
from lamina.training import _loop

CONFIG = Config(limit=40, epochs=3, density=0.2, clusters=4, examples=3, machines="systolic:rows=8,columns=8,diannao")
REAL = {"fsync": os.fsync, "replace": os.replace}


class Moments:
    """Counts what a stage does to files, and dies at `kill`."""

    def __init__(self, kill=None):
        self.stage, self.seen, self.kill = "", {}, kill  # seen: fsyncs of each stage

    def say(self, text):
        if found := re.match(r"\d+/\d+ (\w+): ", text):
            self.stage = found[1]

    def fsync(self, handle):
        number = self.seen.get(self.stage, 0)
        self.seen[self.stage] = number + 1
        self.around(["fsync", number], REAL["fsync"], handle)

    def replace(self, source, target):
        marker = str(target).endswith(f"stages/{self.stage}.json")
        self.around(["marker", 0] if marker else ["replace", 0], REAL["replace"], source, target)

    def around(self, moment, call, *arguments):
        self.die_at([self.stage, *moment, "before"])
        call(*arguments)
        self.die_at([self.stage, *moment, "after"])

    def die_at(self, moment):
        if self.kill == moment:
            os.kill(os.getpid(), signal.SIGKILL)


def run(folder, moments):
    _loop.SAVE_AT_LEAST_S = -1.0  # a checkpoint an epoch, however short
    _stages.say = moments.say
    os.fsync, os.replace = moments.fsync, moments.replace
    digits(folder, CONFIG)


def in_child(folder, kill):
    """Whether the child was killed at `kill`; any other end but success is an error."""
    child = os.fork()
    if child == 0:
        try:
            run(folder, Moments(kill))
        except BaseException as error:
            print(f"{kill}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.WEXITSTATUS(status):
        sys.exit(f"the child that was to die at {kill} failed")
    return False


def moments(seen):
    """Kills in every stage, each reached by the child that goes on after the one before."""
    kills = []
    for stage, fsyncs in seen.items():
        if stage:
            kills.append([stage, "fsync", 0, "before"])  # written, not yet safe
            if fsyncs > 6:
                kills.append([stage, "fsync", fsyncs // 2, "after"])  # half way
            kills.append([stage, "marker", 0, "before"])  # all is done, and nothing says so
            kills.append([stage, "marker", 0, "after"])  # its folder is not yet synced
    return kills


def main():
    folder = Path(sys.argv[1])
    unbroken = Moments()
    run(folder / "unbroken", unbroken)  # it also loads, once, what every child needs
    kills = moments(unbroken.seen)
    died = [in_child(folder / "killed", kill) for kill in kills]
    run(folder / "killed", Moments())
    print(json.dumps({"kills": kills, "died": died}))


if __name__ == "__main__":
    main()
