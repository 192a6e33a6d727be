"""Deep Compression: prune, share weights, code what is left, and count the bytes of the real file.

    float32 ──prune──▶ few weights ──share_weights──▶ few values ──packed──▶ .lmn
             retrain               retrain

    ratio = 4 bytes x parameters / bytes of the .lmn file, header, code tables and checksum included

`prune_stage` and `share_stage` are the two halves, for a recipe that keeps what is between them; `deep_compression`
runs both, and with `max_drop` or `target_ratio` walks a short list of densities and codebook sizes, each step from the
network before it. Accuracies come from `evaluate`, which must see validation data only: choices are made by them.

Units      accuracies and drops are shares in [0, 1] (0.001 = 0.1 points); sizes are bytes
Paper      Han et al., "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149 (LeNet-300-100 40x, LeNet-5 39x)
"""

import copy
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from lamina.compression import packed, prune, share_weights
from lamina.compression.prune import Retrain
from lamina.core.errors import BadInput

ROWS = ("O6",)

Evaluate = Callable[[nn.Module], float]

DENSITIES = (0.12, 0.08, 0.055, 0.04, 0.03, 0.022, 0.016)  # walked when searching, densest first
CLUSTERS = (32, 16, 8, 6, 4)  # walked next, at the density found


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    density: float = 0.08  # share of all weights that stays, in (0, 1]; divided among the layers by `rule`
    rule: prune.Rule = "lamp"
    densities: tuple[float, ...] | None = None  # per layer, in the model's order; overrides density and rule
    clusters: tuple[int, ...] = (16,)  # codebook entries: one number for all layers, or one per layer
    ramp: float = 0.5  # share of the pruning's retraining until the last weight is pruned, in [0, 1]
    float_bits: int = 16  # kept bits of biases and codebook values: 16, 24 or 32
    max_drop: float | None = None  # search: the smallest file that loses at most this much validation accuracy
    target_ratio: float | None = None  # search: the first that is at least this many times smaller


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One row of the table "bytes by stage"."""

    name: str
    bytes: int
    ratio: float  # float32 bytes of all parameters / bytes
    accuracy: float | None  # on validation data; None where it is that of another row


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    config: Config  # with the densities and clusters chosen
    densities: dict[str, float]  # reached, per layer
    clusters: dict[str, int]  # distinct non-zero values, per layer
    stages: tuple[Stage, ...]
    rows: tuple[dict[str, Any], ...]  # packed.sizes: where the file's bytes are
    met: bool  # whether max_drop and target_ratio, where given, are kept
    tried: tuple[dict[str, Any], ...]  # every candidate of a search: density, clusters, accuracy, bytes

    @property
    def ratio(self) -> float:
        return self.stages[-1].ratio

    @property
    def drop(self) -> float:
        """Validation accuracy lost, in [-1, 1]."""
        accuracies = [stage.accuracy for stage in self.stages if stage.accuracy is not None]
        return accuracies[0] - accuracies[-1]

    def __str__(self) -> str:
        lines = [f"{self.ratio:.1f} times smaller, {100 * self.drop:+.2f} points of validation accuracy lost"]
        for stage in self.stages:
            reached = "" if stage.accuracy is None else f"   {stage.accuracy:.2%}"
            lines.append(f"  {stage.name:<24} {stage.bytes:>10,} bytes {stage.ratio:>7.1f}x{reached}")
        return "\n".join(lines)


def layer_densities(model: nn.Module, config: Config) -> dict[str, float]:
    """The density that `config` gives each layer of `model`."""
    names = list(prune.weights(model))
    if config.densities is None:
        return prune.densities(model, config.density, config.rule)
    if len(config.densities) != len(names):
        raise BadInput(f"{len(config.densities)} densities for {len(names)} layers: {', '.join(names)}")
    return dict(zip(names, config.densities, strict=True))


def layer_clusters(model: nn.Module, config: Config) -> dict[str, int]:
    """The codebook size that `config` gives each layer of `model`."""
    names = list(prune.weights(model))
    counts = config.clusters * len(names) if len(config.clusters) == 1 else config.clusters
    if len(counts) != len(names):
        raise BadInput(f"{len(config.clusters)} numbers of clusters for {len(names)} layers: {', '.join(names)}")
    return dict(zip(names, counts, strict=True))


def prune_stage(model: nn.Module, *, retrain: Retrain, config: Config = Config()) -> dict[str, float]:
    """Prune and retrain `model` in place; the densities reached."""
    prune.gradual(model, layer_densities(model, config), retrain=retrain, ramp=config.ramp)
    return prune.density(model)


def share_stage(model: nn.Module, *, retrain: Retrain, config: Config = Config()) -> dict[str, int]:
    """Share, retrain and round the weights of `model` in place; the codebook sizes reached."""
    share_weights.share_weights(model, layer_clusters(model, config), retrain=retrain)
    share_weights.round_floats(model, config.float_bits)
    return {name: int(torch.unique(weight[weight != 0]).numel()) for name, weight in prune.weights(model).items()}


def arrays(model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    """Every parameter and persistent buffer as a NumPy array, by its name."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in model.state_dict().items()}


def float_bytes(model: nn.Module) -> int:
    """4 bytes for each parameter: what every ratio is relative to."""
    return 4 * sum(parameter.numel() for parameter in model.parameters())


