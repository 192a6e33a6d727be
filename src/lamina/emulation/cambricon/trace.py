"""A line for each instruction that a timed run commits; left out: what happens between stages.

    index  instruction          fetch  decode  issue  read  start  end  write  commit   effect
        0  SMOVE $0, #64            1       2      3     4      5    5      6       7   $0 = 64
        1  VLOAD $3, $0, #100       2       3      6     7      9   60     61      62   vector[0:64] <- memory[100:164]

`start` to `end` is the engine's time; an instruction of the memory queue has waited between `read` and `start`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core import files
from lamina.emulation import vector_matrix
from lamina.emulation.cambricon.assembler import instruction_text
from lamina.emulation.cambricon.compiler import compile_network
from lamina.emulation.cambricon.functional import Extent
from lamina.emulation.cambricon.program import Program
from lamina.emulation.cambricon.timed import STAGES, Flight, Run, run
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.integers import quantise
from lamina.ir.network import Array, Network
from lamina.ir.types import Fixed

HEAD = f"{'index':>6}  {'instruction':<34}" + "".join(f"{stage:>9}" for stage in STAGES) + "   effect"


def line(flight: Flight) -> str:
    """One instruction: cycle of each stage, registers written, memory touched."""
    cycles = "".join(f"{getattr(flight, stage):>9}" for stage in STAGES)
    return f"{flight.index:>6}  {instruction_text(flight.word):<34}{cycles}   {effect(flight)}".rstrip()


def effect(flight: Flight) -> str:
    """What it read and wrote."""
    sources = ", ".join(map(_region, flight.reads))
    if flight.writes is not None:
        return f"{_region(flight.writes)} <- {sources}" if sources else _region(flight.writes)
    if flight.register is not None:
        return f"${flight.register} = {flight.result}" + (f" <- {sources}" if sources else "")
    return ""


def _region(extent: Extent) -> str:
    return f"{extent.space}[{extent.start}:{extent.stop}]"


def run_traced(
    program: Program,
    memory: Any,
    path: Path,
    *,
    machine: VectorMatrix,
    key: int = 0,
    registers: Mapping[int, int] | None = None,
) -> Run:
    """`timed.run`, with a line for each committed instruction in the file `path` (`lamina emulate --trace`)."""
    lines = [HEAD]
    done = run(program, memory, machine=machine, key=key, registers=registers, trace=lambda f: lines.append(line(f)))
    lines.append(f"{done.cycles} cycles, {done.executed} instructions")
    files.write(path, ("\n".join(lines) + "\n").encode())
    return done


def run_network(network: Network, inputs: Mapping[str, Array], path: Path, *, machine: VectorMatrix) -> Run:
    """The whole of `network` as one program on the first example of `inputs`, traced to the file `path`.

    A float network is brought into the machine's arithmetic first. Values stay in the scratchpads between layers, so
    the cycles are fewer than those of its layers one by one. Raises `Unsupported` for what has no instructions.
    """
    made = compile_network(vector_matrix.prepare(network, machine).with_batch(1), machine)
    given = {}
    for name, array in inputs.items():
        first, element = (
            np.asarray(array)[:1] if np.ndim(array) else np.asarray(array),
            made.network.inputs[name].element,
        )
        given[name] = quantise(first, element) if isinstance(element, Fixed) and first.dtype.kind == "f" else first
    key = made.key(given)
    return run_traced(made.program, made.memory(given), path, machine=machine, key=key)
