"""A network as a picture: one SVG, boxes for operations from top to bottom, arrows with the types that flow.

    box      name, operator; windows and strides; work and weights
    arrow    a value, labelled with its type where it leaves the operation that makes it
    dashes   a state that comes back at the next call (carry)

A scan is one box that tells what is in its body. Colours tell kinds of work apart: multiplying blue, pooling and
reducing green, element by element orange, coding (quantise, tables) violet, what only moves grey. No script and no
font file; widths are estimated from the number of letters, long names are shortened, all text is escaped.
"""

import re
from dataclasses import dataclass
from html import escape

from lamina.ir.check import site
from lamina.ir.layout import Layout, Node, box, lay_out
from lamina.ir.network import Network, Operation
from lamina.ir.operators import (
    coding,
    convert,
    indexing,
    loop,
    matmul,
    move,
    multiply,
    operator,
    pooling,
    reduce,
    resize,
    shape,
    transposed,
)
from lamina.ir.summary import table

WIDTH, LINE, END_WIDTH, END_HEIGHT = 300, 15, 190, 30  # of a box, one line in it, an input or output
LANE, GAP, BETWEEN, MARGIN = 14, 30, 40, 24  # an edge's own width, between neighbours, from row to row, around all
HEAD = 44  # the line above everything
PORT = 44  # between arrows that end at one box
LETTER = 6.4  # width of a letter of a label
MULTIPLY, POOL, CODE, VIEW, ELEMENTWISE = "#dbe9f6", "#dcefdc", "#ece4f5", "#f3f3f3", "#fdeeda"
FAMILIES = {  # files of the operator table by colour; all others are elementwise
    MULTIPLY: (multiply, matmul, transposed, loop),
    POOL: (pooling, reduce),
    CODE: (coding, convert),
    VIEW: (shape, move, indexing, resize),
}
FILLS = {entry.name: fill for fill, files in FAMILIES.items() for file in files for entry in file.OPERATORS}
INTEGERS = {"rounding": "rounding: {}", "products": "{} products", "accumulator": "{}-bit sums"}
USUAL = {"rounding": "power_of_two", "products": "exact", "accumulator": 32}
STYLE = (
    "text{font:11px Helvetica,Arial,sans-serif;fill:#444}.name{font-size:13px;font-weight:bold;fill:#111}"
    ".type{font:10.5px monospace;fill:#333;stroke:#fff;stroke-width:4px;paint-order:stroke}"
    "rect{stroke:#8a8a8a}path{fill:none;stroke:#777;stroke-width:1.4}path.carry{stroke-dasharray:5 4;stroke:#b03a2e}"
)
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" style="fill:#777;stroke:none"/></marker></defs>'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Page:
    """Where everything is: tops and bottoms of boxes and of edges' places."""

    layout: Layout
    top: dict[Node, float]
    bottom: dict[Node, float]
    left: float
    right: float
    end: float  # below everything


def svg(network: Network) -> str:
    """The picture as the text of an SVG file."""
    lines = _lines(network)
    page = _page(network, lines)
    headline = f"{_short(network.name, 50)}: {_count(network.macs, 'MAC')}, {_count(network.parameters, 'parameter')}"
    width = max(page.right - page.left, 8 * len(headline) + 2 * MARGIN)
    above = -MARGIN - HEAD
    height = page.end + MARGIN - above
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{page.left:.0f} {above} {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(network.name)}</title><style>{STYLE}</style>{TIP}",
        f'<rect x="{page.left:.0f}" y="{above}" width="100%" height="100%" style="fill:#fff;stroke:none"/>',
        _text(page.left + MARGIN, above + 28, headline, "name"),
        *_arrows(page),
        *_carries(network, page),
        *_boxes(network, page, lines),
        *_ends(network, page),
        *_labels(network, page),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _sources(network: Network) -> dict[str, list[str]]:
    """Boxes and the boxes they read; an output is a box named "> name", which no value can be called."""
    sources: dict[str, list[str]] = {name: [] for name in network.inputs}
    owner = {name: name for name in network.inputs}
    for operation in network.operations:
        owner.update(dict.fromkeys(operation.outputs, operation.name))
        sources[operation.name] = [owner[name] for name in operation.inputs if name in owner]
    outputs = {f"> {name}": [owner[value]] if value in owner else [] for name, value in network.outputs.items()}
    return sources | outputs