def stages(
    before: tuple[nn.Module, float | None],
    pruned: tuple[nn.Module, float | None],
    shared: tuple[nn.Module, float | None],
    text: str = "",
) -> tuple[Stage, ...]:
    """The table "bytes by stage" of three networks with their validation accuracies; `text` is packed with the last."""
    import zstandard
    from safetensors.numpy import save

    base = float_bytes(before[0])
    file = save(arrays(pruned[0]))
    rows = [
        ("float32", base, before[1]),
        ("pruned, as float32 file", len(file), pruned[1]),
        ("pruned, gzip -9", len(gzip.compress(file, 9, mtime=0)), None),
        ("pruned, zstd -19", len(zstandard.ZstdCompressor(level=19).compress(file)), None),
        ("shared, packed (.lmn)", len(packed.pack(text, arrays(shared[0]))), shared[1]),
    ]
    return tuple(Stage(name=name, bytes=size, ratio=base / size, accuracy=accuracy) for name, size, accuracy in rows)


def deep_compression(
    model: nn.Module, *, retrain: Retrain, evaluate: Evaluate, config: Config = Config(), text: str = ""
) -> tuple[nn.Module, Report]:
    """A smaller copy of `model` and what became of its bytes; `text` (the `.lamina` text) is counted in the file.

    retrain trains a network in place (lamina.compression.prune.Retrain); evaluate is its accuracy on validation data.
    """
    accuracy = evaluate(model)
    if config.max_drop is None and config.target_ratio is None:
        found = _candidate(model, retrain, evaluate, config)
        tried = [found]
    else:
        found, tried = _search(model, accuracy, retrain, evaluate, config, text)
    pruned, shared = found.pruned, found.shared
    table = stages((model, accuracy), (pruned, found.pruned_accuracy), (shared, found.accuracy), text)
    report = Report(
        config=found.config,
        densities=prune.density(shared),
        clusters=found.clusters,
        stages=table,
        rows=tuple(packed.sizes(packed.pack(text, arrays(shared)))),
        met=_keeps(found, accuracy, config) and _reaches(shared, config, text),
        tried=tuple(one.row(text) for one in tried),
    )
    return shared, report


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    config: Config
    pruned: nn.Module
    pruned_accuracy: float
    shared: nn.Module
    clusters: dict[str, int]
    accuracy: float

    def row(self, text: str) -> dict[str, Any]:
        size = len(packed.pack(text, arrays(self.shared)))
        density = self.config.density if self.config.densities is None else None
        return {"density": density, "clusters": self.config.clusters, "accuracy": self.accuracy, "bytes": size}


def _candidate(
    model: nn.Module, retrain: Retrain, evaluate: Evaluate, config: Config, pruned: nn.Module | None = None
) -> _Candidate:
    """`model` pruned (unless a `pruned` one is given) and shared by `config`, each stage on its own copy."""
    if pruned is None:
        pruned = copy.deepcopy(model)
        prune_stage(pruned, retrain=retrain, config=config)
    shared = copy.deepcopy(pruned)
    clusters = share_stage(shared, retrain=retrain, config=config)
    return _Candidate(
        config=config,
        pruned=pruned,
        pruned_accuracy=evaluate(pruned),
        shared=shared,
        clusters=clusters,
        accuracy=evaluate(shared),
    )


def _search(
    model: nn.Module, accuracy: float, retrain: Retrain, evaluate: Evaluate, config: Config, text: str
) -> tuple[_Candidate, list[_Candidate]]:
    """Walk `DENSITIES`, then `CLUSTERS`, each from the last network that kept the accuracy: it, and all tried."""
    best: _Candidate | None = None
    tried: list[_Candidate] = []
    for density in DENSITIES:
        wanted = replace(config, density=density, densities=None)
        one = _candidate(model if best is None else best.pruned, retrain, evaluate, wanted)
        tried.append(one)
        if best is not None and not _keeps(one, accuracy, config):
            break
        best = one
        if _done(one, accuracy, config, text) or not _keeps(one, accuracy, config):
            return one, tried
    assert best is not None
    for count in CLUSTERS:
        if count >= max(config.clusters):
            continue
        wanted = replace(best.config, clusters=(count,))
        one = _candidate(model, retrain, evaluate, wanted, pruned=best.pruned)
        tried.append(one)
        if not _keeps(one, accuracy, config):
            break
        if len(packed.pack(text, arrays(one.shared))) < len(packed.pack(text, arrays(best.shared))):
            best = one
        if _done(one, accuracy, config, text):
            break
    return best, tried


def _keeps(one: _Candidate, accuracy: float, config: Config) -> bool:
    # half an example's worth of slack: shares are quotients of counts and do not subtract exactly
    return config.max_drop is None or accuracy - one.accuracy <= config.max_drop + 1e-9


def _reaches(model: nn.Module, config: Config, text: str) -> bool:
    size = len(packed.pack(text, arrays(model)))
    return config.target_ratio is None or float_bytes(model) / size >= config.target_ratio


def _done(one: _Candidate, accuracy: float, config: Config, text: str) -> bool:
    """Whether a search with a target may stop at `one`."""
    return config.target_ratio is not None and _reaches(one.shared, config, text) and _keeps(one, accuracy, config)
