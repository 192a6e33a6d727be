"""A machine of your own in 20 lines of Python: its cost beside other machines, and its mapper.

python examples/own_machine.py
"""

import lamina
from lamina.core.units import GHz, KiB, pJ
from lamina.hw import table
from lamina.hw.families.hierarchy import Hierarchy
from lamina.hw.machine import Machine
from lamina.hw.mapping import map_network
from lamina.hw.mapping.structure import Dimension, Level
from lamina.hw.registry import find

ALL, BOTH = ("inputs", "weights", "outputs"), ("rows", "columns")
mine = Hierarchy(
    clock_hz=0.2 * GHz, mac_j=0.25 * pJ,
    array=(Dimension(name="rows", size=16, loops=("k", "g")), Dimension(name="columns", size=16, loops=("c", "q"))),
    level=(  # innermost first; `serves`: the dimensions that one instance feeds, none: one instance a unit
        Level(name="registers", holds=("weights",), capacity_bytes=64, read_bits_per_cycle=8, read_j=0.1 * pJ),
        Level(name="sums", holds=("outputs",), capacity_bytes=64, read_bits_per_cycle=32, read_j=0.2 * pJ),
        Level(name="buffer", holds=ALL, capacity_bytes=64 * KiB, read_bits_per_cycle=512, read_j=80 * pJ, serves=BOTH),
        Level(
            name="dram", holds=ALL, capacity_bytes=1e9, read_bits_per_cycle=64, read_j=640 * pJ, ports="shared",
            serves=BOTH,
        ),
    ),
)  # fmt: skip
assumed = dict.fromkeys(("array", "level", "clock_hz", "mac_j", "partial_sum_bits"), ("assumed", "an example"))
machine = Machine(name="own_machine", parameters=mine, sources=assumed, paper="examples/own_machine.py")

network = lamina.lower("lenet5")
print(table.cost(network, [machine, find("tpu_like"), find("diannao")]))

of_width, _, _ = table.words(network, 8)  # 8-bit words, as in the table
layers = [of_width(layer) for layer in network.layers()]
found = map_network(layers, machine, seconds=2, objective="energy")
print(found)
print(f"energy is {found.energy_j / found.bound_energy_j:.2f} times what no mapping can beat")
