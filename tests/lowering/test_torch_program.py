"""Whole programs of torch: recurrence, writing in place, several inputs and results, entries, refusals."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import text
from lamina.ir.types import INDEX
from lamina.lowering import lower, lower_all
from lamina.nn import scan
from tests.lowering.test_torch_rules import Function, agree, flat


def check(module, **inputs):
    """Lowered equals torch; the network's text reads back. Returns the network."""
    module = module.eval() if isinstance(module, nn.Module) else Function(module)
    copies = {name: x.clone() for name, x in inputs.items()}
    network = lower(module, inputs=inputs)
    with torch.no_grad():
        expected = module(**copies)
    agree(network, inputs, flat(list(expected.values()) if isinstance(expected, dict) else expected))
    assert text.print_file(text.parse(text.print_file([network]))) == text.print_file([network])
    return network


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


SEQUENCE = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN, lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k)])
@pytest.mark.parametrize(
    "settings", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.5}, {"batch_first": True}, {"bias": False}]
)
def test_recurrent_layers_are_scans(layer, settings):
    module = seeded(lambda: layer(4, 6, **settings))
    network = check(module, input=SEQUENCE)
    scans = [o for o in network.operations if o.operator == "scan"]
    assert len(scans) == settings.get("num_layers", 1) * (2 if "bidirectional" in settings else 1)
    steps, batch = (3, 5) if "batch_first" in settings else (5, 3)
    weights = sum(p.numel() for p in module.parameters() if p.ndim == 2)
    assert network.macs == steps * batch * weights
    assert network.parameters == sum(p.numel() for p in module.parameters())


def test_states_that_are_handed_in():
    module = seeded(lambda: nn.LSTM(4, 6))
    state = (torch.rand(1, 3, 6), torch.rand(1, 3, 6))
    network = lower(module, inputs={"input": SEQUENCE, "hx": state})
    given = dict(zip(network.inputs, (SEQUENCE, *state), strict=True))
    assert list(given) == ["input", "hx_0", "hx_1"]
    agree(network, given, flat(module(SEQUENCE, state)))


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells_alone(cell):
    check(seeded(lambda: cell(4, 6)), input=SEQUENCE[0])


class Peephole(nn.Module):
    """Gates that see the cell state; nested: each step runs a scan of its own over the features."""

    def __init__(self, *, reverse=False, nested=False):
        super().__init__()
        self.gates, self.again = nn.Linear(4, 12), nn.Linear(3, 12, bias=False)
        self.peephole = nn.Parameter(torch.rand(3))
        self.reverse, self.nested = reverse, nested

    def cell(self, state, x):
        h, c = state
        i, f, o, g = (self.gates(x) + self.again(h)).chunk(4, -1)
        c = torch.sigmoid(f + self.peephole * c) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o + self.peephole.exp() * c) * c
        if self.nested:
            total, _ = scan(lambda s, v: (torch.tanh(s + v), s), h.T, torch.zeros(x.shape[0]))
            h = h + total[:, None]
        return (h, c), (h, h.sum(1))

    def forward(self, x):
        zero = torch.zeros(x.shape[1], 3)
        return scan(self.cell, x, (zero, zero), reverse=self.reverse)


@pytest.mark.parametrize("settings", [{}, {"reverse": True}, {"nested": True}])
def test_nn_scan_is_one_scan(settings):
    module = seeded(lambda: Peephole(**settings))
    network = check(module, x=SEQUENCE)
    assert [o.operator for o in network.operations].count("scan") == 1
    assert network.macs == 5 * 3 * 12 * (4 + 3)  # steps, batch, gates, input and state
    assert {"gates.weight", "again.weight", "peephole"} <= set(network.constants)
    assert "exp" not in [o.operator for o in network.operations]  # of a parameter alone: folded


def test_a_scan_over_several_sequences_hands_states_through():
    def run(x, y):
        (a, b), (s, t) = scan(lambda state, both: ((state[1], state[0] + both[0]), both), (x, y), (x[0], y[0]))
        return a, b, s + 0, t * 2

    check(run_module(run), x=SEQUENCE, y=SEQUENCE * 2)


def run_module(function):
    class Two(nn.Module):
        def forward(self, x, y):
            return function(x, y)

    return Two()


def test_what_leaks_out_of_a_cell_is_refused():
    def leak(x):
        seen = []
        scan(lambda s, v: (seen.append(v * 2) or s + v, s), x, x[0])
        return seen[-1]

    with pytest.raises(Unsupported, match="a cell's inside"):
        lower(Function(leak), inputs={"x": SEQUENCE})


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.relu(x + 0, inplace=True) * 2,
        lambda x: (x * 1).add_(x).mul_(2),
        lambda x: x.mul_(3) + x,  # the caller's own tensor
        lambda x: [(y := x + 1), y[:, 0].mul_(5), y][-1],  # a part written through a view
        lambda x: [(y := x + 1), y.view(-1).relu_(), y][-1],
        lambda x: [(y := x + 1), (z := y[1]), y.mul_(2), z + y][-1],  # a view read after its base is written
    ],
    ids=["relu", "chain", "input", "column", "view", "base"],
)
def test_writing_in_place_is_seen_where_torch_shows_it(function):
    check(function, x=torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))


