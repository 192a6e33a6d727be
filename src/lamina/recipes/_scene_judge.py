"""The judge of composed scenes: a LeNet-5 that reads the digit of a cell, and pixels that tell all the rest.

    scene 32 x 32 ─▶ four cells 16 x 16 ─▶ the two with the most ink, in reading order
        relation   left of: in one row       above: in one column       (neither: no scene that a caption describes)
        shade      bright where a pixel is above 0.5: no pixel of a dark digit is above 0.4
        digit      LeNet-5 on the cell, its brightest pixel made 1, at 28 x 28

It learns from digits of MNIST that are in no scene (all 5,000 digits of scenes are in MNIST and are left out), brought
into cells as the digits of scenes are: at half their size, moved by up to two pixels.

Paper      LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791
"""

from collections.abc import Sequence
from typing import Any

CELL, PIECE, SIDE = 16, 14, 28
THRESHOLD = 0.5
PAIRS = {(0, 1): "left", (2, 3): "left", (0, 2): "above", (1, 3): "above"}  # cells in reading order


def strangers(data: Any, known: Any, count: int) -> tuple[Any, Any]:
    """The first `count` pictures and labels of `data.train` that are in no split of `known`."""
    import torch

    from lamina.data._overlap import fingerprints

    seen = {mark for split in (known.train, known.validation, known.test) for mark in fingerprints(split)}
    kept = [row for row, mark in enumerate(fingerprints(data.train)) if mark not in seen][:count]
    rows = torch.tensor(kept, dtype=torch.int64)
    return data.train.inputs[rows], data.train.labels[rows]


def judge(x: Any, y: Any, *, epochs: int, seed: int) -> Any:
    """A LeNet-5 that has learnt the digits x [n, 1, 28, 28], each in a cell of its own."""
    from torch.nn import functional as F

    from lamina.core.seeds import numpy_generator
    from lamina.recipes._made import made
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    cells = x.new_zeros(len(x), CELL, CELL)
    moved = numpy_generator(seed, "judge", "moved").integers(CELL - PIECE + 1, size=(len(x), 2)).tolist()
    for cell, piece, (top, left) in zip(cells, F.avg_pool2d(x, 2)[:, 0], moved, strict=True):
        cell[top : top + PIECE, left : left + PIECE] = piece
    train = {"x": _seen(cells), "y": y}
    model = model_module("lenet5").lenet5(seed=seed)
    nothing = {name: tensor[:0] for name, tensor in train.items()}
    fit(model, made("cells", train, nothing), config=FitConfig(epochs=epochs, batch_size=128), seed=seed)
    return model.eval()


def read(model: Any, scenes: Any) -> list[tuple[str, ...]]:
    """Shade, digit, relation, shade and digit of each of the scenes [n, 1, 32, 32], as words of their captions."""
    import torch

    from lamina.data.composed_scenes import DIGITS

    cells = scenes[:, 0].unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(1, 2)  # [n, 4, 16, 16]
    places = cells.sum((2, 3)).topk(2, dim=1).indices.sort(dim=1).values
    chosen = cells[torch.arange(len(cells))[:, None], places]
    with torch.no_grad():
        digits = torch.cat([model(_seen(part.flatten(0, 1))).argmax(1) for part in chosen.split(500)]).view(-1, 2)
    bright = chosen.flatten(2).amax(2) > THRESHOLD
    return [
        (_shade(b[0]), DIGITS[d[0]], PAIRS.get((p[0], p[1]), "neither"), _shade(b[1]), DIGITS[d[1]])
        for b, d, p in zip(bright.tolist(), digits.tolist(), places.tolist(), strict=True)
    ]


def shares(wanted: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of what was asked, the share that is there: digits, shades, relations, and scenes with all five right."""
    rows = [[a == b for a, b in zip(one, other, strict=True)] for one, other in zip(wanted, found, strict=True)]
    count = len(rows)
    return {
        "digits": sum(row[1] + row[4] for row in rows) / (2 * count),
        "shades": sum(row[0] + row[3] for row in rows) / (2 * count),
        "relations": sum(row[2] for row in rows) / count,
        "scenes": sum(all(row) for row in rows) / count,
    }


def _shade(bright: bool) -> str:
    return "bright" if bright else "dark"


def _seen(cells: Any) -> Any:
    """Cells [n, 16, 16] as LeNet-5 sees them [n, 1, 28, 28]."""
    from torch.nn import functional as F

    peak = cells.flatten(1).amax(1).clamp(min=1e-6)[:, None, None]
    return F.interpolate((cells / peak)[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)
