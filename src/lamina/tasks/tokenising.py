"""Tokenising: sentences as numbers, with a vocabulary that has four tokens of its own.

    "A koala."  ─words─▶  a  koala  .  ─encode─▶  1 17 23 5 2 0 0        0 pad, 1 begin, 2 end, 3 unknown

Words are lower-cased runs of letters, digits and apostrophes; any other printed sign is a word by itself. A vocabulary
counts the words of the training sentences, the frequent ones first and equals by the alphabet, so that it follows from
the sentences alone, whatever their order. Encoding an unknown word gives 3, or is an error where `strict` asks for it.

Shapes    encoded [n, t] int64, t = longest sentence + 2, begin in column 0, pad behind the end
Errors    `BadInput` for unknown words (strict), sentences without words, numbers out of range, too few columns
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lamina.core.errors import BadInput, one_line, unknown

SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")
PAD, BEGIN, END, UNKNOWN = range(4)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")


def words(text: str) -> list[str]:
    """The words of `text`, lower-cased; punctuation marks are words."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Known words in order of their numbers, the four special ones first."""

    tokens: tuple[str, ...]
    numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tokens[:4] != SPECIAL:
            raise BadInput(f"a vocabulary begins with {', '.join(SPECIAL)}, this one with {list(self.tokens[:4])}")
        object.__setattr__(self, "numbers", {token: number for number, token in enumerate(self.tokens)})
        if len(self.numbers) != len(self.tokens):
            twice = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise BadInput(f"a vocabulary with {twice!r} twice: each word has one number")

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, sentence: Sequence[str], *, strict: bool = False) -> list[int]:
        """Begin, the words' numbers, end. `strict` raises `BadInput` on a word that is not known."""
        if isinstance(sentence, str):
            raise BadInput(f"a sentence is a list of words, {one_line(sentence, 60)!r} is text: words() splits it")
        if not sentence:
            raise BadInput("a sentence without words: at least 1 is needed")
        if strict:
            for word in sentence:
                if word not in self.numbers:
                    raise unknown("word", word, self.tokens[4:])
        return [BEGIN, *(self.numbers.get(word, UNKNOWN) for word in sentence), END]

    def encode_all(
        self, sentences: Sequence[Sequence[str]], *, strict: bool = False, length: int | None = None
    ) -> np.ndarray:
        """Sentences as one array [n, length], padded; `length` None: as long as the longest with its begin and end."""
        rows = [self.encode(sentence, strict=strict) for sentence in sentences]
        if not rows:
            raise BadInput("no sentences: at least 1 is needed")
        longest = max(map(len, rows))
        columns = longest if length is None else length
        if columns < longest:
            raise BadInput(f"{columns} columns for a sentence of {longest - 2} words: {longest} are needed")
        found = np.full((len(rows), columns), PAD, dtype=np.int64)
        for row, numbers in zip(found, rows, strict=True):
            row[: len(numbers)] = numbers
        return found

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The words between begin and end; what follows the end is not read."""
        found = []
        for number in map(int, numbers):
            if not 0 <= number < len(self.tokens):
                raise BadInput(f"token {number} is not in the vocabulary: those known are 0..{len(self.tokens) - 1}")
            if number == END:
                break
            if number not in (PAD, BEGIN):
                found.append(self.tokens[number])
        return found


def vocabulary(sentences: Iterable[Sequence[str]], *, least: int = 1) -> Vocabulary:
    """The words that occur at least `least` times in `sentences`; raises `BadInput` where there is none."""
    counts = Counter(word for sentence in sentences for word in sentence)
    kept = sorted((-count, word) for word, count in counts.items() if count >= least and word not in SPECIAL)
    if not kept:
        raise BadInput(f"no word occurs {least} times or more: the vocabulary would be empty")
    return Vocabulary((*SPECIAL, *(word for _, word in kept)))
