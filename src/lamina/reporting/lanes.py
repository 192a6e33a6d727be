"""A network drawn with letters: a block a line, branches as lanes beside it, bars as long as the logarithm of its size.

    ○ x           input              3×32×32   ██████████
    ■ stem        conv 3×3, relu    16×32×32   ██████████████
    ├─┐
    ■ │ first     conv 3×3, relu    16×32×32   ██████████████
    ■ │ second    conv 3×3          16×32×32   ██████████████
    ├─┘
    ◆ sum         add, relu         16×32×32   ██████████████

A lane is a result on its way to a block that reads it. Where several read it, it forks, the first reader on the left;
where a block reads several, lanes meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

from lamina.ir.drawing import MULTIPLY, POOL, VIEW
from lamina.ir.network import Network
from lamina.reporting.blocks import END, Block, blocks, bodies, count

BAR = 16  # letters of the longest bar
NAME, WORDS = 26, 44  # the most letters of a name and of what a block does
MOST_LANES = 24  # beyond them a drawing by letters tells nothing
_SIGNS = {MULTIPLY: "■", POOL: "▼", VIEW: "□", END: "○"}
LEGEND = "■ multiplies  ▼ pools, reduces  ◆ joins, element by element  □ moves  ○ in, out; bars: logarithm of the size"
_RIGHT, _DOWN, _LEFT, _UP = 1, 2, 4, 8
_LINES = {0: " ", 3: "┌", 5: "─", 6: "┐", 7: "┬", 9: "└", 10: "│", 11: "├", 12: "┘", 13: "┴", 14: "┤", 15: "┼"}


@dataclass(slots=True)
class _Lanes:
    """What is on its way: the block that waits for it, lane by lane; None where a lane is free."""

    waiting: list[str | None] = field(default_factory=list)

    def free(self, right_of: int) -> int:
        """A free lane to the right of `right_of`."""
        for lane in range(right_of + 1, len(self.waiting)):
            if self.waiting[lane] is None:
                return lane
        self.waiting.append(None)
        return len(self.waiting) - 1

    def line(self, at: int, others: Sequence[int], *, down: bool) -> str:
        """A line that joins lane `at` with `others`, which go on below (`down`) or come from above."""
        first, last = min([at, *others]), max([at, *others])
        marks = []
        for lane in range(max(len(self.waiting), last + 1)):
            passing = lane < len(self.waiting) and self.waiting[lane] is not None and lane not in others
            mark = _UP | _DOWN if passing or lane == at else 0
            if lane in others:
                mark = _DOWN if down else _UP
            mark |= (_RIGHT if first <= lane < last else 0) | (_LEFT if first < lane <= last else 0)
            marks.append(_LINES[mark] + ("─" if first <= lane < last else " "))
        return "".join(marks).rstrip()

    def beside(self, at: int, sign: str) -> str:
        """The lanes as they pass the block at lane `at`."""
        shown = [sign if i == at else "│" if w is not None else " " for i, w in enumerate(self.waiting)]
        shown += [sign] if at == len(self.waiting) else []
        return " ".join(shown).rstrip()


def text(network: Network) -> str:
    """The drawing of `network`, and below it of the body of each of its scans."""
    parts = [_drawn(blocks(network))]
    parts += [f"\nwithin {name}, at each step:\n{_drawn(blocks(body))}" for name, body in bodies(network).items()]
    return "\n".join([*parts, LEGEND])


def _drawn(made: Sequence[Block]) -> str:
    graph = _graph(made)
    if graph is None:
        return f"({len(made)} blocks with more than {MOST_LANES} lanes side by side: too wide to be drawn with letters)"
    rows = [(line, block) for line, block in graph]
    wide = max(len(line) for line, block in rows if block is not None)
    names = max(len(_short(_name(b), NAME)) for b in made)
    words = max(len(_short(b.words, WORDS)) for b in made)
    shapes = max(len(b.shown_shape) for b in made)
    most = log(max(b.size for b in made) + 1)
    lines = []
    for line, block in rows:
        if block is None:
            lines.append(line)
            continue
        bar = "█" * max(1, round(BAR * log(block.size + 1) / most)) if most else ""
        weights = count(block.parameters, "weight") if block.parameters else ""
        told = f"{_short(_name(block), NAME):<{names}}  {_short(block.words, WORDS):<{words}}"
        lines.append(f"{line:<{wide}}  {told}  {block.shown_shape:>{shapes}}  {bar:<{BAR}}  {weights}".rstrip())
    return "\n".join(lines)


def _graph(made: Sequence[Block]) -> list[tuple[str, Block | None]] | None:
    """Lanes and blocks from top to bottom; a line without a block is a fork or a meeting. None where it is too wide."""
    readers: dict[str, list[str]] = {block.name: [] for block in made}
    for block in made:
        for source in block.sources:
            readers[source].append(block.name)
    lanes, rows = _Lanes(), list[tuple[str, Block | None]]()
    for block in made:
        arriving = [lane for lane, waiting in enumerate(lanes.waiting) if waiting == block.name]
        at = arriving[0] if arriving else lanes.free(-1)
        if len(arriving) > 1:
            rows.append((lanes.line(at, arriving[1:], down=False), None))
        for lane in arriving:
            lanes.waiting[lane] = None
        while lanes.waiting and lanes.waiting[-1] is None and len(lanes.waiting) - 1 > at:
            lanes.waiting.pop()
        rows.append((lanes.beside(at, _SIGNS.get(block.fill, "◆")), block))
        if len(lanes.waiting) > MOST_LANES:
            return None
        reading = readers[block.name]
        lanes.waiting[at], rest = (reading[0], reading[1:]) if reading else (None, [])
        others = _reserve(lanes, at, len(rest))
        if others:
            rows.append((lanes.line(at, others, down=True), None))
        for lane, reader in zip(others, rest, strict=True):
            lanes.waiting[lane] = reader
    return rows


def _reserve(lanes: _Lanes, at: int, wanted: int) -> list[int]:
    """Several free lanes to the right of `at`, each once."""
    found: list[int] = []
    for _ in range(wanted):
        lane = lanes.free(at)
        lanes.waiting[lane] = ""  # taken
        found.append(lane)
    for lane in found:
        lanes.waiting[lane] = None
    return found


def _name(block: Block) -> str:
    return block.name.removeprefix("> ")


def _short(words: str, letters: int) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
