"""Cambricon's code density: instructions of ten networks by our compiler against scalar code of the same networks.

    density = static instructions of scalar code / static instructions of Cambricon's        geometric mean of the ten

Scalar code is Lamina's exported C through gcc -O2, measured where the compilers run and kept as dated data
(`tools/cambricon_density.py` makes it anew); Cambricon's programs are compiled when this is called. Every instruction
counts on both sides, so the SMOVEs that bring sizes and addresses into registers do, which the paper's printed
programs leave to a comment. There is no GPU among our compilers: the third published ratio, 6.41, has no counterpart.
"""

import importlib
import json
import pkgutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from lamina.emulation.cambricon import networks
from lamina.emulation.cambricon.compiler import compile_network
from lamina.emulation.cambricon.program import Program
from lamina.hw import registry
from lamina.recipes._reproduction import Reproduction, geometric_mean

MACHINE = "cambricon_like"
DATA = Path(__file__).with_suffix(".json")
PUBLISHED = {"mips32": ("MIPS", 13.38), "x86_64": ("x86", 9.86)}
SOURCE = (
    "a public review of the five papers of the group, 'from DianNao to Cambricon', and public notes on the paper "
    "(ustc-pldpa/2018s-final-projects); neither tells the compilers' options"
)


@lru_cache(maxsize=1)
def programs() -> dict[str, Program]:
    """Network -> its program."""
    machine = registry.find(MACHINE).parameters
    names = [m.name for m in pkgutil.iter_modules(networks.__path__) if not m.name.startswith("_")]
    made = {name: importlib.import_module(f"{networks.__name__}.{name}").network() for name in names}
    return {name: compile_network(network, machine).program for name, network in made.items()}


def lengths(*, without: str = "") -> dict[str, int]:
    """Network -> instructions of its program, those named `without` left out."""
    return {name: sum(word.name != without for word in program) for name, program in programs().items()}


def scalar(target: str, level: str = "-O2") -> dict[str, int]:
    """Network -> instructions of scalar code for `target` (x86_64, riscv64, mips32) at `level` (-O2, -Os)."""
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return {
        row["network"]: row["instructions"] for row in data["rows"] if (row["target"], row["level"]) == (target, level)
    }


def densities(target: str, level: str = "-O2", *, without: str = "") -> dict[str, float]:
    """Network -> scalar instructions for each of Cambricon's."""
    own = lengths(without=without)
    return {name: count / own[name] for name, count in scalar(target, level).items()}


def figures() -> list[Reproduction]:
    """The two published ratios that our compilers have a counterpart of."""
    return [
        Reproduction(
            row="H10",
            machine=MACHINE,
            name=f"density_{target}",
            title=f"code length against {title}, mean of ten networks",
            unit="1",
            published=published,
            ours=_mean(target),
            mark="published",
            source=SOURCE,
            reason=(
                "a third of our programs are SMOVEs of sizes and addresses, which the paper's printed programs take "
                f"for given: without them it is {_mean(target, without='SMOVE'):.1f}"
            ),
        )
        for target, (title, published) in PUBLISHED.items()
    ]


def _mean(target: str, *, without: str = "") -> float:
    return geometric_mean(list(densities(target, without=without).values()))
