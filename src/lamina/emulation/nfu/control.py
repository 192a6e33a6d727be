"""DianNao's control processor: decodes words and drives three buffers and the unit, tick by tick; left out: DMA stalls.

    code ──decode──▶ word        each tick one row of NBin meets one row of SB, at most one row comes into each buffer
                                 (two ports: written and read in the same tick), sums stay in NFU-2
                     at its end  sums go to NBout, or through NFU-3 to memory

DMA is taken to keep up: what a word loads has been preloaded while the words before it ran. A READ of a row that is not
in its buffer is an error of the program. Adders, and rows of NBout that hold partial sums, never overflow.

Shapes    E examples in lockstep, I <= Ti inputs, N <= Tn outputs, R rows of a memory
Paper     Chen et al., "DianNao", ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.emulation.nfu.word import Nfu1, Nfu2, Nfu3, Op, Out, Sums, Word, decode
from lamina.hw.families.nfu import Nfu

Ints = NDArray[Any]


@dataclass(slots=True)
class Buffer:
    """A circular buffer: row `address` of memory is kept at place `address` mod `rows`."""

    name: str
    rows: int
    held: dict[int, tuple[int, Ints]] = field(default_factory=dict)  # place -> address and row
    loads: int = 0  # rows that came by DMA

    def load(self, address: int, memory: Ints, *, reuse: bool) -> Ints:
        """Row `address`, copied from `memory` over what was in its place; with `reuse` only if it is not there."""
        place = address % self.rows
        here = self.held.get(place)
        if reuse and here is not None and here[0] == address:
            return here[1]
        row = memory[address].copy()
        self.held[place] = (address, row)
        self.loads += 1
        return row

    def read(self, address: int) -> Ints:
        """Row `address`, which must be here."""
        held, row = self.held.get(address % self.rows, (None, None))
        if held != address or row is None:
            raise BadInput(f"DianNao's program: {self.name} reads row {address}, its place holds row {held}")
        return row

    def write(self, address: int, row: Ints) -> None:
        """Keep a row that the unit made."""
        self.held[address % self.rows] = (address, row)

    def fetch(self, op: Op, address: int, memory: Ints, *, reuse: bool) -> Ints:
        return self.read(address) if op is Op.READ else self.load(address, memory, reuse=reuse)


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What DMA reaches: rows of inputs, synapses and biases, and rows for the results.

    Inputs and synapses have the type that their products are computed in.
    """

    inputs_RIE: Ints
    synapses_RIN: Ints
    biases_RN: Ints
    results_RNE: Ints


@dataclass(slots=True)
class Control:
    machine: Nfu
    memory: Memory
    shift: int  # bits that the multipliers drop
    lowest: int  # where a maximum starts from
    scale: Callable[[Ints], Ints]  # NFU-3
    ticks: int = 0
    sums_NE: Ints = field(init=False)
    scratch_INE: Ints = field(init=False)  # the outputs of the multipliers
    nbin: Buffer = field(init=False)
    sb: Buffer = field(init=False)
    nbout: Buffer = field(init=False)

    def __post_init__(self) -> None:
        m = self.machine
        self.nbin = Buffer(name="NBin", rows=rows("nbin_bytes", m.nbin_bytes, m.inputs, m.bits))
        self.sb = Buffer(name="SB", rows=rows("sb_bytes", m.sb_bytes, m.inputs * m.outputs, m.bits))
        self.nbout = Buffer(name="NBout", rows=rows("nbout_bytes", m.nbout_bytes, m.outputs, m.bits))
        _, lanes, examples = self.memory.results_RNE.shape
        self.sums_NE = np.zeros((lanes, examples), np.int64)
        taps = self.memory.inputs_RIE.shape[1]
        self.scratch_INE = np.empty((taps, lanes, examples), self.memory.inputs_RIE.dtype)

    def run(self, codes: Iterable[int]) -> None:
        """Words one after another until one says end."""
        for code in codes:
            word = decode(code)
            self._start(word)
            for row in range(word.nbin_size):
                self._tick(word, row)
            self._finish(word)
            if word.end:
                return
        raise BadInput("DianNao's program has no word that ends it")

    def _start(self, word: Word) -> None:
        """NFU-2's sums before the first row."""
        if word.nfu2_in is Sums.RESET:
            self.sums_NE[:] = self.lowest if word.nfu2_op is Nfu2.MAXIMUM else 0
        elif word.nfu2_in is Sums.NBOUT and word.nbout_read_op is Op.LOAD:
            self.sums_NE[:] = self.memory.biases_RN[word.nbout_bias][:, None]
        elif word.nfu2_in is Sums.NBOUT:
            self.sums_NE[:] = self.nbout.read(word.nbout_address)

    def _tick(self, word: Word, row: int) -> None:
        line, column = divmod(row, word.nbin_stride_end - word.nbin_stride_begin)
        address = word.nbin_address + line * word.nbin_stride + word.nbin_stride_begin + column
        inputs_IE = self.nbin.fetch(word.nbin_op, address, self.memory.inputs_RIE, reuse=word.nbin_reuse)
        lanes = slice(word.output_begin, word.output_end)
        sums_NE = self.sums_NE[lanes]
        if word.nfu1_op is Nfu1.MULTIPLY:
            synapses_IN = self.sb.fetch(
                word.sb_op, word.sb_address + row, self.memory.synapses_RIN, reuse=word.sb_reuse
            )
            products = self.scratch_INE[:, lanes]
            np.multiply(inputs_IE[:, None], synapses_IN[:, lanes, None], out=products)
            np.right_shift(products, self.shift, out=products)
            sums_NE += np.add.reduce(products, axis=0, dtype=products.dtype)
        elif word.nfu2_op is Nfu2.MAXIMUM:
            np.maximum(sums_NE, inputs_IE[lanes], out=sums_NE)
        else:
            sums_NE += inputs_IE[lanes]
        self.ticks += 1

    def _finish(self, word: Word) -> None:
        """The sums after the last row."""
        lanes = slice(word.output_begin, word.output_end)
        if word.nfu2_out is Sums.NBOUT and word.nbout_write_op is Out.WRITE:
            self.nbout.write(word.nbout_address, self.sums_NE.copy())
        elif word.nfu2_out is Sums.NFU3 and word.nbout_write_op is Out.STORE:
            sums_NE = self.sums_NE[lanes]
            self.memory.results_RNE[word.nbout_address, lanes] = (
                self.scale(sums_NE) if word.nfu3_op is Nfu3.SCALE else sums_NE
            )


def rows(name: str, size: int, width: int, bits: int) -> int:
    """Rows of `width` numbers of `bits` bits that a buffer of `size` bytes has; none raises `BadInput`."""
    found = size * 8 // (width * bits)
    if not found:
        raise BadInput(f"nfu: {name} is {size}, one row of {width} x {bits} bits does not fit")
    return found


def product_type(machine: Nfu, shift: int) -> type[np.signedinteger[Any]]:
    """The integers that hold any product before its `shift` bits are dropped, and any tree's sum after."""
    largest = 2 ** (2 * machine.bits - 2)
    fits = largest < 2**31 and machine.inputs * (largest >> shift) < 2**31
    return np.int32 if fits else np.int64