def _lines(network: Network) -> dict[str, list[str]]:
    """What stands below the name in each operation's box."""
    found = {}
    for row, operation in zip(table(network), network.operations, strict=True):
        work = [_count(row["macs"], "MAC")] if row["macs"] else []
        work += [_count(row["parameters"], "parameter")] if row["parameters"] else []
        work += [f"{row['density']:.0%} not zero"] if row["density"] not in (None, 1.0) else []
        lines = (_short(settings(network, operation), 50), ", ".join(work))
        found[operation.name] = [line for line in lines if line]
    return found


def _page(network: Network, lines: dict[str, list[str]]) -> _Page:
    layout = lay_out(_sources(network), width=WIDTH, lane=LANE, gap=GAP)
    heights = {box(name): float(2 * LINE + LINE * len(below)) for name, below in lines.items()}
    top: dict[Node, float] = {}
    bottom: dict[Node, float] = {}
    y = 0.0
    for row in layout.rows:
        tallest = max(heights.get(node, END_HEIGHT) for node in row)
        for node in row:
            top[node] = y
            bottom[node] = y + (heights.get(node, END_HEIGHT) if node[1] < 0 else tallest)
        y += tallest + BETWEEN
    end = y - BETWEEN + (MARGIN if network.carry else 0)
    reach = [x + side * (WIDTH / 2) for x in layout.x.values() for side in (-1, 1)]
    reach += [x + side * LETTER * len(words) for x, side, words in _sides(network, layout).values()]
    left = min(reach) - MARGIN - GAP * len(network.carry)
    return _Page(layout=layout, top=top, bottom=bottom, left=left, right=max(reach) + MARGIN, end=end)


def _sides(network: Network, layout: Layout) -> dict[Node, tuple[float, int, str]]:
    """For each box that is read: where its label begins, its side (left, -1, if an arrow leaves right), itself."""
    leaving: dict[Node, list[float]] = {}
    for route in layout.routes:
        leaving.setdefault(route[0], []).append(layout.x[route[1]])
    labels = {box(name): _short(_rounded(str(type_)), 44) for name, type_ in network.inputs.items()}
    for operation in network.operations:
        labels[box(operation.name)] = _short(_rounded(" ".join(map(str, operation.outputs.values()))), 44)
    sides = {node: -1 if max(to) > layout.x[node] + 1 else 1 for node, to in leaving.items()}
    return {node: (layout.x[node] + 8 * side, side, labels[node]) for node, side in sides.items()}


def _boxes(network: Network, page: _Page, lines: dict[str, list[str]]) -> list[str]:
    parts = []
    for operation in network.operations:
        node = box(operation.name)
        x, y = page.layout.x[node] - WIDTH / 2, page.top[node]
        parts += [
            f'<rect x="{x:.1f}" y="{y:.0f}" width="{WIDTH}" height="{page.bottom[node] - y:.0f}" rx="6" '
            f'style="fill:{FILLS.get(operation.operator, ELEMENTWISE)}"/>',
            _text(x + 10, y + 20, _short(operation.name, 24), "name"),
            _text(x + WIDTH - 10, y + 20, operation.operator, anchor="end"),
            *(_text(x + 10, y + 22 + LINE * i, line) for i, line in enumerate(lines[operation.name], start=1)),
        ]
    return parts


def _ends(network: Network, page: _Page) -> list[str]:
    """Inputs and outputs."""
    parts = []
    for what, names in (("input", network.inputs), ("output", [f"> {name}" for name in network.outputs])):
        for name in names:
            x, y = page.layout.x[box(name)], page.top[box(name)]
            parts += [
                f'<rect x="{x - END_WIDTH / 2:.1f}" y="{y:.0f}" width="{END_WIDTH}" height="{END_HEIGHT}" rx="15" '
                'style="fill:#fff"/>',
                _text(x, y + 19, f"{what} {_short(name.removeprefix('> '), 20)}", anchor="middle"),
            ]
    return parts


