"""The adding problem at a lag: which recurrent network keeps a number that long, how far its gradients reach, its cost.

    gradients   norm of the answer's gradient for the state, lag by lag, before any training
    lags        networks x steps at one learning rate    ▶  error, in percent of what is left without a memory (1/6)
    rates       networks x learning rates at one length  ▶  how many of the rates solve: the tuning that is needed
    cost        weights and multiply-accumulates of one sequence, processor seconds of an update

Networks have equal numbers of units, not of weights, equal sequences, updates and schedule. Cells of the LSTM start by
forgetting in 1 .. T steps, T the length of the sequences, with inputs as far shut as their memories are long, so that
none overflows (Tallec and Ollivier); `lstm_1` starts as is more usual, the bias of its forget gates at 1, which forgets
half in two steps. That and the learning rate were settled on other sequences than those that judge. At each length the
RNN has a second, smaller rate, and the better of its two errors counts. A training solves the problem when its error is
below a tenth of 1/6.

Papers     Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, experiment 4 (an LSTM solves it at minimal lags of
           50 to 500); Bengio, Simard and Frasconi, IEEE Trans. Neural Networks 5(2), 1994 (why a plain one does not);
           Tallec and Ollivier, ICLR 2018, https://arxiv.org/abs/1804.11188 (how gates begin)
"""

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Line, Study, Trial, differences, line, per_seed, seeds, study

ROWS = ("M29", "M31")
CLAIM = "C19"
TRIAL_S = 13.0  # of processor time, on average over lengths
NETWORKS = ("rnn", "lstm", "lstm_1")
JUDGED = -1  # seed of the sequences that judge; those of learners have seeds from 0 on
SEQUENCES = 1000  # that judge
SOLVED = 10.0  # percent of the error without a memory
_COUNTS = ("hidden", "updates", "batch_size", "examples")
LSTM = "Hochreiter and Schmidhuber, Neural Computation 9(8), 1997"
RNN = "Bengio, Simard and Frasconi, IEEE Trans. Neural Networks 5(2), 1994"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    steps: tuple[int, ...] = (25, 50, 100, 200)  # of a sequence; the first number lies at least half of them back
    rate: float = 0.01  # peak of Adam's learning rate, at every length
    second_rate: float = 1e-3  # that the RNN has too: the better of its two errors counts
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 0.01, 0.03)
    rated_steps: int = 50  # of the sequences by which rates are compared
    lag: int = 100  # at which gradients are compared
    hidden: int = 32
    updates: int = 2500
    batch_size: int = 32
    examples: int = 20_000  # to learn from
    clip: float = 1.0  # the most that the norm of a gradient may be

    def __post_init__(self) -> None:
        given: Mapping[str, float] = {"seed": 0, "seeds": 2, "lag": 3, "rated_steps": 3} | dict.fromkeys(_COUNTS, 1)
        for name, least in given.items():
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        for name, least in (("steps", 3), ("rates", 1e-9)):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values) or min(values) < least:
                raise BadInput(f"{name} is {values}: one or more of at least {least:g}, each once, are needed")
        for name in ("rate", "second_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)}: a positive number is needed")


