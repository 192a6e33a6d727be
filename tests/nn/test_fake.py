"""Fake quantisation: in eval mode the integers of `to_integer()`, in training (nearly) the same; scales are learned."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lamina.core.errors import Unsupported
from lamina.ir import Fixed, Float, Network, Type
from lamina.ir.build import Builder
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from lamina.ir.network import Array
from lamina.ir.quantise import quantise
from lamina.ir.types import INDEX, Element, Integer, is_power_of_two
from lamina.nn._groups import quantised
from lamina.nn.fake import FakeQuantised, fake_quantised, to_integer
from tests.ir import quantise_nets
from tests.networks import lenet5

NETWORKS: dict[str, Callable[[], Network]] = {
    "zoo": lambda: quantise_nets.zoo(),
    "attention": lambda: quantise_nets.attention(batch=2, length=5, width=8, heads=2),
    "lstm": lambda: quantise_nets.lstm_tagger(steps=6, batch=2, words=20, hidden=8, tags=5),
    "gru": lambda: quantise_nets.gru(steps=6, batch=2, inputs=4, hidden=6),
    "gru backwards": lambda: quantise_nets.gru(steps=6, batch=2, inputs=4, hidden=6, reverse=True),
    "lenet5": lambda: lenet5(batch=2, activation="relu", pool="max_pool2d"),
    "lenet5 of 1998": lambda: lenet5(batch=2),
}


def drawn(network: Network, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 20, t.shape) if t.element == INDEX else rng.normal(size=t.shape).astype(np.float32)
        for name, t in network.inputs.items()
    }


def started(network: Network, scales: str = "power_of_two", **options: object) -> FakeQuantised:
    calibration = [drawn(network, seed) for seed in range(4)]
    start, _ = quantise(network, calibration, scales=scales, **options)  # type: ignore[arg-type]
    return fake_quantised(network, start)


def tensors(inputs: dict[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def trained(module: FakeQuantised, network: Network, steps: int = 3) -> FakeQuantised:
    """A few steps that pull the outputs to zero, at a rate that moves every scale."""
    parts: dict[float, list[torch.Tensor]] = {0.08: [], 0.01: []}
    for name, parameter in module.named_parameters():
        parts[0.08 if name.endswith("exponent") else 0.01].append(parameter)
    optimiser = torch.optim.Adam([{"params": some, "lr": rate} for rate, some in parts.items()])
    module.train()
    for step in range(steps):
        found = module(**tensors(drawn(network, step)))
        outputs = [y for y in (found.values() if isinstance(found, dict) else [found]) if y.requires_grad]
        optimiser.zero_grad()
        sum(y.square().mean() for y in outputs).backward()  # type: ignore[union-attr]
        optimiser.step()
    return module


@pytest.mark.parametrize(("scales", "bits"), [("power_of_two", 8), ("power_of_two", 3), ("float", 8), ("float", 4)])
@pytest.mark.parametrize("name", NETWORKS)
def test_eval_mode_is_the_integer_network_to_the_bit(name: str, scales: str, bits: int) -> None:
    network = NETWORKS[name]()
    module = started(network, scales, bits=bits)
    before = to_integer(module)
    trained(module, network).eval()
    made, inputs = to_integer(module), drawn(network, 9)
    found = module(**tensors(inputs))
    found = found if isinstance(found, dict) else {next(iter(made.outputs)): found}
    integers = 0
    for output, wanted in made.run(inputs).items():
        if made.types[made.outputs[output]].element == Float() and _ends_in_integers(made, output):
            np.testing.assert_array_equal(found[output].detach().numpy(), wanted)
            integers += wanted.size
        else:
            np.testing.assert_allclose(found[output].detach().numpy(), wanted, rtol=1e-4, atol=1e-4)
    assert integers > 0 or name == "attention"  # which ends in floats
    moved = [n for n, t in made.types.items() if t.element != before.types[n].element]
    alive = name != "zoo" or bits == 8  # else its outputs are constant, and nothing has a gradient
    assert len(moved) > len(network.operations) // 4 or not alive
    if scales == "power_of_two":
        assert all(is_power_of_two(s) for n in moved for s in made.types[n].element.scale)  # type: ignore[union-attr]


def _ends_in_integers(network: Network, output: str) -> bool:
    made = network.producer(network.outputs[output])
    return made is not None and made.operator == "dequantise"


@pytest.mark.parametrize("bits", [8, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_with_powers_of_two_training_gives_the_same_integers(name: str, bits: int) -> None:
    network = NETWORKS[name]()
    module = trained(started(network, bits=bits), network).train()
    made, inputs = to_integer(module), drawn(network, 9)
    real = module.values(tensors(inputs))
    stored = trace(made, inputs)
    compared = differing = 0
    for value, type_ in made.types.items():
        element = type_.element
        if isinstance(element, Integer) and quantised(element) and element.axis is None and value in real:
            if ".table" in value:
                continue
            q = real[value].detach().numpy().astype(np.float64) / element.scale[0] + element.zero_point
            compared += q.size
            differing += int((q != stored[value]).sum())
    assert compared > 50
    # only a function's result that lies within float32's error of a tie, or float operators between, may differ
    assert differing <= (0.002 * compared if name in ("attention", "zoo") else 0)


def test_a_module_starts_as_the_network_that_it_is_given() -> None:
    network = lenet5(batch=2)
    for scales in ("power_of_two", "float"):
        start, _ = quantise(network, [drawn(network, seed) for seed in range(4)], scales=scales)
        made = to_integer(fake_quantised(network, start))
        for name, type_ in start.types.items():
            assert made.types[name].element == type_.element
        for name in start.constants:
            np.testing.assert_array_equal(made.data(name), start.data(name), err_msg=name)


def test_weights_start_as_the_float_ones() -> None:
    network = lenet5(batch=2)
    module = started(network, bits=4)
    for name in network.constants:
        found = getattr(module, ":" + name.replace(".", ":"))
        assert isinstance(found, torch.nn.Parameter)
        np.testing.assert_array_equal(found.detach().numpy(), network.data(name))


def test_any_batch_goes_through() -> None:
    network = lenet5(batch=1)
    module = started(network).eval()
    x = torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    wanted = to_integer(module).run({"x": x.numpy()})["logits"]
    np.testing.assert_array_equal(module(x).numpy(), wanted)
    assert module.train()(x).shape == (5, 10)


def test_one_state_of_an_lstm_has_one_scale_over_all_steps() -> None:
    network = NETWORKS["lstm"]()
    made = to_integer(trained(started(network, state_bits=16), network))
    (scan,) = (o for o in made.operations if o.operator == "scan")
    body = scan.attributes["body"]
    assert isinstance(body, Network)
    for output, into in body.carry.items():
        assert body.types[body.outputs[output]].element == body.inputs[into].element
    assert {e.bits for e in (body.inputs[name].element for name in body.carry.values())} == {8, 16}


def test_layers_that_share_a_bias_or_a_table_keep_one() -> None:
    """Both layers read x, and the largest weight of both is 1: one stored bias serves both; so it is with the table."""
    b = Builder()
    x = b.input("x", Type(shape=(2, 3)))
    rng = np.random.default_rng(0)
    bias = b.constant("bias", rng.normal(size=3).astype(np.float32))
    drawn_weights = rng.uniform(-1, 1, (2, 3, 3)).astype(np.float32)
    drawn_weights[:, 0, 0] = 1
    weights = [b.constant(name, data) for name, data in zip(("first", "second"), drawn_weights, strict=True)]
    a, c = (b.emit("tanh", [b.emit("linear", [x, w, bias])]) for w in weights)
    network = b.network("shared", {"y": b.emit("add", [a, c])})
    module = trained(started(network, "float", per_channel=False), network)
    made = to_integer(module)
    assert [n for n in made.constants if "bias" in n] == ["bias"]
    assert made.types["first"].element == made.types["second"].element != module.start.types["first"].element
    inputs = drawn(network, 3)
    np.testing.assert_array_equal(module.eval()(**tensors(inputs)).numpy(), made.run(inputs)["y"])


def test_a_table_whose_function_is_unknown_is_refused() -> None:
    network = lenet5(batch=2)
    start, _ = quantise(network, [drawn(network, 0)])
    with pytest.raises(Unsupported, match="no float operation of that name"):
        fake_quantised(lenet5(batch=2, activation="relu"), start)


def test_weights_in_fixed_point_are_refused() -> None:
    network = lenet5(batch=2)
    with pytest.raises(Unsupported, match="whose scale cannot be learned"):
        fake_quantised(network, to_fixed(network, Fixed()))


def test_segments_in_fixed_point_keep_their_format() -> None:
    network = NETWORKS["gru"]()
    module = trained(started(network, functions="segments"), network)
    made, inputs = to_integer(module), drawn(network, 5)
    formats = [{e for e in _elements(n) if isinstance(e, Fixed)} for n in (made, module.start)]
    assert formats[0] == formats[1] != set()
    found = module.eval()(**tensors(inputs))
    for output, wanted in made.run(inputs).items():
        np.testing.assert_array_equal(found[output].numpy(), wanted)


def _elements(network: Network) -> list[Element]:
    found = [t.element for t in network.types.values()]
    for o in network.operations:
        body = o.attributes.get("body")
        found += _elements(body) if isinstance(body, Network) else []
    return found


def test_what_was_trained_is_loaded_again() -> None:
    network = lenet5(batch=2)
    module, other = trained(started(network), network), started(network).eval()
    x = tensors(drawn(network, 4))
    before = other(**x)
    other.load_state_dict(module.state_dict())
    other.eval()
    assert torch.equal(other(**x), module.eval()(**x))
    assert not torch.equal(other(**x), before)


def test_learned_scales_beat_scales_that_stay() -> None:
    """Regression to a function that its own start quantises badly: a range eight times too wide."""
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("x", Type(shape=(64, 8)))
    w = b.constant("w", rng.normal(size=(4, 8)).astype(np.float32) / 4)
    network = b.network("layer", {"y": b.emit("linear", [x, w], name="y")})
    inputs = {"x": rng.normal(size=(64, 8)).astype(np.float32)}
    wanted = torch.from_numpy(network.run(inputs)["y"])
    start, _ = quantise(network, [{"x": 8 * inputs["x"]}], bits=4, weight_bits=8, scales="float")
    module = fake_quantised(network, start)

    def error() -> float:
        return float((module.eval()(**tensors(inputs)) - wanted).square().mean())

    before = error()
    scales = [p for n, p in module.named_parameters() if n.endswith("exponent")]
    optimiser = torch.optim.Adam(scales, lr=0.02)
    for _ in range(100):
        loss = (module.train()(**tensors(inputs)) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert error() < before / 5