def settings(network: Network, operation: Operation) -> str:
    """Window, stride, padding and the like, in words; what is at its default is left out."""
    defaults = operator(operation.operator).attributes
    given = {name: value for name, value in operation.attributes.items() if value != defaults[name]}
    kernel = given.pop("kernel", None)
    if operation.operator in ("conv2d", "conv_transpose2d"):
        kernel = network.types[operation.inputs[1]].shape[2:]
    words = [f"{_pair(kernel)} window"] if isinstance(kernel, tuple) else []
    if isinstance(body := given.pop("body", None), Network):
        where = site(operation, network.types)
        steps = loop.trip_count([t.shape for t in where.inputs], where.attributes)
        words.append(f"{_count(steps, 'step')} of {_count(len(body.operations), 'operation')}")
        given = {name: value for name, value in given.items() if name == "reverse"}
    for name, usual in (("stride", (1, 1)), ("padding", (0, 0, 0, 0)), ("dilation", (1, 1)), ("groups", 1)):
        value = given.pop(name, usual)
        if value != usual:
            words.append(f"{name} {_pair(value) if isinstance(value, tuple) else value}")
    for name, value in given.items():
        if name in INTEGERS:
            words += [INTEGERS[name].format(str(value).replace("_", " "))] if value != USUAL[name] else []
        else:
            words.append(f"{name} {'×'.join(map(str, value)) if isinstance(value, tuple) else value}")
    return ", ".join(words)


def _pair(sizes: tuple[int | float, ...]) -> str:
    return str(sizes[0]) if len(sizes) > 2 and len({*sizes}) == 1 else "×".join(map(str, sizes))


def _arrows(page: _Page) -> list[str]:
    layout, arriving = page.layout, dict[Node, list[int]]()
    for number, route in enumerate(layout.routes):
        arriving.setdefault(route[-1], []).append(number)
    ports = {}
    for numbers in arriving.values():
        ordered = sorted(numbers, key=lambda n: layout.x[layout.routes[n][-2]])
        step = min(PORT, (WIDTH - PORT) / len(ordered))
        ports.update({n: (i - (len(ordered) - 1) / 2) * step for i, n in enumerate(ordered)})
    parts = []
    for number, route in enumerate(layout.routes):
        x, y = layout.x[route[0]], page.bottom[route[0]]
        path = f"M{x:.1f},{y:.0f}"
        for node in route[1:]:
            last = node == route[-1]
            to_x, to_y = layout.x[node] + (ports[number] if last else 0), page.top[node]
            middle = (max(y, to_y - BETWEEN) + to_y) / 2
            path += (
                f" V{max(y, to_y - BETWEEN):.0f} C{x:.1f},{middle:.0f} {to_x:.1f},{middle:.0f} {to_x:.1f},{to_y:.0f}"
            )
            x, y = to_x, page.bottom[node]
        parts.append(f'<path d="{path}" marker-end="url(#tip)"/>')
    return parts


def _carries(network: Network, page: _Page) -> list[str]:
    """From below an output, up the left margin, into its input from above."""
    parts = []
    for number, (output, into) in enumerate(network.carry.items()):
        low, high = box(f"> {output}"), box(into)
        parts.append(
            f'<path class="carry" marker-end="url(#tip)" d="M{page.layout.x[low]:.1f},{page.bottom[low]:.0f} v12 '
            f'H{page.left + MARGIN / 2 + number * GAP:.1f} V-18 H{page.layout.x[high]:.1f} V{page.top[high]:.0f}"/>'
        )
    return parts


def _labels(network: Network, page: _Page) -> list[str]:
    """The type beside each arrow's beginning."""
    return [
        _text(x, page.bottom[node] + 15, words, "type", anchor="end" if side < 0 else "")
        for node, (x, side, words) in _sides(network, page.layout).items()
    ]


def _rounded(text: str) -> str:
    """Long decimal fractions (scales) to four digits."""
    return re.sub(r"\d+\.\d{4,}(?:e-?\d+)?", lambda match: f"{float(match[0]):.4g}", text)


def _count(number: int, what: str) -> str:
    for factor, prefix in ((10**9, " G"), (10**6, " M"), (10**4, " k")):
        if number >= factor:
            return f"{number / (factor if prefix != ' k' else 1000):.3g}{prefix} {what}s"
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.1f}" y="{y:.0f}"{attributes}>{escape(words)}</text>'