def test_assignments():
    class Writes(nn.Module):
        def forward(self, x):
            y = torch.zeros_like(x)
            y[:, 1:3] = x[:, :2]
            y[0] = 7
            y[:, ::2] += 1
            y[x > 1] = -1
            z = torch.zeros(4, 4)
            z[torch.arange(3), torch.tensor([2, 0, 1])] = x[:, 0]
            return y, z

    network = check(Writes(), x=torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert network.outputs.keys() == {"output_0", "output_1"}


def test_state_in_a_buffer_is_refused():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x):
            self.seen += 1
            return x * self.seen

    with pytest.raises(Unsupported, match=r"'seen'.*nn\.scan"):
        lower(Counts(), input_shape=(1, 2))


def test_local_response_is_one_operator():
    x = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0))
    for picture in (x, x[..., 0]):
        network = check(lambda x: F.local_response_norm(x, 3, 0.2, 0.6, 1.5), x=picture)
        assert [o.operator for o in network.operations] == ["lrn"]
    even = check(lambda x: F.local_response_norm(x, 4, 0.2), x=x)  # torch's window lies otherwise
    assert "lrn" not in [o.operator for o in even.operations]
    near = check(lambda x: x / (1 + F.avg_pool2d(x * x, 3, 1, 1) * 0.1) ** 0.75, x=x)
    assert "lrn" not in [o.operator for o in near.operations]


def test_names_of_results():
    x = torch.rand(2, 3)
    results = {
        "output": lambda x: (x + 1,),
        "output_0 output_1": lambda x: (x + 1, x + 2),
        "sum pair_0 pair_1": lambda x: {"sum": x + 1, "pair": (x + 2, x + 3)},
        "output_0 output_1_0 output_1_1": lambda x: [x + 1, (x + 2, x + 3)],
    }
    for names, function in results.items():
        assert list(lower(Function(function), inputs={"x": x}).outputs) == names.split()


def test_tokens_and_other_types():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 4, padding_idx=0)

        def forward(self, tokens, mask, scale):
            return self.embed(tokens) * mask[..., None] * scale.float()

    given = {"tokens": torch.randint(9, (2, 5)), "mask": torch.rand(2, 5) > 0.5, "scale": torch.rand(1).double()}
    network = check(seeded(Tagger), **given)
    assert network.inputs["tokens"].element == INDEX
    assert lower(seeded(Tagger), inputs=tuple(given.values())).inputs.keys() == given.keys()
    mixed = lower(Plain(), inputs={"b": torch.ones(3, dtype=torch.int64)}, input_shape={"a": (2, 3)})
    assert [str(t) for t in mixed.inputs.values()] == ["f32[2,3]", "i64[3]"]


class Plain(nn.Module):
    def forward(self, a, b):
        return a + b


class Pair(nn.Module):
    """A model of two players."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = nn.Linear(2, 6), nn.Linear(6, 1)

    def forward(self, z):
        return self.discriminator(self.generator(z))

    def judged(self, x):
        return torch.sigmoid(self.discriminator(x))

    def entries(self):
        return {
            "main": (self.forward, torch.rand(1, 2)),
            "generator": (self.generator, {"input": torch.rand(1, 2)}),
            "judge": (self.judged, (torch.rand(1, 6),)),
        }


def test_entries_become_networks():
    model = seeded(Pair)
    networks = lower_all(model, name="pair")
    assert [n.name for n in networks] == ["pair", "pair.generator", "pair.judge"]
    assert set(networks[2].constants) == {"discriminator.weight", "discriminator.bias"}
    x = torch.rand(4, 6)
    agree(networks[2], {"x": x}, [model.judged(x)])
    (alone,) = lower_all(Plain(), input_shape={"a": (1, 2), "b": (1, 2)})
    assert alone.name == "plain"


def test_grads_and_modes_are_left_alone():
    model = seeded(Pair)
    model.generator.eval()
    lower(model, input_shape=(1, 2))
    assert (model.training, model.generator.training, torch.is_grad_enabled()) == (True, False, True)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: F.dropout(x, 0.5, True), "draws random numbers"),
        (lambda x: x.half(), "float16"),
        (lambda x: x[x > 0], "depends on data"),
        (lambda x: torch.fft.fft(x), "fft|complex"),
        (lambda x: x + float("nan"), "NaN"),
        (lambda x: torch.rand_like(x) + x, "rand_like"),
    ],
)
def test_what_has_no_meaning_is_refused(function, said):
    with pytest.raises((BadInput, Unsupported), match=said):
        lower(Function(function), inputs={"x": torch.rand(2, 3)})


def test_projections_are_refused():
    with pytest.raises(Unsupported, match="proj_size"):
        lower(nn.LSTM(4, 6, proj_size=2), inputs={"input": SEQUENCE})
