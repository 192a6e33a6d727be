"""From a layer to DianNao's words: what is loaded when, in the paper's loop orders; left out: programs of many layers.

    classifier     for nnn: for iii: for nn        a word is one block of Tn neurons over one piece of inputs (iii)
    convolution    for nnn: for y, x: for nn       a word is one block of Tn neurons of one pixel
    pooling        for y, x: for ii                a word is one block of Ti channels of one pixel

A piece is what NBin holds (64 rows of 16 numbers: 2 KB, 1024 numbers), nnn what NBout (classifier: partial sums between
pieces) or SB (convolution: synapses that stay while windows pass) holds. The first word that needs a row loads it, the
others read it. So 8192 inputs x 256 outputs are 8 pieces x 16 blocks = 128 words of 64 ticks.

Lines lie so far apart in memory that the rows of a window have places of their own in NBin, where that is possible. A
window whose columns are neighbours is one word; a dilated one is one word for each of its lines, and the sums stay
in NFU-2 from one to the next.

Paper     Chen et al., "DianNao", ASPLOS 2014, sections 5 and 6, https://doi.org/10.1145/2541940.2541967
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil

from lamina.emulation.nfu.word import Nfu1, Nfu2, Nfu3, Op, Out, Sums, Word
from lamina.hw.families.nfu import Nfu


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Rows of the three buffers."""

    nbin: int
    sb: int
    nbout: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """A convolution or pooling over padded lines; `channels` and `filters` are of one group."""

    images: int
    groups: int
    channels: int
    filters: int
    height: int  # of the padded input
    width: int  # pixels from one line to the next
    p: int
    q: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]


def line_pixels(pixels: int, kernel: tuple[int, int], dilation: tuple[int, int], taps: int, places: int) -> int:
    """Pixels from one line to the next in memory, at least `pixels`, so that a window's rows have places of their own.

    `taps` rows a pixel, `places` in NBin. Then only columns that leave the window are overwritten as it slides; where
    no distance does it, or the window is larger than NBin, lines follow one another.
    """
    if kernel[0] * kernel[1] * taps > places:
        return pixels
    for line in range(pixels, pixels + places):
        rows = {
            ((ky * dilation[0] * line + kx * dilation[1]) * taps + ii) % places
            for ky, kx, ii in product(range(kernel[0]), range(kernel[1]), range(taps))
        }
        if len(rows) == kernel[0] * kernel[1] * taps:
            return line
    return pixels


def classifier(machine: Nfu, sizes: Sizes, *, vectors: int, inputs: int, outputs: int, bias: bool) -> Iterator[Word]:
    """Words of a fully connected layer. Rows: inputs [vector][i], synapses [o][i], results [vector][o].

    i counts blocks of Ti inputs, o blocks of Tn outputs.
    """
    taps, blocks = ceil(inputs / machine.inputs), ceil(outputs / machine.outputs)
    for vector, together in product(range(vectors), _blocks(blocks, sizes.nbout)):
        for piece in _blocks(taps, sizes.nbin):
            for nn in together:
                first, last = piece[0] == 0, piece[-1] == taps - 1
                yield Word(
                    sb_op=Op.LOAD,
                    sb_reuse=True,
                    sb_address=nn * taps + piece[0],
                    sb_size=len(piece),
                    nbin_op=Op.LOAD if nn == together[0] else Op.READ,
                    nbin_stride_begin=piece[0],
                    nbin_stride_end=piece[-1] + 1,
                    nbin_address=vector * taps,
                    nbin_size=len(piece),
                    nbout_read_op=Op.READ if not first else Op.LOAD if bias else Op.NOP,
                    nbout_write_op=Out.STORE if last else Out.WRITE,
                    nbout_address=vector * blocks + nn,
                    nbout_bias=nn if bias else 0,
                    nfu1_op=Nfu1.MULTIPLY,
                    nfu2_in=Sums.NBOUT if bias or not first else Sums.RESET,
                    nfu2_out=Sums.NFU3 if last else Sums.NBOUT,
                    nfu3_op=Nfu3.SCALE,
                    output_end=min(machine.outputs, outputs - nn * machine.outputs),
                )


