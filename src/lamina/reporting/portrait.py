"""A network as one SVG: blocks from top to bottom, branches side by side, boxes scaled by the logarithm of their size.

    width    of a box: the logarithm of how many numbers its result has
    height   the logarithm of how many weights it holds; without weights a strip
    colour   multiplying blue, pooling and reducing green, coding violet, joins orange, what only moves grey

Blocks are those of `blocks.py`, places those of `ir/layout.py`. The body of a scan is drawn below, in a frame of its
own. The picture is whole in itself: no script, no font file, all text escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from math import log
from statistics import fmean

from lamina.ir.drawing import CODE, MULTIPLY, POOL, VIEW
from lamina.ir.layout import Layout, Node, box, lay_out
from lamina.ir.network import Network
from lamina.reporting.blocks import END, JOIN, Block, blocks, bodies, count

SLOT, LEAST = 208.0, 104.0  # the widest and the narrowest box
LOW, HIGH = 34.0, 74.0  # of a box
LANE, GAP, BETWEEN, MARGIN = 18.0, 22.0, 26.0, 24.0  # an edge's place, beside and below boxes, around everything
HEAD, LETTERS = 62.0, 33  # the lines above, the most letters of a line in a box
LEGEND = ((MULTIPLY, "multiplies"), (POOL, "pools, reduces"), (JOIN, "joins, element by element"), (VIEW, "moves"))
_EDGES = {MULTIPLY: "#3f7fb5", POOL: "#4d9a52", CODE: "#8a6bb0", VIEW: "#9a9a9a", END: "#777777"}
_EDGE = "#c98a2b"  # of joins
_STYLE = (
    "text{font:11px Helvetica,Arial,sans-serif;fill:#3a3f45;text-anchor:middle}.name{font-weight:bold;fill:#14171a}"
    ".in{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}.head{font-size:17px;font-weight:bold;"
    "text-anchor:start;fill:#14171a}.left{text-anchor:start}path{fill:none;stroke:#8b949e;stroke-width:1.3}"
    "rect{stroke-width:1.2}"
)
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,0.6 L8,4 L0,7.4 z" style="fill:#8b949e;stroke:none"/></marker></defs>'
)


def svg(network: Network) -> str:
    """The picture as the text of an SVG file."""
    drawn = [_panel(blocks(network), "")]
    drawn += [_panel(blocks(body), f"within {name}, at each step") for name, body in bodies(network).items()]
    width = max(max(right - left for left, right, _, _ in drawn), 560.0) + 2 * MARGIN
    parts, y = list[str](), HEAD + MARGIN
    for left, right, height, shapes in drawn:
        parts += [f'<g transform="translate({(width - right - left) / 2:.1f} {y:.1f})">', *shapes, "</g>"]
        y += height + MARGIN
    told = f"{count(network.macs, 'multiply-accumulate')}, {count(network.parameters, 'parameter')}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{y:.0f}" '
            f'viewBox="0 0 {width:.0f} {y:.0f}" role="img">',
            f"<title>{escape(network.name)}</title><style>{_STYLE}</style>{_TIP}",
            '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
            f'<text class="head" x="{MARGIN:.0f}" y="34">{escape(_short(network.name, 40))}</text>',
            f'<text class="left" x="{MARGIN:.0f}" y="53">{escape(told)}</text>',
            *_legend(HEAD + 8),
            *parts,
            "</svg>\n",
        ]
    )


def _legend(y: float) -> list[str]:
    parts, x = list[str](), MARGIN
    for fill, words in LEGEND:
        edge = _EDGES.get(fill, _EDGE)
        parts += [
            f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="12" height="10" rx="2" style="fill:{fill};stroke:{edge}"/>',
            f'<text class="left" x="{x + 18:.0f}" y="{y:.0f}">{words}</text>',
        ]
        x += 34 + 5.8 * len(words)
    return parts


def _panel(made: Sequence[Block], caption: str) -> tuple[float, float, float, list[str]]:
    """Left, right, height and shapes of one graph, its top at 0."""
    sizes = _sizes(made)
    layout = _centred(lay_out({block.name: list(block.sources) for block in made}, width=SLOT, lane=LANE, gap=GAP))
    top, bottom, height = _rows(layout, sizes, 26.0 if caption else 0.0)
    reach = [x + side * (SLOT if node[1] < 0 else LANE) / 2 for node, x in layout.x.items() for side in (-1, 1)]
    left, right = min(reach), max(reach)
    shapes = [f'<text class="left name" x="{left:.1f}" y="12">{escape(_short(caption, 60))}</text>'] if caption else []
    shapes += _arrows(layout, top, bottom, sizes)
    for block in made:
        shapes += _box(block, layout.x[box(block.name)], top[box(block.name)], *sizes[block.name])
    return left, right, height, shapes


def _centred(layout: Layout) -> Layout:
    """Boxes through which everything passes on one line, and what lies between two of them centred below the first."""
    x, shift, after = dict(layout.x), 0.0, True
    for row in layout.rows:
        if len(row) == 1:
            x[row[0]], after = 0.0, True
            continue
        if after:
            shift, after = fmean(layout.x[node] for node in row if node[1] < 0), False
        x.update((node, layout.x[node] - shift) for node in row)
    return replace(layout, x=x)


def _sizes(made: Sequence[Block]) -> dict[str, tuple[float, float]]:
    """Width and height of every block's box."""
    widest = log(max(block.size for block in made) + 1)
    heaviest = log(max(block.parameters for block in made) + 1) or 1.0
    found = {}
    for block in made:
        width = LEAST + (SLOT - LEAST) * log(block.size + 1) / widest if widest else LEAST
        width = min(SLOT, max(width, *(6.0 * len(line) + 12 for line in _words(block))))  # words stay within
        height = LOW + (HIGH - LOW) * (log(block.parameters + 1) / heaviest) ** 3 if block.parameters else LOW
        found[block.name] = width, height if block.fill != END else 30.0
    return found


