"""ShiDianNao's mesh: an element keeps a sum and two FIFOs of what it has used, open to its left and upper neighbour.

Shapes    h x w elements at work of Py x Px, E examples (the last axis); registers [h, w, E]
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.output_mesh._banks import NeuronBuffer
from lamina.emulation.output_mesh._control import Phase, Windows

Ints = NDArray[Any]


@dataclass(slots=True)
class Mesh:
    sums: Ints = field(init=False)
    across: deque[Ints] = field(default_factory=deque)  # FIFO-H of all elements, oldest first
    down: deque[Ints] = field(default_factory=deque)  # FIFO-V

    def start(self, shape: tuple[int, int, int], value: int, depth: tuple[int, int]) -> None:
        """A tile [h, w, E]: sums begin with `value`, FIFO-H and FIFO-V are empty and as deep as the layer needs."""
        self.sums = np.full(shape, value, np.int64)
        self.across, self.down = deque(maxlen=depth[0]), deque(maxlen=depth[1])

    def take(self, phase: Phase, delivered: Ints) -> Ints:
        """The neuron of each element: from NBin (`delivered`) or from the neighbour's FIFO; both FIFOs keep it."""
        if phase is Phase.LOAD:
            neurons = delivered
        else:
            neurons = np.empty(self.sums.shape, delivered.dtype)
            if phase is Phase.RIGHT:
                neurons[:, :-1] = self.across[0][:, 1:]
                neurons[:, -1:] = delivered
            else:
                neurons[:-1] = self.down[0][1:]
                if phase is Phase.DOWN:
                    neurons[-1:] = delivered
                else:
                    neurons[-1, :-1] = self.across[0][-1, 1:]
                    neurons[-1, -1] = delivered[0, 0]
        self.across.append(neurons)
        self.down.append(neurons)
        return neurons


def delivered(nbin: NeuronBuffer, state: Windows, channel: int) -> Ints:
    """What the buffer controller reads of a map in this tick, by the mode that the state asks for."""
    i = state.instruction
    (height, width, y, x), (ky, kx) = state.tile, state.at[4:]
    (sy, sx), (dy, dx) = (i["stride_height"], i["stride_width"]), (i["dilation_height"], i["dilation_width"])
    top, left = y * sy + ky * dy, x * sx + kx * dx
    bottom, right = top + (height - 1) * sy, left + (width - 1) * sx
    if state.second is Phase.CORNER:
        return nbin.one(channel, bottom, right)
    if sy == sx == dy == dx == 1:
        if state.second is Phase.LOAD:
            return nbin.block(channel, top, left, height, width)
        if state.second is Phase.DOWN:
            return nbin.row(channel, bottom, left, width)
        return nbin.column(channel, top, right, height)
    rows = np.array([bottom]) if state.second is Phase.DOWN else np.arange(top, bottom + 1, sy)
    columns = np.array([right]) if state.second is Phase.RIGHT else np.arange(left, right + 1, sx)
    return nbin.stepped(channel, rows, columns)
