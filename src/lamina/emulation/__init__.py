"""The numbers hardware would compute: bit-true, and tick by tick where the paper has a machine to drive.

`emulate(network, machine, inputs)` runs a network on the emulator of the machine's family and says whether its bits
equal the interpreter's and its cycles the closed form of `hw`. A member is a file named after the family.
"""

from lamina.emulation._emulate import Emulation as Emulation
from lamina.emulation._emulate import emulate as emulate
from lamina.emulation._emulate import emulator_of as emulator_of
from lamina.emulation._emulate import trace_first as trace_first
