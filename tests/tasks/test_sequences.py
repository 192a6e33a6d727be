"""Made-up sequences have the answers that their rules say, and follow from the seed."""

import math

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.tasks import adding, copying, temporal_order, temporal_xor
from lamina.tasks.gradient_norms import gradient_norms
from lamina.tasks.perplexity import perplexity

MADE = {
    "adding": lambda seed: adding.adding(50, 11, seed=seed),
    "copying": lambda seed: copying.copying(50, 7, seed=seed),
    "temporal_order": lambda seed: temporal_order.temporal_order(50, 30, seed=seed),
    "temporal_xor": lambda seed: temporal_xor.temporal_xor(50, 10, seed=seed),
}


@pytest.mark.parametrize("name", MADE)
def test_the_seed_alone_decides(name):
    torch.manual_seed(1)
    first = MADE[name](3)
    torch.manual_seed(2)
    again, other = MADE[name](3), MADE[name](4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_adding():
    made = adding.adding(2000, 11)
    values, marks = made["x"].unbind(dim=2)
    assert (marks[:, :5].sum(1) == 1).all()
    assert (marks[:, 5:].sum(1) == 1).all()
    assert torch.allclose((values * marks).sum(1), made["y"][:, 0])
    assert float(((made["y"] - 1) ** 2).mean()) == pytest.approx(adding.BASELINE, rel=0.1)
    assert adding.solved(made["y"] + 0.079, made["y"]) == 1.0
    assert adding.solved(made["y"] + 0.081, made["y"]) == 0.0


def test_copying():
    made = copying.copying(20, 7, length=4, symbols=5)
    assert made["x"].shape == made["y"].shape == (20, 15)
    assert torch.equal(made["x"][:, :4], made["y"][:, -4:])
    assert made["x"][:, :4].max() < 5
    assert made["x"][0, 4:].tolist() == [5] * 6 + [6] + [5] * 4
    assert (made["y"][:, :11] == 5).all()
    guess = torch.full((20, 15, 7), -50.0)
    guess[:, :11, 5] = 50.0
    guess[:, 11:, :5] = 0.0
    loss = torch.nn.functional.cross_entropy(guess.flatten(0, 1), made["y"].flatten())
    assert float(loss) == pytest.approx(copying.baseline(7, length=4, symbols=5), rel=1e-5)
    assert copying.baseline(100) == pytest.approx(10 * math.log(8) / 120)
    assert copying.recalled(torch.nn.functional.one_hot(made["y"], 7), made["y"], length=4) == 1.0


@pytest.mark.parametrize("signals", [2, 3])
def test_temporal_order(signals):
    made = temporal_order.temporal_order(400, 100, signals=signals)
    words = ["".join(temporal_order.TOKENS[t] for t in row) for row in made["x"].tolist()]
    for word, y in zip(words, made["y"].tolist(), strict=True):
        seen = [c for c in word if c in "XY"]
        assert int("".join(str("XY".index(c)) for c in seen), 2) == y
        assert len(seen) == signals
        assert (word[0], word[-1]) == ("E", "B")
        assert all(
            any(int(100 * a) <= word.index(c, int(100 * a)) < int(100 * b) for c in "XY" if c in word[int(100 * a) :])
            for a, b in temporal_order.RANGES[signals]
        )
    assert torch.bincount(made["y"]).min() > 400 / 2**signals / 2


def test_temporal_xor():
    made = temporal_xor.temporal_xor(3000, 9)
    bits = torch.cat([made["x"][:, :1, 0].long(), made["y"]], dim=1)
    assert torch.equal(bits[:, :-1], made["x"][:, :, 0].long())
    for start in (0, 3, 6):
        assert torch.equal(bits[:, start] ^ bits[:, start + 1], bits[:, start + 2])
    knows = torch.nn.functional.one_hot(made["y"], 2)
    assert temporal_xor.by_place(knows, made["y"]) == (1.0, 1.0, 1.0)
    memory = bits[:, :-1] ^ torch.cat([bits[:, :1], bits[:, :-2]], dim=1)  # of this bit and the one before
    first, second, third = temporal_xor.by_place(torch.nn.functional.one_hot(memory, 2), made["y"])
    assert third == 1.0
    assert (first, second) == pytest.approx((0.5, 0.5), abs=0.1)


def test_perplexity():
    tokens = torch.tensor([[0, 1], [2, 3]])
    assert perplexity(torch.zeros(2, 2, 7), tokens) == pytest.approx(7)
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    assert perplexity(p.log(), torch.tensor([0, 1])) == pytest.approx((0.5 * 0.8) ** -0.5)
    for logits, wrong, message in (
        (torch.zeros(3, 7), torch.zeros(2, dtype=torch.int64), r"\[\.\.\., vocabulary\]"),
        (torch.zeros(0, 7), torch.zeros(0, dtype=torch.int64), "a token at least"),
        (torch.zeros(1, 7), torch.tensor([7]), r"0\.\.6"),
    ):
        with pytest.raises(BadInput, match=message):
            perplexity(logits, wrong)


def test_gradient_norms_of_a_linear_cell_are_powers_of_its_matrix():
    torch.manual_seed(0)
    u, g = torch.rand(4, 4, dtype=torch.float64) - 0.5, torch.rand(4, dtype=torch.float64)
    zeros = torch.zeros(6, 1, 4, dtype=torch.float64)
    norms = gradient_norms(lambda s, x: s @ u.T + x, zeros, zeros[0], lambda s: (s[0] * g).sum())
    known = [float((torch.linalg.matrix_power(u.T, k) @ g).norm()) for k in range(7)]
    assert norms == pytest.approx(known, rel=1e-12)


def test_gradient_norms_of_a_pair_and_of_what_has_no_influence():
    zeros = torch.zeros(3, 1)
    norms = gradient_norms(
        lambda s, x: (s[0] + x, 2 * s[1]), zeros, (zeros[0], zeros[0]), lambda s: 3 * s[0].sum() + 4 * s[1].sum()
    )
    assert norms == pytest.approx([math.hypot(3, 4 * 2**k) for k in range(4)])
    assert gradient_norms(lambda s, x: x, zeros.requires_grad_(), zeros[0], lambda s: s.sum()) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: adding.adding(5, 1), "steps: 1 given, at least 2 needed"),
        (lambda: adding.adding(0, 10), "sequences: 0 given"),
        (lambda: copying.copying(5, 0), "lag: 0 given"),
        (lambda: temporal_order.temporal_order(5, 9), "steps: 9 given, at least 10"),
        (lambda: temporal_order.temporal_order(5, 90, signals=4), "2 or 3"),
        (lambda: temporal_xor.temporal_xor(5, 0), "steps: 0 given"),
        (lambda: temporal_xor.by_place(torch.zeros(1, 2, 2), torch.zeros(1, 2)), "at least 3"),
        (lambda: gradient_norms(lambda s, x: s, [], torch.zeros(1), torch.sum), "length 0"),
        (lambda: gradient_norms(lambda s, x: s + x, torch.ones(1, 2), torch.zeros(2), lambda s: s), "one number"),
    ],
)
def test_bad_input_is_named(made, message):
    with pytest.raises(BadInput, match=message):
        made()
