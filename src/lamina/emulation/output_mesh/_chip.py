"""ShiDianNao at work on one layer: instructions run to their end, ticks counted where the machine makes one.

Shapes    E examples (the last axis), K and C maps of H x W, p x q results a map, V numbers in a row
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.output_mesh._banks import NeuronBuffer
from lamina.emulation.output_mesh._control import Operation, Windows, decode
from lamina.emulation.output_mesh._mesh import Mesh, delivered
from lamina.hw.families.output_mesh import OutputMesh

Ints = NDArray[Any]
Work = Callable[[Windows, Ints, Ints], None]  # state, sums, neurons: what elements do with their neurons, in place


@dataclass(slots=True)
class Chip:
    machine: OutputMesh
    examples: int
    shift: int = 0  # bits that the multipliers drop
    ticks: int = 0
    nbin: NeuronBuffer = field(init=False)
    mesh: Mesh = field(default_factory=Mesh)

    def __post_init__(self) -> None:
        self.nbin = NeuronBuffer(rows=self.machine.rows, columns=self.machine.columns)

    def windows(self, word: int, maps_CHWE: Ints, start: int, work: Work) -> Ints:
        """Run one window instruction on the maps of an image: [K, p, q, E]; every sum begins with `start`."""
        state = Windows(instruction=decode(word), rows=self.machine.rows, columns=self.machine.columns)
        i = state.instruction
        depth = (state.hops[1] or 1, (state.hops[0] or 1) * i["kernel_width"])
        pools = i.operation is not Operation.CONVOLVE
        results = np.empty((i["maps_out"], i["height"], i["width"], self.examples), np.int64)
        self.nbin.write(maps_CHWE)
        going = True
        while going:
            k, (height, width, y, x) = state.at[0], state.tile
            if state.starts_tile:
                self.mesh.start((height, width, self.examples), start, depth)
            channel = k if pools else state.at[3]
            work(state, self.mesh.sums, self.mesh.take(state.second, delivered(self.nbin, state, channel)))
            self.ticks += 1
            if state.ends_tile:
                results[k, y : y + height, x : x + width] = self.mesh.sums
            going = state.advance()
        return results

    def convolve(self, word: int, maps_CHWE: Ints, kernel_KCRS: Ints) -> Ints:
        """Run one CONVOLVE instruction: [K, p, q, E]; each tick SB gives one synapse to all elements."""
        synapses, shift = kernel_KCRS.tolist(), self.shift

        def work(state: Windows, sums: Ints, neurons: Ints) -> None:
            k, _, _, c, ky, kx = state.at
            product = neurons * synapses[k][c][ky][kx]
            np.right_shift(product, shift, out=product)
            np.add(sums, product, out=sums)

        return self.windows(word, maps_CHWE, 0, work)

    def classify(self, word: int, maps_CHWE: Ints, places: Sequence[tuple[int, int, int]], synapses_KC: Ints) -> Ints:
        """Run one CLASSIFY instruction: [K, E]; the neuron of each place goes to all elements, each has a synapse."""
        i = decode(word)
        assert i["inputs"] == len(places)
        self.nbin.write(maps_CHWE)
        results = np.empty((i["neurons"], self.examples), np.int64)
        for block in blocks(i["neurons"], self.machine.rows * self.machine.columns):
            sums_KE = np.zeros((block.stop - block.start, self.examples), np.int64)
            for number, place in enumerate(places):
                product = synapses_KC[block, number, None] * self.nbin.one(*place)[0]
                np.right_shift(product, self.shift, out=product)
                np.add(sums_KE, product, out=sums_KE)
                self.ticks += 1
            results[block] = sums_KE
        return results

    def combine(self, word: int, operands: Sequence[Ints]) -> Ints:
        """Run one COMBINE instruction: the sum of the operands [V, E]; as many numbers a tick as there are elements."""
        i = decode(word)
        assert i["operands"] == len(operands)
        results = np.zeros_like(operands[0])
        for block in blocks(i["numbers"], self.machine.rows * self.machine.columns):
            for operand in operands:
                results[block] += operand[block]
                self.ticks += 1
        return results

    def alu(self, numbers_VE: Ints, function: Callable[[Ints, slice], Ints]) -> Ints:
        """Results through the ALU, `alu_results_per_cycle` a tick: [V, E]."""
        results = np.empty_like(numbers_VE)
        for block in blocks(len(numbers_VE), self.machine.alu_results_per_cycle):
            results[block] = function(numbers_VE[block], block)
            self.ticks += 1
        return results


def blocks(count: int, size: int) -> Iterator[slice]:
    """[0, count) in blocks of `size`; the last may be smaller."""
    return (slice(at, min(at + size, count)) for at in range(0, count, size))
