"""Tux Paint's stamps: captioned colour pictures of animals, food, vehicles; those with a caption of 3-12 words.

32 x 32 pixels on white, RGB: each picture is scaled to fit and set in the middle. Only PNG files are read (a quarter of
the set is SVG), of those with a caption; single letters, digits and the like are left out by the caption's length.
Labels are captions: `classes[y]` is the sentence. No caption is in two splits (8 to 1 to 1, in a seeded order), for
several pictures may share one, nor one that differs in capitals alone ("The letter A.", "The letter a."), for these are
the same words. Reading takes half a minute, for the package is one compressed archive.

Source    Debian tuxpaint-stamps-default 2022.06.04-1 (161 MB, GPL-2)
"""

import io

import numpy as np
import torch

from lamina.core.errors import BadInput, missing_extra
from lamina.core.seeds import numpy_generator
from lamina.data import _deb
from lamina.data._dataset import Dataset, Split
from lamina.data._fetch import Origin, Source, deb, read

ARCHIVE = "tuxpaint-stamps-default_2022.06.04-1_all.deb"
SHA256 = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34"
ORIGIN = Origin(
    name="stamps",
    checksums={ARCHIVE: SHA256},
    sources=(Source(name="deb:tuxpaint-stamps-default", get=deb("tuxpaint-stamps-default=2022.06.04-1")),),
)
FOLDER = "usr/share/tuxpaint/stamps/"
SIDE = 32
WORDS = (3, 12)  # of a caption, at least and at most


def stamps() -> Dataset:
    """The captioned pictures; raises `BadInput` where they have not been fetched, or pillow is absent."""
    found = dict(_deb.members(read(ORIGIN)[ARCHIVE], FOLDER))
    pairs = []
    for path in sorted(found):
        caption = _caption(found.get(f"{path.removesuffix('.png')}.txt", b"")) if path.endswith(".png") else ""
        if WORDS[0] <= len(caption.split()) <= WORDS[1]:
            pairs.append((caption, picture(found[path], path)))
    captions = tuple(sorted({caption for caption, _ in pairs}))
    number = {caption: index for index, caption in enumerate(captions)}
    y = np.array([number[caption] for caption, _ in pairs])
    x = np.stack([pixels for _, pixels in pairs])
    sentences = {sentence: index for index, sentence in enumerate(sorted({caption.lower() for caption in captions}))}
    sentence = np.array([sentences[caption.lower()] for caption, _ in pairs])
    order = numpy_generator(0, "stamps", "captions").permutation(len(sentences))
    tenth = len(sentences) // 10
    splits = []
    for chosen in np.split(order, [len(order) - 2 * tenth, len(order) - tenth]):
        rows = np.flatnonzero(np.isin(sentence, chosen))
        inputs = torch.from_numpy(x[rows]).to(torch.float32).div_(255)
        splits.append(Split(tensors={"x": inputs, "y": torch.from_numpy(y[rows].astype(np.int64))}))
    train, validation, test = splits
    return Dataset(name="stamps", classes=captions, checksum=SHA256, train=train, validation=validation, test=test)


def picture(data: bytes, name: str) -> np.ndarray:
    """A PNG file as uint8 [3, 32, 32] on white; raises `BadInput` for one that cannot be read, naming it."""
    try:
        from PIL import Image
    except ImportError as e:
        raise missing_extra("pillow", "pictures") from e
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as e:
        raise BadInput(f"{name}: not a PNG file that can be read") from e
    scale = SIDE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    # premultiplied by the scaling itself: pillow weighs colours by their opacity
    image = image.resize((size[0], size[1]), Image.Resampling.BOX)
    canvas = Image.new("RGBA", (SIDE, SIDE), "white")
    canvas.alpha_composite(image, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(canvas.convert("RGB")).transpose(2, 0, 1).copy()


def _caption(data: bytes) -> str:
    """The English caption: the first line."""
    return data.decode("utf-8", errors="replace").partition("\n")[0].strip()
