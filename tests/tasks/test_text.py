"""Tokens, BLEU, CIDEr-D, ranks and gaps against cases done by hand."""

import math
import sys

import numpy as np
import pytest

from lamina.core.errors import BadInput, MissingExtra
from lamina.tasks import cloze, retrieval
from lamina.tasks.bleu import bleu
from lamina.tasks.cider import cider
from lamina.tasks.tokenising import PAD, UNKNOWN, Vocabulary, vocabulary, words


def test_words_are_lower_case_and_signs_stand_alone():
    assert words("A koala's tree, isn't it?") == ["a", "koala's", "tree", ",", "isn't", "it", "?"]
    assert words("snake_case") == ["snake", "_", "case"]
    assert words("  ") == []


def test_a_vocabulary_follows_from_its_sentences_in_any_order():
    sentences = [["b", "a", "a"], ["c", "a", "b"]]
    known = vocabulary(sentences)
    assert known == vocabulary(sentences[::-1])
    assert known.tokens[4:] == ("a", "b", "c")
    assert vocabulary(sentences, least=2).tokens[4:] == ("a", "b")
    encoded = known.encode_all([["a"], ["c", "z", "b"]], length=6)
    assert encoded.tolist() == [[1, 4, 2, PAD, PAD, PAD], [1, 6, UNKNOWN, 5, 2, PAD]]
    assert known.decode(encoded[0]) == ["a"]
    assert known.decode(known.encode(["c", "b", "a"])) == ["c", "b", "a"]


def test_bad_sentences_are_one_clear_error():
    known = vocabulary([["cat", "mat"]])
    with pytest.raises(BadInput, match="unknown word 'cart': did you mean 'cat'"):
        known.encode(["cart"], strict=True)
    with pytest.raises(BadInput, match="without words"):
        known.encode([])
    with pytest.raises(BadInput, match="is text"):
        known.encode("cat")
    with pytest.raises(BadInput, match="2 columns for a sentence of 1 words: 3"):
        known.encode_all([["cat"]], length=2)
    with pytest.raises(BadInput, match=r"token 6 .* 0\.\.5"):
        known.decode([6])
    with pytest.raises(BadInput, match="twice"):
        Vocabulary((*known.tokens, "cat"))
    with pytest.raises(BadInput, match="begins with"):
        Vocabulary(("cat",))
    with pytest.raises(BadInput, match="empty"):
        vocabulary([["cat"]], least=2)


def test_bleu_is_that_of_its_definition():
    pytest.importorskip("sacrebleu")
    reference = ["the", "cat", "sat", "on", "the", "mat", "today"]
    assert bleu([reference], [[reference]]) == pytest.approx(100)
    # 6 of 7 words, 4 of 6 pairs, 3 of 5 triples, 2 of 4 fours; equal lengths
    candidate = ["the", "cat", "lay", "on", "the", "mat", "today"]
    wanted = 100 * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25
    assert bleu([candidate], [[reference]]) == pytest.approx(wanted)
    short = reference[:5]
    assert bleu([short], [[reference]]) == pytest.approx(100 * math.exp(1 - 7 / 5))
    assert bleu([candidate, reference], [[candidate, reference], [reference]]) == pytest.approx(100)


def test_bleu_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(MissingExtra, match=r"pip install 'lamina\[text\]'"):
        bleu([["a"]], [[["a"]]])


def test_cider_is_that_of_its_definition():
    references = [[["a", "b"]], [["a", "c"]]]
    # "a" is in both pictures and weighs 0; "b" and "a b" weigh log 2; no triples, no fours
    assert cider([["a", "b"], ["a", "c"]], references) == pytest.approx([10 * 2 / 4] * 2)
    # "b" alone: equal unigrams (1), no pair, one word less
    assert cider([["b"], ["c", "c"]], references)[0] == pytest.approx(10 / 4 * math.exp(-1 / 72))
    # "c c": weight 2 log 2 clipped at log 2: 1 / 2 of the cosine, lengths equal
    assert cider([["b"], ["c", "c"]], references)[1] == pytest.approx(10 / 4 / 2)
    # the mean over references
    two = [[["a", "b"], ["d"]], [["a", "c"]]]
    assert cider([["a", "b"], ["x"]], two) == pytest.approx([10 * 2 / 4 / 2, 0])


def test_a_caption_without_a_reference_is_refused():
    for metric in (bleu, cider):
        with pytest.raises(BadInput, match="1 sentences with 0 lists"):
            metric([["a"]], [])
        with pytest.raises(BadInput, match="sentence 0 has no reference"):
            metric([["a"]], [[]])


def test_ranks_share_ties_and_take_the_best_of_several():
    scores = np.array([[3.0, 2, 1], [3, 2, 1], [1, 1, 1]])
    assert retrieval.ranks(scores).tolist() == [1, 2, 2]
    assert retrieval.recall_at(scores, 1) == pytest.approx(1 / 3)
    assert retrieval.recall_at(scores, 2) == 1
    assert retrieval.median_rank(scores) == 2
    assert retrieval.ranks(scores, np.array([2, 2, 0])).tolist() == [3, 3, 2]
    assert retrieval.ranks(scores[:1], np.array([[False, True, True]])).tolist() == [2]


def test_ranks_that_are_not_defined_are_refused():
    with pytest.raises(BadInput, match="not finite"):
        retrieval.ranks(np.array([[np.nan]]))
    with pytest.raises(BadInput, match="queries, candidates"):
        retrieval.ranks(np.zeros((0, 3)))
    with pytest.raises(BadInput, match=r"one of 0\.\.1"):
        retrieval.ranks(np.zeros((2, 2)), np.array([0, 2]))
    with pytest.raises(BadInput, match="one in each row"):
        retrieval.ranks(np.zeros((1, 2)), np.array([[False, False]]))
    with pytest.raises(BadInput, match="recall at 0"):
        retrieval.recall_at(np.zeros((1, 1)), 0)


def test_gaps_hide_words_alone_and_give_them_back():
    tokens = np.array([[1, 7, 8, 2, 0], [1, 9, 2, 0, 0]])
    gaps = cloze.hide(tokens, mask=3, special=4, seed=1)
    assert (gaps.tokens != tokens).sum(1).tolist() == [1, 1]
    assert gaps.answers[1] == 9
    assert np.array_equal(gaps.tokens[np.arange(2), gaps.places], [3, 3])
    many = cloze.hide(np.tile(tokens[:1], (400, 1)), mask=3, special=4)
    assert 150 < (many.answers == 7).sum() < 250
    with pytest.raises(BadInput, match="sentence 1 has no word"):
        cloze.hide(np.array([[5, 2], [1, 2]]), mask=3, special=4)


def test_cloze_accuracy_loses_ties():
    scores = np.array([[0.1, 0.9], [0.5, 0.5]])
    assert cloze.accuracy(scores, np.array([1, 0])) == 0.5
    assert cloze.accuracy(scores, np.array([1, 0]), k=2) == 1
    assert cloze.most_frequent(np.array([4, 4, 5]), np.array([4, 5])) == 0.5
    with pytest.raises(BadInput, match=r"the words are 0\.\.1"):
        cloze.accuracy(scores, np.array([1, 2]))