def adding(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    """A training that stands both among the lags and among the rates is done once."""
    given, found = asdict(config), []
    pairs = {(steps, config.rate) for steps in config.steps} | {(config.rated_steps, rate) for rate in config.rates}
    more = {(steps, config.second_rate) for steps in config.steps}
    trainings = {network: pairs | more if network == "rnn" else pairs for network in NETWORKS}
    for seed in seeds(config):
        shared = given | {"seed": seed}
        for network, several in trainings.items():
            for steps, rate in sorted(several, reverse=True):  # the longest first
                settings = shared | {"kind": "training", "network": network, "steps": steps, "rate": rate}
                found.append(Trial(name=f"{_arm(network, steps, rate)}-{seed}", settings=settings))
        found += [Trial(name=f"{kind}-{seed}", settings=shared | {"kind": kind}) for kind in ("gradients", "cost")]
    return found


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {"training": _training, "gradients": _gradients, "cost": _cost}[settings["kind"]](settings)


def figures(config: Config, found: Found) -> list[Figure]:
    longest, lag = max(config.steps), config.lag
    error = {network: _at_length(config, found, network, longest) for network in NETWORKS}
    reach = {network: _reach(config, found, network) for network in NETWORKS}
    share = {network: _solving(config, found, network) for network in NETWORKS}
    cost = {name: per_seed(config, found, "cost", name) for name in found[f"cost-{config.seed}"]}
    return [
        over_seeds(
            reach["rnn"],
            row="M29", name="rnn_gradient", title=f"RNN: gradient {lag} steps back over one step back, log10",
            title_zh=f"普通 RNN：{lag} 步前与 1 步前梯度之比（log10）", unit="decades", rule="at_most", limit=-3,
            source=RNN, claim=CLAIM,
        ),
        over_seeds(
            differences(reach["lstm"], reach["rnn"]),
            row="M31", name="gradient_over_rnn", title=f"The same of the LSTM over the RNN's, {lag} steps back, log10",
            title_zh=f"LSTM 与普通 RNN 在 {lag} 步处保留梯度之比（log10）", unit="decades", rule="at_least", limit=3,
            source=LSTM, claim=CLAIM,
        ),
        over_seeds(
            error["lstm"],
            row="M31", name="lstm_error", title=f"LSTM: error at {longest} steps, of that without a memory",
            title_zh=f"LSTM 在 {longest} 步加法问题上的误差（占无记忆误差）", unit="%", rule="at_most", limit=SOLVED,
            source=LSTM, claim=CLAIM,
        ),
        over_seeds(
            error["rnn"],
            row="M29", name="rnn_error", title=f"RNN: error at {longest} steps, of that without a memory",
            title_zh=f"普通 RNN 在 {longest} 步加法问题上的误差（占无记忆误差）", unit="%", rule="at_least", limit=50,
            source=RNN, claim=CLAIM,
        ),
        over_seeds(
            differences(share["lstm"], share["rnn"]),
            row="M31", name="rates_over_rnn", title=f"Rates that solve {config.rated_steps} steps, LSTM over RNN",
            title_zh=f"能解 {config.rated_steps} 步问题的学习率比例，LSTM 减普通 RNN", unit="points", rule="at_least",
            limit=100 / len(config.rates), source="the survey, section 2.5; one rate more", claim=CLAIM,
        ),
        over_seeds(
            share["lstm"],
            row="M31", name="rates_solving", title=f"Rates at which an LSTM solves {config.rated_steps} steps",
            title_zh=f"LSTM 能解 {config.rated_steps} 步问题的学习率比例", unit="%", rule="at_least", limit=50,
            source="the survey, section 2.5 (no careful tuning); half of a sweep over two decades", claim=CLAIM,
        ),
        over_seeds(
            share["lstm_1"],
            row="M31", name="rates_solving_half_open", title="The same of an LSTM whose forget gates start at 1",
            unit="%", rule="at_least", limit=50, source="the survey, section 2.5 (no careful tuning)",
        ),
        Figure(
            row="M31", name="macs_over_rnn", title="Multiply-accumulates of an LSTM over an RNN's, equal units",
            title_zh="单元数相同时 LSTM 与普通 RNN 的乘加次数之比", unit="x", measured=round(cost["macs"][0], 4),
            rule="at_least", limit=1, source="the survey, section 2.5", claim=CLAIM,
        ),
        Figure(
            row="M31", name="bytes_over_rnn", title="Bytes of an LSTM's weights over an RNN's, equal units",
            title_zh="单元数相同时 LSTM 与普通 RNN 的权重字节之比", unit="x", measured=round(cost["bytes"][0], 4),
            rule="at_least", limit=1, source="the survey, section 2.5", claim=CLAIM,
        ),
        over_seeds(
            cost["seconds"],
            row="M31", name="seconds_over_rnn", title="Processor seconds of an LSTM's update over an RNN's, 128 units",
            title_zh="LSTM 与普通 RNN 每次更新的处理器时间之比（128 单元）", unit="x", rule="at_least", limit=1,
            source="the survey, section 2.5", claim=CLAIM,
        ),
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    lags = range(config.lag + 1)
    norms = {
        network: zip(*(_norms_of(found, network, seed, len(lags)) for seed in seeds(config)), strict=True)
        for network in NETWORKS
    }
    reach = [
        Line(name=network, x=list(lags), y=[10 ** statistics.fmean(map(math.log10, at)) for at in values])
        for network, values in norms.items()
    ]
    by_steps = [
        line(network, config.steps, (_at_length(config, found, network, n) for n in config.steps))
        for network in NETWORKS
    ]
    by_rate = [
        line(network, config.rates, (_errors(config, found, network, config.rated_steps, r) for r in config.rates))
        for network in NETWORKS
    ]
    left = "error (% of that without a memory)"
    return [
        Curves(
            title="How far a gradient reaches before training", x="lag (steps)", y="norm over that of lag 0",
            lines=tuple(reach), log_y=True,
        ),
        Curves(title="Adding problem by length", x="steps", y=left, lines=tuple(by_steps), log_x=True),
        Curves(
            title=f"Adding problem of {config.rated_steps} steps by learning rate", x="learning rate", y=left,
            lines=tuple(by_rate), log_x=True,
        ),
    ]  # fmt: skip


def _arm(network: str, steps: int, rate: float) -> str:
    return f"{network}-{steps}-{rate:g}"


def _errors(config: Config, found: Found, network: str, steps: int, rate: float) -> tuple[float, ...]:
    return per_seed(config, found, _arm(network, steps, rate), "error")


def _at_length(config: Config, found: Found, network: str, steps: int) -> tuple[float, ...]:
    """Seed by seed, the error at `rate`; of the RNN the smaller one of both rates."""
    at_rate = _errors(config, found, network, steps, config.rate)
    if network != "rnn":
        return at_rate
    return tuple(map(min, at_rate, _errors(config, found, network, steps, config.second_rate)))


def _solving(config: Config, found: Found, network: str) -> tuple[float, ...]:
    """Seed by seed, the percent of the rates that solve."""
    errors = [_errors(config, found, network, config.rated_steps, rate) for rate in config.rates]
    return tuple(100 * statistics.fmean(error < SOLVED for error in seed) for seed in zip(*errors, strict=True))


def _reach(config: Config, found: Found, network: str) -> tuple[float, ...]:
    """Seed by seed, the decades between the gradient `lag` steps back and that of one step back."""
    norms = [found[f"gradients-{seed}"][network] for seed in seeds(config)]
    return tuple(math.log10(of_seed[config.lag] / of_seed[1]) for of_seed in norms)


def _norms_of(found: Found, network: str, seed: int, count: int) -> list[float]:
    norms = found[f"gradients-{seed}"][network][:count]
    return [norm / norms[0] for norm in norms]


def _model(network: str, *, hidden: int, steps: int, seed: int) -> Any:
    import torch

    from lamina.recipes._work import model_module

    kind = network.removesuffix("_1")
    module = model_module(kind)
    model = getattr(module, kind)(module.Config(inputs=2, hidden=hidden, outputs=1, steps=steps), seed=seed)
    if network == "lstm":
        generator = torch.Generator().manual_seed(derive(seed, "adding", "gates"))
        bias = (1 + (steps - 2) * torch.rand(hidden, generator=generator)).log()
        with torch.no_grad():
            model.layer.bias_ih[: 2 * hidden] = torch.cat([-bias, bias])  # of input and forget gates
            model.layer.bias_hh[: 2 * hidden] = 0.0
    return model


def _training(settings: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    from lamina.recipes._made import made
    from lamina.tasks import adding as task
    from lamina.training import FitConfig, fit

    steps, seed = settings["steps"], settings["seed"]
    train = task.adding(settings["examples"], steps, seed=seed)
    judged = task.adding(SEQUENCES, steps, seed=JUDGED)
    model = _model(settings["network"], hidden=settings["hidden"], steps=steps, seed=seed)
    schedule = FitConfig(
        steps=settings["updates"], batch_size=settings["batch_size"], learning_rate=settings["rate"],
        clip=settings["clip"], schedule="one_cycle",
    )  # fmt: skip
    fit(model, made(f"adding {steps}", train, {k: v[:0] for k, v in train.items()}), config=schedule, seed=seed)
    with torch.no_grad():
        answers = model(judged["x"])
    error = float((answers - judged["y"]).square().mean())
    return {"error": 100 * error / task.BASELINE, "right": 100 * task.solved(answers, judged["y"])}


def _gradients(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Norms of the mean answer's gradient for the states of each network as built, lag 0 first, in float64."""
    from torch import Tensor
    from torch.nn import functional as F

    from lamina.tasks.adding import adding as sequences
    from lamina.tasks.gradient_norms import gradient_norms

    lag, seed = settings["lag"], settings["seed"]
    x = sequences(50, lag, seed=seed)["x"].double()
    found = {}
    for network in NETWORKS:
        model = _model(network, hidden=settings["hidden"], steps=lag, seed=seed).double()
        layer = model.layer

        def step(state: Any, a: Tensor, layer: Any = layer) -> Any:
            return layer.step(state, a)[0]

        def answer(state: Any, model: Any = model) -> Any:
            return model.head(state if isinstance(state, Tensor) else state[0]).mean()

        a = F.linear(x, layer.weight_ih, layer.bias_ih).transpose(0, 1).detach()
        found[network] = gradient_norms(step, a, layer.begin(x), answer)
    return found


def _cost(settings: Mapping[str, Any], *, updates: int = 12, size: int = 64) -> dict[str, Any]:
    """An LSTM's over an RNN's, both as registered, 128 units and 100 steps: updates in turn, the median of each."""
    import lamina
    from lamina.lowering import lower
    from lamina.tasks.adding import adding as sequences
    from lamina.training.steps import begin, gradients, update

    models = [getattr(lamina.models, kind)(seed=settings["seed"]) for kind in ("rnn", "lstm")]
    states = [begin(model, "adam", settings["rate"]) for model in models]
    batch = sequences(size, 100, seed=settings["seed"])
    seconds: list[list[float]] = [[], []]
    for _ in range(updates):
        for model, state, taken in zip(models, states, seconds, strict=True):
            before = time.process_time()
            update(state, gradients(model, batch)[1], settings["rate"])
            taken.append(time.process_time() - before)
    networks = [lower(model.eval(), input_shape=(1, 100, 2)) for model in models]
    rnn, lstm = (statistics.median(taken[2:]) for taken in seconds)  # the first two allocate
    return {
        "macs": networks[1].macs / networks[0].macs,
        "bytes": networks[1].parameters / networks[0].parameters,  # four bytes each, in both
        "seconds": lstm / rnn,
    }