def convolution(machine: Nfu, sizes: Sizes, windows: Windows, *, bias: bool) -> Iterator[Word]:
    """Words of a convolution. Rows: inputs [image][group][line][pixel][i], synapses [group][o][ky][kx][i].

    Results are rows [image][y][x][group][o]; i counts blocks of Ti inputs, o blocks of Tn outputs.
    """
    w = windows
    taps, blocks = ceil(w.channels / machine.inputs), ceil(w.filters / machine.outputs)
    rows = w.kernel[0] * w.kernel[1] * taps  # of synapses, a block
    stays = max(1, sizes.sb // rows)
    for image, group in product(range(w.images), range(w.groups)):
        for together in _blocks(blocks, stays):
            for y, x, nn in product(range(w.p), range(w.q), together):
                block = group * blocks + nn
                loads = rows * len(together) > sizes.sb or (y, x) == (0, 0)
                start = Word(
                    sb_op=Op.LOAD if loads else Op.READ,
                    sb_reuse=loads,
                    sb_address=block * rows,
                    nbin_op=Op.LOAD,
                    nbin_reuse=True,
                    nbin_address=((image * w.groups + group) * w.height + y * w.stride[0]) * w.width * taps,
                    nbin_stride_begin=x * w.stride[1] * taps,
                    nbout_read_op=Op.LOAD if bias else Op.NOP,
                    nbout_write_op=Out.STORE,
                    nbout_address=((image * w.p + y) * w.q + x) * w.groups * blocks + block,
                    nbout_bias=block if bias else 0,
                    nfu1_op=Nfu1.MULTIPLY,
                    nfu2_in=Sums.NBOUT if bias else Sums.RESET,
                    nfu3_op=Nfu3.SCALE,
                    output_end=min(machine.outputs, w.filters - nn * machine.outputs),
                )
                yield from _window(start, w, taps)


def pooling(machine: Nfu, windows: Windows, *, maximum: bool) -> Iterator[Word]:
    """Words of a pooling; a group is a block of Ti channels, `channels` all of them.

    Rows: inputs [image][block][line][pixel], results [image][y][x][block].
    """
    w = windows
    for image, y, x, block in product(range(w.images), range(w.p), range(w.q), range(w.groups)):
        start = Word(
            nbin_op=Op.LOAD,
            nbin_reuse=True,
            nbin_address=((image * w.groups + block) * w.height + y * w.stride[0]) * w.width,
            nbin_stride_begin=x * w.stride[1],
            nbout_write_op=Out.STORE,
            nbout_address=((image * w.p + y) * w.q + x) * w.groups + block,
            nfu2_op=Nfu2.MAXIMUM if maximum else Nfu2.ADD,
            nfu2_in=Sums.RESET,
            nfu3_op=Nfu3.PASS if maximum else Nfu3.SCALE,
            output_end=min(machine.inputs, w.channels - block * machine.inputs),
        )
        yield from _window(start, w, 1)


def ended(words: Iterable[Word]) -> Iterator[Word]:
    """`words`, the last of which says that it is."""
    before: Word | None = None
    for word in words:
        if before is not None:
            yield before
        before = word
    if before is not None:
        yield replace(before, end=True)


def _window(start: Word, windows: Windows, taps: int) -> Iterator[Word]:
    """The words of one window of one block, from `start`, which has its first row and what is done with its sums."""
    (r, s), (dy, dx), line = windows.kernel, windows.dilation, windows.width * taps
    begin = start.nbin_stride_begin
    if dx == 1:
        rows = r * s * taps
        yield replace(
            start,
            sb_size=rows if start.sb_op else 0,
            nbin_stride=dy * line,
            nbin_stride_end=begin + s * taps,
            nbin_size=rows,
            nfu2_out=Sums.NFU3,
        )
        return
    rows = s * taps
    for ky in range(r):
        first, last = ky == 0, ky == r - 1
        yield replace(
            start,
            sb_address=start.sb_address + ky * rows if start.sb_op else 0,
            sb_size=rows if start.sb_op else 0,
            nbin_address=start.nbin_address + ky * dy * line,
            nbin_stride=dx * taps,
            nbin_stride_end=begin + taps,
            nbin_size=rows,
            nbout_read_op=start.nbout_read_op if first else Op.NOP,
            nbout_write_op=start.nbout_write_op if last else Out.NOP,
            nfu2_in=start.nfu2_in if first else Sums.KEEP,
            nfu2_out=Sums.NFU3 if last else Sums.KEEP,
        )


def _blocks(total: int, size: int) -> Iterator[Sequence[int]]:
    """0 to total in ranges of `size`; the last may be shorter."""
    return (range(at, min(at + size, total)) for at in range(0, total, size))
