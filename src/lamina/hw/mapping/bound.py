"""What no mapping can beat: the arithmetic on all units, and every operand across every port once.

    cycles >= ceil(operations / units)          cycles >= bits that DRAM's port has to move / its width
    cycles >= product over loops of ceil(bound / units that the loop may lie along)
    energy >= operations mac_j + every operand in and out of each of its levels once, sums once per operation inside

A level of the chain that several units share is filled at least with each touched element once; copies are not counted.
"""

from math import ceil, prod

import numpy as np

from lamina.hw.mapping.problem import Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Dimension, Level, chain


def cycles(problem: Problem, array: tuple[Dimension, ...], levels: tuple[Level, ...]) -> int:
    """Fewest cycles of any mapping."""
    least = ceil(problem.macs / prod(d.size for d in array))
    reach = [prod(d.size for d in array if loop in d.loops) for loop in LOOPS]
    least = max(least, prod(ceil(size / units) for size, units in zip(problem.bounds, reach, strict=True)))
    top = levels[-1]
    reads = problem.tensor_bits("inputs", 2) + problem.tensor_bits("weights", 1)
    writes = problem.tensor_bits("outputs", 0)
    if top.ports == "shared":
        return max(least, ceil((reads + writes) / top.width(write=False)))
    if top.ports == "read_write":
        return max(least, ceil(reads / top.width(write=False)), ceil(writes / top.width(write=True)))
    each = [problem.tensor_bits(o, i) / top.width(write=o == "outputs") for i, o in enumerate(OPERANDS)]
    return max(least, ceil(max(each)))


def dram_bits(problem: Problem) -> float:
    """Fewest bits across the pins: every touched element once."""
    return sum(problem.tensor_bits(operand, place) for place, operand in enumerate(OPERANDS))


def energy_j(problem: Problem, array: tuple[Dimension, ...], levels: tuple[Level, ...], mac_j: float) -> float:
    """Least energy of any mapping."""
    sizes = {d.name: d.size for d in array}
    found = problem.macs * mac_j
    for place, operand in enumerate(OPERANDS):
        bits = problem.tensor_bits(operand, place)
        held = chain(levels, operand)
        for step, index in enumerate(held):
            level = levels[index]
            stores = operand == "outputs"
            inside = bits
            if stores and step == 0:  # one result of all units that are summed at once
                summed = prod(sizes[name] for name in level.serves)
                inside = max(bits, problem.output_bits * np.floor(problem.macs / summed))
            found += inside / level.width(write=stores) * level.access_j(write=stores)
            if index != held[-1]:
                found += bits / level.width(write=not stores) * level.access_j(write=not stores)
    return found
