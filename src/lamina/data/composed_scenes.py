"""Composed scenes: two digits beside or above one another, each bright or dark, with the caption that says so.

    "a bright three left of a dark seven"        32 x 32 grey pixels, each digit 14 x 14 in a cell of 16 x 16

800 captions: two brightnesses and ten digits, twice, in two relations; the left and the upper digit come first. The
splits share neither captions (640, 80, 80) nor digits: those of a split are of the same split of `digits`, so a model
that recalls captions cannot do well, it has to compose. Everything follows from a fixed seed. Labels are captions:
`classes[y]` is the sentence; `CAPTION_WORDS` are all words there are.

Source    `digits` (5,000 digits of MNIST); scenes and captions are ours
"""

import hashlib
import itertools

import numpy as np

from lamina.core.seeds import numpy_generator
from lamina.data._dataset import Dataset, Split, from_pixels
from lamina.data.digits import digits as digit_pictures

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHADES = {"bright": 1.0, "dark": 0.4}
RELATIONS = {"left of": (0, 1), "above": (1, 0)}  # rows and columns from the first digit's cell to the second's
CAPTION_WORDS = ("a", *SHADES, *DIGITS, "left", "of", "above")
SHARES = (640, 80, 80)  # captions of train, validation, test
SCENES = (6400, 800, 1600)  # scenes of each, the captions equally often
CELL, PIECE = 16, 14


def composed_scenes() -> Dataset:
    """8,800 scenes; `y` is the caption, `classes` the 800 sentences."""
    things = list(itertools.product(SHADES, DIGITS))
    parts = list(itertools.product(things, RELATIONS, things))
    captions = tuple(f"a {' '.join(first)} {relation} a {' '.join(second)}" for first, relation, second in parts)
    order = numpy_generator(0, "composed_scenes", "captions").permutation(len(captions))
    source = digit_pictures()
    pixels, labels = [], []
    splits = (source.train, source.validation, source.test)
    for split, chosen, count, name in zip(
        splits, np.split(order, np.cumsum(SHARES)[:-1]), SCENES, ("train", "validation", "test"), strict=True
    ):
        draw = numpy_generator(0, "composed_scenes", name)
        y = draw.permutation(np.resize(chosen, count))
        of_class = [np.flatnonzero(split.labels.numpy() == digit) for digit in range(10)]
        pieces = _pieces(split)
        pixels.append(np.stack([_scene(parts[caption], pieces, of_class, draw) for caption in y]))
        labels.append(y)
    data = from_pixels(
        "composed_scenes", captions, "", (pixels[0], pixels[1], pixels[2]), (labels[0], labels[1], labels[2])
    )
    digest = hashlib.sha256(b"".join(array.tobytes() for array in pixels)).hexdigest()
    return Dataset(
        name=data.name, classes=captions, checksum=digest, train=data.train, validation=data.validation, test=data.test
    )


def _pieces(split: Split) -> np.ndarray:
    """The digits at half their size [n, 14, 14], 0..255."""
    x = split.inputs.numpy()[:, 0]
    halved: np.ndarray = x.reshape(len(x), PIECE, 2, PIECE, 2).mean((2, 4)) * 255
    return halved


def _scene(part: tuple, pieces: np.ndarray, of_class: list[np.ndarray], draw: np.random.Generator) -> np.ndarray:
    first, relation, second = part
    rows, columns = RELATIONS[relation]
    # both in one row of cells, or one column: which one the caption leaves open
    free = int(draw.integers(2))
    row, column = (free, 0) if columns else (0, free)
    scene = np.zeros((2 * CELL, 2 * CELL))
    for (shade, digit), down, across in ((first, row, column), (second, row + rows, column + columns)):
        piece = pieces[draw.choice(of_class[DIGITS.index(digit)])] * SHADES[shade]
        top, left = (CELL * place + int(draw.integers(CELL - PIECE + 1)) for place in (down, across))
        scene[top : top + PIECE, left : left + PIECE] = piece
    return scene.round().astype(np.uint8)