def _rows(
    layout: Layout, sizes: Mapping[str, tuple[float, float]], y: float
) -> tuple[dict[Node, float], dict[Node, float], float]:
    """Tops and bottoms of boxes, in the middle of their row, and of edges' places; and where everything ends."""
    top: dict[Node, float] = {}
    bottom: dict[Node, float] = {}
    for row in layout.rows:
        tall = max((sizes[node[0]][1] for node in row if node[1] < 0), default=LOW)
        for node in row:
            own = sizes[node[0]][1] if node[1] < 0 else tall
            top[node], bottom[node] = y + (tall - own) / 2, y + (tall + own) / 2
        y += tall + BETWEEN
    return top, bottom, y - BETWEEN


def _arrows(
    layout: Layout,
    top: Mapping[Node, float],
    bottom: Mapping[Node, float],
    sizes: Mapping[str, tuple[float, float]],
) -> list[str]:
    """Curves from box to box; those that end at one box end beside one another."""
    arriving: dict[Node, list[int]] = {}
    for number, route in enumerate(layout.routes):
        arriving.setdefault(route[-1], []).append(number)
    ports: dict[int, float] = {}
    for node, numbers in arriving.items():
        ordered = sorted(numbers, key=lambda n: layout.x[layout.routes[n][-2]])
        step = min(26.0, (sizes[node[0]][0] - 24) / len(ordered))
        ports |= {n: (i - (len(ordered) - 1) / 2) * step for i, n in enumerate(ordered)}
    parts = []
    for number, route in enumerate(layout.routes):
        x, y = layout.x[route[0]], bottom[route[0]]
        path = f"M{x:.1f},{y:.1f}"
        for node in route[1:]:
            to_x, to_y = layout.x[node] + (ports[number] if node == route[-1] else 0), top[node]
            start = max(y, to_y - BETWEEN)
            middle = (start + to_y) / 2
            path += f" V{start:.1f} C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}"
            x, y = to_x, bottom[node]
        parts.append(f'<path d="{path}" marker-end="url(#tip)"/>')
    return parts


def _box(block: Block, x: float, y: float, width: float, height: float) -> list[str]:
    """The box with two lines; its tool tip has everything."""
    round_ = 15 if block.fill == END else 5
    weights = count(block.parameters, "weight") if block.parameters else ""
    told = ", ".join(filter(None, (block.name.removeprefix("> "), block.words, block.shown_shape, weights)))
    first, second = _words(block)
    middle = y + height / 2
    halo = f"stroke:{block.fill}"
    return [
        f"<g><title>{escape(told)}</title>",
        f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{round_}" '
        f'style="fill:{block.fill};stroke:{_EDGES.get(block.fill, _EDGE)}"/>',
        _line(x, middle - 3, first, "in name", halo),
        _line(x, middle + 11, second, "in", halo),
        "</g>",
    ]


def _words(block: Block) -> tuple[str, str]:
    """The two lines in a box."""
    name = block.name.removeprefix("> ")
    first = " ".join(dict.fromkeys((block.words, name))) if block.fill == END else block.words
    weights = count(block.parameters, "weight") if block.parameters else ""
    return _short(first, LETTERS), _short(" · ".join(filter(None, (block.shown_shape, weights))), LETTERS)


def _line(x: float, y: float, words: str, kind: str, style: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" style="{style}">{escape(words)}</text>'


def _short(words: str, letters: int) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
